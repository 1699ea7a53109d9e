"""Differences in words: their sizes, their causes with the fixes, and what stays unexplained.

Days of one name on which the same sentences hold are one difference.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse

from clevertap_sync.admin.reconciliation.repeat_query import write_query
from clevertap_sync.admin.reconciliation.seen_cells import (
    describe_difference,
    format_difference,
    name_day,
    name_place,
)
from clevertap_sync.models import Integration, Statement
from referrals.words import format_count

#: So many differences are explained on the page; the file has all.
MOST_SHOWN: Final = 40


@dataclass(frozen=True, slots=True)
class CauseLine:
    """What explains a part of a difference. `url` leads to the fix, where we have one."""

    code: str
    size: str
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
    explained.
    """

    name: str
    days: tuple[DayLine, ...]
    causes: tuple[CauseLine, ...]
    rest: str
    query: str


def describe_differences(
    statements: Iterable[Statement], integration: Integration
) -> list[DifferenceLine]:
    """Return the statements' differences in words, in the order in which they begin."""
    alike: dict[tuple[object, ...], list[Statement]] = {}
    for each in statements:
        reasons = tuple((cause["code"], cause["sentence"]) for cause in each.causes)
        key = (each.folded_name, reasons, bool(each.unexplained))
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
            _describe_cause(cause, _add_sizes(statements, number), integration)
            for number, cause in enumerate(newest.causes)
        ),
        rest=_describe_rest(rest, is_part=bool(newest.causes)),
        query=write_query(integration.account, newest.name, newest.day)
        if newest.unexplained
        else "",
    )


def _add_sizes(statements: Iterable[Statement], number: int) -> int:
    """Return the sum of the sizes of one cause; it has the same number on all days."""
    return sum(int(each.causes[number]["size"]) for each in statements)


def _describe_rest(size: int, *, is_part: bool) -> str:
    if not size:
        return ""
    records = format_count(abs(size), "record")
    beside = " of these" if is_part else ""
    return f"Nothing explains {records}{beside}."


def _describe_cause(
    cause: Mapping[str, Any], size: int, integration: Integration
) -> CauseLine:
    code = str(cause["code"])
    return CauseLine(
        code,
        format_difference(size),
        str(cause["sentence"]),
        *_link_to_fix(code, integration),
    )


def _link_to_fix(code: str, integration: Integration) -> tuple[str, str]:
    """Return address and label of the page on which the cause is mended here, or "" twice."""
    edit = reverse("admin:clevertap_sync_integration_change", args=[integration.pk])
    links: dict[str, tuple[str, str]] = {}
    return links.get(code, ("", ""))
