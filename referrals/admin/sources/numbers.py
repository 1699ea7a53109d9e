"""What the calls of a source came to, as its page shows it: tiles, bars, causes, names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from referrals.admin.kit.charts import BarChart, draw_bars
from referrals.admin.sources.source_form import (
    list_custom_names,
    list_kinds,
)
from referrals.admin.sources.verdicts import (
    REFUSED_REMEDY,
    CallLine,
    describe_calls,
    explain_failed,
    explain_ignored,
    explain_refused,
)
from referrals.hooks.last_calls import KEPT_CALLS, KEPT_STRANGE
from referrals.ingest.counter import NO_IDENTITY, OTHER_CODES
from referrals.ingest.source_health import (
    SourceBar,
    SourceCounts,
    SourceHealth,
)
from referrals.models import Source
from referrals.refusals import REMEDIES, Code
from referrals.sources.mapping.rules import Reason
from referrals.sources.mapping.words import fold_word

#: Of the last calls, a page shows so many.
SHOWN_CALLS: Final = KEPT_CALLS + KEPT_STRANGE
#: Of these, so many while somebody waits for the first.
ARRIVED_CALLS: Final = 5
#: Names that were seen and not taken.
SHOWN_NAMES: Final = 20
_BARS: Final = {
    "accepted": "accepted",
    "duplicate": "duplicate",
    "ignored": "ignored",
    "refused": "refused",
    "unverified": "failed the check",
}

#: What to do about what is ignored. All other reasons call for nobody.
_BY_REASON: Final[Mapping[str, str]] = {
    Reason.NO_REFERRER: "Put your ID of the referrer into the invite link under one of the "
    "referrer keys, or let the source take marketing links.",
    Reason.NOT_CHOSEN: "Choose them below, if they are worth an event.",
}
#: What to do about a refusal where a mapping made the event: the platform's calls are as
#: they are.
_BY_MAPPING: Final[Mapping[str, str]] = {
    Code.MILLISECONDS: "Say in the mapping that the time of occurred_at is in Unix milliseconds.",
    Code.BAD_TIME: "Say in the mapping how the platform writes the time of occurred_at.",
    Code.TOO_EARLY: "Look whether the mapping takes the right time for occurred_at, and says "
    "how it is written.",
    Code.IN_FUTURE: "Look whether the mapping takes the right time for occurred_at, and says "
    "how it is written. Otherwise the platform's clock is wrong.",
    Code.MISSING_FIELD: "Let the mapping find the field in the calls of this kind, too.",
    Code.BAD_ID: "Let the mapping find an id in the calls of this kind, too, or make one by "
    "hash.",
    Code.NO_USER: "Let the mapping find who did it: user.id, or an identity.",
    Code.WRONG_TYPE: "Let the mapping take another value for the field.",
    Code.UNKNOWN_VALUE: "Let the mapping translate the value with map.",
}


@dataclass(frozen=True, slots=True)
class CountLine:
    """A number in 24 hours and in 30 days."""

    label: str
    day: int | str
    month: int | str


@dataclass(frozen=True, slots=True)
class CauseLine:
    """Why something was ignored, refused or not believed, and what to do about it."""

    meaning: str
    code: str
    day: int
    month: int
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class IdentityLine:
    """How many of a month's users carry an identity of one provider."""

    provider: str
    number: int
    percent: int


def build_numbers(source: Source, health: SourceHealth) -> dict[str, Any]:
    """Return what the template of a source's page needs of its numbers."""
    day, month = health.day, health.month
    return {
        "health": health,
        "counts": list(_list_counts(day, month)),
        "charts": [
            _draw("Last 24 hours, by the hour", health.hours, _name_hour),
            _draw("Last 30 days, by the day (UTC)", health.days, _name_day),
        ],
        "causes": _list_causes(source, day, month),
        "identities": _list_identities(month),
        "unreferred": (day.percent_unreferred, month.percent_unreferred),
        "seen": list_seen_names(source, month),
        "calls": list_calls(source, SHOWN_CALLS),
    }


