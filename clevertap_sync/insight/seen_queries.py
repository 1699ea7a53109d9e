"""Read what CleverTap shows of all accounts that are compared: four statements, or none.

An account may be shared by several apps: to an integration belong the names that it delivers.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db.models import F, OuterRef, Q, Subquery

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.insight.delivered_counts import read_own_names
from clevertap_sync.insight.seen_facts import (
    OVERDUE_MINUTES,
    Delays,
    OverdueName,
    SeenFacts,
    ShortDay,
    ShownName,
    SoughtName,
)
from clevertap_sync.models import (
    Account,
    Comparison,
    FirstSight,
    Integration,
    Statement,
)

#: What is older is not compared any more, so it says nothing about the present.
COMPARED: Final = timedelta(days=8)
#: A name that CleverTap shows is told for so long.
TOLD: Final = timedelta(days=1)
#: So many first sights of an account show how soon it shows new names.
SIGHTS: Final = 1_000
#: Causes of fewer that are as they should be: nothing of what was delivered was dropped.
EXPECTED: Final = frozenset(
    {
        codes.NOT_PROCESSED_YET,
        codes.COUNTS_PEOPLE,
        codes.PROFILES_DELETED,
        codes.DATA_RETENTION,
        # Our books have it already, as refusals that name no record.
        codes.MAYBE_REFUSED,
    }
)

AccountIds = Collection[int]


class _SeenRows(NamedTuple):
    """What was read of one account, of all its names."""

    reading: Mapping[str, Any]
    sights: Sequence[FirstSight]
    short: Sequence[ShortDay]


def read_seen_facts(rows: Sequence[Integration], now: datetime) -> dict[int, SeenFacts]:
    """Return, by the integration's ID, what CleverTap shows; of those alone that are compared."""
    compared = [row for row in rows if row.reconciles]
    if not compared:
        return {}
    ids = {row.account_id for row in compared}
    readings, sights = _read_readings(ids), _read_sights(ids)
    short = _read_short_days(ids, now)
    own = read_own_names([row.pk for row in compared])
    seen = {pk: _SeenRows(readings[pk], sights[pk], short.get(pk, ())) for pk in ids}
    return {
        row.pk: _make_facts(row, now, seen[row.account_id], own[row.pk])
        for row in compared
    }


def _make_facts(
    row: Integration, now: datetime, seen: _SeenRows, own: frozenset[str]
) -> SeenFacts:
    """Return what concerns the integration: `own` names. Delays are the account's."""
    shown = [_make_shown(each) for each in seen.sights if was_watched(each)]
    return SeenFacts(
        overdue=tuple(
            OverdueName(each.name, each.delivered, each.first_at, each.cause)
            for each in seen.sights
            if each.folded_name in own and _is_overdue(each, now)
        ),
        shown=tuple(
            each
            for each in shown
            if now - each.shown_at < TOLD and normalise_event_name(each.name) in own
        ),
        short=tuple(
            each for each in seen.short if normalise_event_name(each.name) in own
        ),
        sought=tuple(
            SoughtName(each.name, each.first_at)
            for each in seen.sights
            if each.folded_name in own and _is_sought(each, now)
        ),
        delays=Delays.measure([each.seconds for each in shown]),
        since=row.counts_since,
        compared_at=seen.reading["compared_at"],
        not_compared=seen.reading["not_compared"] or 0,
        refused_at=seen.reading["reading__refused_at"],
        error=_find_error(seen.reading),
    )


def _read_readings(ids: AccountIds) -> dict[int, dict[str, Any]]:
    """Return how reading each account goes, and its last nightly comparison.

    What that did not reach counts until any comparison reaches everything.
    """
    comparisons = Comparison.objects.filter(account=OuterRef("pk")).order_by("-pk")
    nightly = comparisons.filter(kind=Comparison.Kind.NIGHTLY)
    done = nightly.filter(state=Comparison.State.DONE)
    whole = Q(kind=Comparison.Kind.ORDER, error="", not_compared=0)
    telling = comparisons.filter(
        Q(kind=Comparison.Kind.NIGHTLY) | whole, state=Comparison.State.DONE
    )
    failed = nightly.filter(state=Comparison.State.FAILED)
    rows = Account.objects.filter(pk__in=ids).annotate(
        compared_at=Subquery(done.values("ended_at")[:1]),
        not_compared=Subquery(telling.values("not_compared")[:1]),
        failed_at=Subquery(failed.values("ended_at")[:1]),
        failure=Subquery(failed.values("error")[:1]),
    )
    found = rows.values(
        *("pk", "compared_at", "not_compared", "failed_at", "failure"),
        *("reading__refused_at", "reading__last_error"),
    )
    return {row["pk"]: dict(row) for row in found}


