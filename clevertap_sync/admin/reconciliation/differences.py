"""Differences in words: their sizes, their causes with the fixes, and what stays unexplained.

Days of one name that have the same causes are one difference, told by the newest of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.urls import reverse

from clevertap_sync.admin.reconciliation.repeat_query import write_query
from clevertap_sync.admin.reconciliation.seen_cells import (
    describe_difference,
    format_difference,
    name_day,
    name_place,
)
from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.locations import Location, find_base_url
from clevertap_sync.models import Account, Integration, Statement
from referrals.words import format_count

#: So many differences are explained on the page; the file has all.
MOST_SHOWN: Final = 100
#: By a cause's code: the field of the integration's settings that mends it, and the words.
_IN_SETTINGS: Final = {
    codes.PROPERTY_MISSING: ("id_send_none", "Send 'none'"),
    codes.OTHER_TIME_ZONE: ("id_time_zone", "Choose the time zone"),
    codes.NAME_DISCARDED: ("id_sends", "Switch the event off"),
    codes.EVENT_TYPES_FULL: ("id_sends", "Switch events off"),
    codes.ACCOUNT_EMPTY: ("id_account_id", "Compare the account ID"),
}
_IN_UPLOADS: Final = frozenset({codes.SENT_TWICE, codes.MAYBE_REFUSED})


@dataclass(frozen=True, slots=True)
class CauseLine:
    """What explains a part of a difference, on all of its days together.

    `sentence` is that of `day`, which is "" where it holds for all. `url` leads to the fix,
    where we have one.
    """

    code: str
    size: str
    day: str
    sentence: str
    url: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day of a difference: its name, the difference in words, and its place on the page."""

    place: str
    day: str
    sentence: str


@dataclass(frozen=True, slots=True)
class DifferenceLine:
    """One name's difference on the days that have the same causes, the newest first.

    `rest` is what nothing explains, in words, and `query` asks for it anew; "" where all is
    explained. `lacks` says that the rest is fewer.
    """

    name: str
    days: tuple[DayLine, ...]
    causes: tuple[CauseLine, ...]
    rest: str
    query: str
    lacks: bool


def describe_differences(
    statements: Iterable[Statement], integration: Integration
) -> list[DifferenceLine]:
    """Return the statements' differences in words, in the order in which they begin."""
    alike: dict[tuple[object, ...], list[Statement]] = {}
    for each in statements:
        causes = tuple(cause["code"] for cause in each.causes)
        key = (each.folded_name, causes, bool(each.unexplained))
        alike.setdefault(key, []).append(each)
    return [_describe_alike(group, integration) for group in alike.values()]


def _describe_alike(
    statements: Sequence[Statement], integration: Integration
) -> DifferenceLine:
    newest = statements[0]
    rest = sum(each.unexplained for each in statements)
    return DifferenceLine(
        name=newest.name,
        days=tuple(
            DayLine(name_place(each), name_day(each.day), describe_difference(each))
            for each in statements
        ),
        causes=tuple(
            _describe_cause(statements, number, integration)
            for number, _ in enumerate(newest.causes)
        ),
        rest=_describe_rest(rest, is_part=bool(newest.causes)),
        query=_write_query(newest, integration.account) if newest.unexplained else "",
        lacks=rest < 0,
    )


def _write_query(statement: Statement, account: Account) -> str:
    base_url = find_base_url(Location(account.location), settings.CLEVERTAP_BASE_URL)
    return write_query(base_url, account.account_id, statement.name, statement.day)


def _describe_rest(size: int, *, is_part: bool) -> str:
    if not size:
        return ""
    what = f"{abs(size):,} of these" if is_part else format_count(abs(size), "record")
    return f"Nothing explains {what}."


def _describe_cause(
    statements: Sequence[Statement], number: int, integration: Integration
) -> CauseLine:
    """Return one of the causes, which has the same number on all days."""
    causes = [each.causes[number] for each in statements]
    is_same = len({each["sentence"] for each in causes}) == 1
    code = str(causes[0]["code"])
    return CauseLine(
        code,
        _sum_up(causes),
        "" if is_same else name_day(statements[0].day),
        str(causes[0]["sentence"]),
        *_link_to_fix(code, integration),
    )


def _sum_up(causes: Sequence[dict[str, Any]]) -> str:
    """Return the sizes' sum, which is another number than those of the sentences."""
    size = format_difference(sum(int(each["size"]) for each in causes))
    return f"{size} in all" if len(causes) > 1 else size


def _link_to_fix(code: str, integration: Integration) -> tuple[str, str]:
    """Return address and label of the page on which the cause is mended here, or "" twice."""
    if code in _IN_SETTINGS:
        field, label = _IN_SETTINGS[code]
        edit = reverse("admin:clevertap_sync_integration_change", args=[integration.pk])
        return f"{edit}#{field}", label
    if code in _IN_UPLOADS:
        uploads = reverse("admin:clevertap_sync_upload_changelist")
        return f"{uploads}?integration__id__exact={integration.pk}", "See the uploads"
    return "", ""