def describe_arrival(source: Source, health: SourceHealth) -> dict[str, Any]:
    """Return what somebody who waits for the first call wants to know."""
    return {
        "calls": list_calls(source, ARRIVED_CALLS),
        "failed": health.last_unverified if health.day.unverified else None,
        "taken": health.month.taken,
    }


def list_calls(source: Source, most: int) -> list[CallLine]:
    """Return the last calls of `source`, newest first."""
    return describe_calls(source.calls.order_by("-id")[:most])


def list_seen_names(source: Source, counts: SourceCounts) -> list[tuple[str, int]]:
    """Return what the platform called events that were not taken and still are not."""
    taken = {fold_word(name) for name in list_custom_names(source)}
    taken.update(fold_word(kind.name) for kind in list_kinds(source) if kind.is_taken)
    return [
        (name, number)
        for name, number in counts.seen.items()
        if name != OTHER_CODES and fold_word(name) not in taken
    ][:SHOWN_NAMES]


def _list_counts(day: SourceCounts, month: SourceCounts) -> list[CountLine]:
    lines = [
        CountLine("Calls", day.calls, month.calls),
        CountLine("Accepted", day.accepted, month.accepted),
        CountLine("Duplicates", day.duplicates, month.duplicates),
        CountLine("Ignored", sum(day.ignored.values()), sum(month.ignored.values())),
        CountLine("Refused", sum(day.refused.values()), sum(month.refused.values())),
        CountLine(
            "Failed the check",
            sum(day.unverified.values()),
            sum(month.unverified.values()),
        ),
    ]
    rare = [
        CountLine("Duplicates, other content", day.other_content, month.other_content),
        CountLine("Kept until the database was back", day.spooled, month.spooled),
        CountLine("Lost", day.lost, month.lost),
    ]
    return [*lines, *(line for line in rare if line.month)]


def _list_causes(
    source: Source, day: SourceCounts, month: SourceCounts
) -> list[tuple[str, list[CauseLine]]]:
    """Return the causes under their headings; a heading without a cause is left out."""
    find_refused_remedy = _find_remedy if source.is_native else _find_mapping_remedy
    found = [
        (
            "Ignored",
            _explain(day.ignored, month.ignored, explain_ignored, _find_ignored_remedy),
        ),
        (
            "Refused",
            _explain(day.refused, month.refused, explain_refused, find_refused_remedy),
        ),
        (
            "Calls that failed their check",
            _explain(day.unverified, month.unverified, explain_failed),
        ),
    ]
    return [(heading, lines) for heading, lines in found if lines]


def _explain(
    day: Mapping[str, int],
    month: Mapping[str, int],
    explain: Callable[[str], str],
    find_remedy: Callable[[str], str] = lambda _: "",
) -> list[CauseLine]:
    return [
        CauseLine(explain(code), code, day.get(code, 0), number, find_remedy(code))
        for code, number in month.items()
    ]


def _find_ignored_remedy(reason: str) -> str:
    return _BY_REASON.get(reason, "")


def _find_mapping_remedy(code: str) -> str:
    return _BY_MAPPING.get(code, REFUSED_REMEDY)


def _find_remedy(code: str) -> str:
    return REMEDIES[Code(code)] if code in set(Code) else ""


def _list_identities(counts: SourceCounts) -> list[IdentityLine]:
    taken = counts.taken
    return [
        IdentityLine(
            "no identity" if provider == NO_IDENTITY else provider,
            number,
            min(100, round(100 * number / taken)),
        )
        for provider, number in counts.identities.items()
        if taken
    ]


def _draw(
    caption: str, bars: Sequence[SourceBar], name: Callable[[datetime], str]
) -> BarChart:
    periods = [
        (
            name(bar.at),
            {
                "accepted": bar.accepted,
                "duplicate": bar.duplicates,
                "ignored": bar.ignored,
                "refused": bar.refused,
                "unverified": bar.unverified,
            },
        )
        for bar in bars
    ]
    return draw_bars(caption, _BARS, periods)


def _name_hour(at: datetime) -> str:
    return f"{at:%H:%M} UTC"


def _name_day(at: datetime) -> str:
    return f"{at.day} {at:%b}"