def _find_error(reading: Mapping[str, Any]) -> str:
    """Return the code of what goes wrong now, or of what ended the last night early."""
    compared_at, failed_at = reading["compared_at"], reading["failed_at"]
    is_later = failed_at and (compared_at is None or failed_at > compared_at)
    return reading["reading__last_error"] or (reading["failure"] if is_later else "")


def _read_sights(ids: AccountIds) -> Mapping[int, Sequence[FirstSight]]:
    """Return each account's first sights that tell something, newest first."""
    found: defaultdict[int, list[FirstSight]] = defaultdict(list)
    asked = FirstSight.objects.filter(account__in=ids, asked__gt=0)
    for each in asked.order_by("-pk")[: SIGHTS * len(ids)]:
        found[each.account_id].append(each)
    return found


def was_watched(sight: FirstSight) -> bool:
    """Return whether a new name was asked for until CleverTap showed it.

    One that a nightly comparison found later says nothing about how soon it was there.
    """
    return (
        bool(sight.is_new)
        and sight.shown_at is not None
        and sight.shown_at == sight.asked_at
        and sight.cause in {"", codes.NOT_PROCESSED_YET}
    )


def _make_shown(sight: FirstSight) -> ShownName:
    shown_at = sight.shown_at or sight.first_at
    return ShownName(sight.name, shown_at, (shown_at - sight.first_at).total_seconds())


def _is_overdue(sight: FirstSight, now: datetime) -> bool:
    is_present = now - sight.first_at < COMPARED
    return bool(sight.cause) and sight.shown_at is None and is_present


def _is_sought(sight: FirstSight, now: datetime) -> bool:
    """Return whether a name was not found so far, and nothing is wrong with that yet."""
    is_hidden = sight.is_new and sight.counted == 0 and sight.shown_at is None
    is_early = now - sight.first_at < timedelta(minutes=OVERDUE_MINUTES)
    return bool(is_hidden) and not sight.cause and is_early


def _read_short_days(
    ids: AccountIds, now: datetime
) -> Mapping[int, Sequence[ShortDay]]:
    """Return, by account, the days of names of which CleverTap counts fewer, worst first."""
    rows = Statement.objects.filter(
        account__in=ids,
        day__gte=(now - COMPARED).date(),
        counted__lt=F("delivered") - F("maybe_fewer"),
    )
    found: defaultdict[int, list[ShortDay]] = defaultdict(list)
    for each in rows:
        if short := _make_short_day(each):
            found[each.account_id].append(short)
    for days in found.values():
        days.sort(key=lambda short: (-short.percent, short.name, short.day))
    return found


def _make_short_day(statement: Statement) -> ShortDay | None:
    """Return what is missing; None where all of it is as it should be."""
    lacking = [cause for cause in statement.causes if cause["size"] < 0]
    expected = sum(each["size"] for each in lacking if each["code"] in EXPECTED)
    missing = expected - (statement.difference or 0) - _find_doubt(statement)
    if missing <= 0:
        return None
    dropped = [each for each in lacking if each["code"] not in EXPECTED]
    largest = min(dropped, key=lambda cause: int(cause["size"]), default=None)
    return ShortDay(
        name=statement.name,
        day=statement.day,
        delivered=statement.delivered,
        missing=missing,
        nights=statement.nights_short,
        cause=largest["code"] if largest else "",
        sentence=largest["sentence"] if largest else "",
    )


def _find_doubt(statement: Statement) -> int:
    """Return how much of what nothing explains CleverTap may have refused."""
    if any(cause["code"] == codes.MAYBE_REFUSED for cause in statement.causes):
        return 0
    return min(statement.maybe_fewer, max(0, -statement.unexplained))
