"""Siblings: the integrations of one app, which the overview shows side by side."""

from collections.abc import Sequence
from typing import Final

from clevertap_sync.admin.overview.cards import StandingLine
from clevertap_sync.models import EventKinds

#: Production stands before its staging.
_ORDER: Final = [EventKinds.PRODUCTION, EventKinds.BOTH, EventKinds.TEST]

Siblings = Sequence[StandingLine]


def group_siblings(lines: Siblings) -> list[Siblings]:
    """Return the lines app by app, in the order of each app's first line."""
    found: dict[int, list[StandingLine]] = {}
    for line in lines:
        found.setdefault(line.integration.app_id, []).append(line)
    return [sorted(each, key=_place) for each in found.values()]


def split_for_cards(
    groups: Sequence[Siblings], room: int
) -> tuple[list[Siblings], list[Siblings]]:
    """Return the groups that have cards, at most `room` of these, and those that have lines.

    Siblings stay together, but for an app that alone has more than there is room for.
    """
    with_cards: list[Siblings] = []
    for number, group in enumerate(groups):
        if len(group) > room:
            if with_cards:
                return with_cards, list(groups[number:])
            rest = [group[room:], *groups[number + 1 :]]
            return [group[:room]], rest
        with_cards.append(group)
        room -= len(group)
    return with_cards, []


def _place(line: StandingLine) -> tuple[int, bool, int]:
    """Return the place among siblings: what sends production events, and not to a test account."""
    integration = line.integration
    kinds = EventKinds(integration.event_kinds)
    return _ORDER.index(kinds), integration.account.is_test, line.rank
