"""The numbers of `status`, read for all integrations at once: three statements.

None of them reads more where more was delivered: each part of them has an index, and what was
tallied is added up by the hour.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from clevertap_sync.clevertap import reasons
from clevertap_sync.insight.integration_query import ask_about
from clevertap_sync.insight.unknown_outcomes import (
    UnknownOutcomes,
    read_unknown_outcomes,
)
from clevertap_sync.models import DeadLetter, Integration
from referrals import log

_State = DeadLetter.State

# An upload that is not mapped yet counts with its events.
_SIZE: Final = "coalesce(u.records, u.covers, u.last - u.first + 1)"
# Each record of the log is delivered once: by its own upload, or revived by a replay.
_NUMBERS: Final = f"""
    SELECT i.id, coalesce({log.build_head_sql("i.app_id")}, 0),
        (SELECT coalesce(sum(t.delivered), 0) FROM clevertap_sync_tally t
            WHERE t.integration_id = i.id),
        (SELECT coalesce(sum(u.delivered), 0) FROM clevertap_sync_upload u
            WHERE u.integration_id = i.id AND u.id > i.tallied_to
            AND u.state = 'settled' AND u.replay_id IS NULL),
        (SELECT count(*) FROM clevertap_sync_deadletter d
            JOIN clevertap_sync_upload u ON u.id = d.upload_id
            WHERE d.integration_id = i.id AND d.state = 'delivered'
            AND u.replay_id IS NULL),
        coalesce(waits.under_way, 0), coalesce(waits.all_of_them, 0), waits.oldest
    FROM clevertap_sync_integration i
    LEFT JOIN (
        SELECT u.integration_id, sum({_SIZE}) AS all_of_them,
            sum(CASE WHEN u.leased_until > %(now)s OR u.unknown_outcomes > 0
                THEN {_SIZE} END) AS under_way,
            min(CASE WHEN u.replay_id IS NULL THEN u.first END) AS oldest
        FROM clevertap_sync_upload u
        WHERE u.state = 'open' AND u.integration_id IN ({{ids}})
        GROUP BY u.integration_id
    ) waits ON waits.integration_id = i.id
    WHERE i.id IN ({{ids}})
"""  # noqa: S608 - our own words
# One state at a time: each has an index of its own.
_LETTERS: Final = " UNION ALL ".join(
    f"""
    SELECT integration_id, '{state}', reason, count(*) FROM clevertap_sync_deadletter
    WHERE integration_id IN ({{ids}}) AND state = '{state}'
    GROUP BY integration_id, reason
    """  # noqa: S608 - our own states
    for state in (_State.OPEN, _State.WAITING, _State.REPLAYING)
)


@dataclass(frozen=True, slots=True)
class DeliveryNumbers:
    """The numbers of one integration; `oldest` is the first position that is open, if any."""

    head: int
    delivered: int
    in_flight: int
    queued: int
    oldest: int | None
    #: What fell out, and what waits or is on its way after it did, by reason.
    dead_letters: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, int] = field(default_factory=dict)
    unknown: UnknownOutcomes = field(default_factory=lambda: UnknownOutcomes(0, {}))


def read_delivery_numbers(
    integrations: Sequence[Integration], now: datetime
) -> dict[int, DeliveryNumbers]:
    """Return each integration's numbers, by its ID."""
    ids = [each.pk for each in integrations]
    removed = {each.pk: each.removed_delivered for each in integrations}
    letters = _count_letters(ids)
    unknown = read_unknown_outcomes(integrations, now)
    found = {}
    for row in ask_about(ids, _NUMBERS, now=now):
        key, head, tallied, live, revived, under_way, waits = map(int, row[:-1])
        dead, waiting = _sort_letters(letters[key])
        found[key] = DeliveryNumbers(
            head=head,
            delivered=tallied + live + revived + removed[key],
            in_flight=under_way,
            queued=waits - under_way,
            oldest=row[-1],
            dead_letters=dead,
            waiting=waiting,
            unknown=unknown[key],
        )
    return found


def _count_letters(ids: Sequence[int]) -> Mapping[int, list[tuple[str, str, int]]]:
    """Return, by integration, (state, reason, number) of what has no verdict for good."""
    found: defaultdict[int, list[tuple[str, str, int]]] = defaultdict(list)
    for key, state, reason, number in ask_about(ids, _LETTERS):
        found[key].append((state, reason, number))
    return found


def _sort_letters(
    counted: Sequence[tuple[str, str, int]],
) -> tuple[dict[str, int], dict[str, int]]:
    """Return the numbers of dead letters by reason, and those of what waits."""
    dead: Counter[str] = Counter()
    waiting: Counter[str] = Counter()
    for state, reason, number in counted:
        # On its way after it waited, or after it fell out.
        is_revived = state == _State.REPLAYING and reason in _REASONS_TO_WAIT
        waits = state == _State.WAITING or is_revived
        (waiting if waits else dead)[reason] += number
    return dict(sorted(dead.items())), dict(sorted(waiting.items()))


_REASONS_TO_WAIT: Final = reasons.WAITING | reasons.EXPIRED
