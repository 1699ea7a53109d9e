"""The status of an integration: its numbers, its lag, and whether its books balance.

Pages and commands show it. Everything about one integration is read in one snapshot, so that
the numbers agree with each other to the last record.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

import msgspec
from django.db import connection, transaction
from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from clevertap_sync.clevertap import reasons
from clevertap_sync.clevertap.account_faults import HoldCause, describe_hold_cause
from clevertap_sync.insight import books, wait_numbers
from clevertap_sync.insight.fact_queries import read_facts
from clevertap_sync.insight.facts import Facts
from clevertap_sync.insight.findings import Finding, Severity, judge_facts, judge_ingest
from clevertap_sync.insight.ingest_queries import (
    IngestByApp,
    read_app_ingest,
    read_lonely_facts,
)
from clevertap_sync.insight.installation_facts import (
    judge_installation,
    read_installation_facts,
)
from clevertap_sync.insight.links import build_address
from clevertap_sync.insight.parked_letters import count_parked_letters
from clevertap_sync.insight.seen_numbers import SeenStatus, read_seen_status
from clevertap_sync.insight.unknown_outcomes import count_unknown_outcomes
from clevertap_sync.models import Attempt, DeadLetter, Integration, Upload
from clevertap_sync.process import clock
from referrals import log
from referrals.models import App


class HoldStatus(msgspec.Struct, frozen=True):
    """Why delivery is stopped, since when, and when it is tried again."""

    reason: str
    since: datetime | None
    until: datetime | None
    #: Which of the credentials is wrong, where the hold cause is known.
    cause: HoldCause | None = None


class ShownFinding(msgspec.Struct, frozen=True):
    """A finding as commands print it.

    `url` leads to the fix, and is absolute where PUBLIC_URL is set. `count` is of events,
    records or messages, or null.
    """

    code: str
    severity: Severity
    sentence: str
    count: int | None
    url: str

    @classmethod
    def from_finding(cls, finding: Finding) -> Self:
        """Return the finding with the address of its fix."""
        return cls(
            code=finding.code,
            severity=finding.severity,
            sentence=finding.sentence,
            count=finding.count,
            url=build_address(finding.link),
        )


class IntegrationStatus(msgspec.Struct, frozen=True):
    """Where an integration stands. Counts are records; head, cursor and backlog are events.

    Where `integration` is None, the findings are those of an app without one; where `app` is
    None too, the installation's. `in_flight` was sent and waits for a readable verdict;
    `queued` is in an upload that waits to be sent, for the first time or again. `waiting` is
    by what records wait for, and among no dead letters; `revived` and `expired` are all that
    waited and were delivered, or waited in vain, where all books were checked.
    """

    app: str | None
    integration: str | None
    head: int
    cursor: int
    backlog: int
    lag_seconds: float
    in_flight: int
    queued: int
    delivered: int
    dead_letters: dict[str, int]
    waiting: dict[str, int]
    revived: int | None
    expired: int | None
    hold: HoldStatus | None
    unknown_outcomes: int
    balanced: bool
    #: Of the last 30 days, the unknown outcomes by cause.
    unknown_causes: dict[str, int] = {}
    #: The dead letters `outcome_unknown` by what CleverTap's counts say of them.
    parked_letters: dict[str, int] = {}
    #: What CleverTap counts of the newest day; None where that is not compared. No book.
    clevertap: SeenStatus | None = None
    #: Sentences that say which books do not balance, and how.
    imbalances: tuple[str, ...] = ()
    #: What is not well, the most important first.
    findings: tuple[ShownFinding, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return what `delivery_status --json` prints."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        if self.balanced:
            del shown["imbalances"]
        return shown


def read_statuses() -> list[IntegrationStatus]:
    """Return each integration's status, with all books checked and all findings.

    Apps without an integration, and the installation, have a row where they have findings.
    """
    with read_in_snapshot():
        now = clock.read_now()
        rows = list(list_integrations_shown())
        ingest = read_app_ingest(now)
        facts = read_facts(rows, now, ingest)
        return [
            *(
                add_findings(read_status(row), known)
                for row, known in zip(rows, facts, strict=True)
            ),
            *_list_elsewhere(now, ingest),
        ]


def find_findings_elsewhere(
    now: datetime, ingest: IngestByApp
) -> list[tuple[App | None, list[Finding]]]:
    """Return the findings of apps without an integration, and of the installation.

    The installation's app is None. Call it inside `read_in_snapshot()`.
    """
    found: list[tuple[App | None, list[Finding]]] = [
        (facts.integration.app, judge_ingest(facts))
        for facts in read_lonely_facts(now, ingest)
    ]
    found.append((None, judge_installation(read_installation_facts(now, ingest))))
    return [(app, findings) for app, findings in found if findings]


def _list_elsewhere(now: datetime, ingest: IngestByApp) -> Iterator[IntegrationStatus]:
    for app, findings in find_findings_elsewhere(now, ingest):
        yield IntegrationStatus(
            app=app.slug if app else None,
            integration=None,
            head=0,
            cursor=0,
            backlog=0,
            lag_seconds=0.0,
            in_flight=0,
            queued=0,
            delivered=0,
            dead_letters={},
            waiting={},
            revived=None,
            expired=None,
            hold=None,
            unknown_outcomes=0,
            balanced=True,
            findings=tuple(map(ShownFinding.from_finding, findings)),
        )


def add_findings(status: IntegrationStatus, facts: Facts) -> IntegrationStatus:
    """Return the status with the findings of the facts and of its own imbalances."""
    known = replace(facts, imbalances=status.imbalances)
    return msgspec.structs.replace(
        status, findings=tuple(map(ShownFinding.from_finding, judge_facts(known)))
    )


def list_integrations_shown(
    among: QuerySet[Integration] | None = None,
) -> QuerySet[Integration]:
    """Return the integrations that are not archived, by app and name, as pages show them."""
    chosen = Integration.objects.all() if among is None else among
    found = chosen.filter(archived_at=None).select_related("app", "account")
    return found.order_by("app__slug", "name")


@contextmanager
def read_in_snapshot() -> Iterator[None]:
    """Read everything inside as of one instant, without blocking a writer."""
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    elif connection.in_atomic_block:
        yield
    else:
        with _begin_deferred():
            yield


@contextmanager
def _begin_deferred() -> Iterator[None]:
    """Open a plain BEGIN on SQLite: a snapshot of reads that takes no write lock."""
    connection.ensure_connection()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def read_status(
    integration: Integration, *, checks_all_books: bool = True
) -> IntegrationStatus:
    """Return one integration's status. Call it inside `read_in_snapshot()`.

    The more uploads there are, the longer it takes to check all books. Without
    `checks_all_books`, `balanced` is about the newest uploads alone, and `revived` and
    `expired` are None. No other number depends on it.
    """
    head = log.read_head(integration.app_id)
    dead, waiting = _count_dead_letters(integration)
    check = books.find_imbalances if checks_all_books else books.find_recent_imbalances
    imbalances = check(integration, head)
    now = clock.read_now()
    in_flight, queued = _count_waiting_records(integration, now)
    ended = wait_numbers.count_ended_waits(integration) if checks_all_books else None
    unknown = count_unknown_outcomes(integration, now)
    return IntegrationStatus(
        app=integration.app.slug,
        integration=integration.name,
        head=head,
        cursor=integration.cursor,
        backlog=max(0, head - integration.cursor),
        lag_seconds=_measure_lag(integration, head, now),
        in_flight=in_flight,
        queued=queued,
        delivered=_count_delivered(integration),
        dead_letters=dead,
        waiting=waiting,
        revived=ended.revived if ended else None,
        expired=ended.expired if ended else None,
        hold=_read_hold(integration),
        unknown_outcomes=unknown.total,
        balanced=not imbalances,
        unknown_causes=unknown.by_cause,
        parked_letters=_count_parked_letters(integration, dead),
        clevertap=read_seen_status(integration),
        imbalances=tuple(imbalances),
    )


def find_last_upload_accepted_at(integration: Integration) -> datetime | None:
    """Return when CleverTap last accepted an upload of the integration."""
    accepted = Attempt.objects.filter(
        integration=integration, outcome="ok", dry_run=False
    )
    return accepted.order_by("-pk").values_list("ended_at", flat=True).first()


def count_open_records(integration: Integration) -> int:
    """Return the number of records that wait for their first verdict, so without replays."""
    return Upload.objects.filter(integration=integration, replay=None).waiting_records()


def _read_hold(integration: Integration) -> HoldStatus | None:
    if not integration.hold_reason:
        return None
    return HoldStatus(
        integration.hold_reason,
        integration.held_since,
        integration.held_until,
        describe_hold_cause(integration),
    )


def _count_dead_letters(
    integration: Integration,
) -> tuple[dict[str, int], dict[str, int]]:
    """Count what fell out, and what waits or is on its way after it did, by reason."""
    # One state at a time: each has an index of its own.
    counts = _count_by_reason(integration, DeadLetter.State.OPEN)
    waiting = _count_by_reason(integration, DeadLetter.State.WAITING)
    on_their_way = _count_by_reason(integration, DeadLetter.State.REPLAYING)
    for reason, count in on_their_way.items():
        waits = reason in reasons.WAITING | reasons.EXPIRED
        (waiting if waits else counts)[reason] += count
    return dict(sorted(counts.items())), dict(sorted(waiting.items()))


def _count_by_reason(integration: Integration, state: DeadLetter.State) -> Counter[str]:
    letters = DeadLetter.objects.filter(integration=integration, state=state)
    return Counter(dict(letters.values_list("reason").annotate(n=Count("*"))))


def _count_delivered(integration: Integration) -> int:
    """Count each record of the log once: by its own upload, or revived by a replay."""
    tallied: int = integration.tallies.aggregate(n=Coalesce(Sum("delivered"), 0))["n"]
    live = Upload.objects.leaves().filter(
        integration=integration, replay=None, pk__gt=integration.tallied_to
    )
    delivered: int = live.aggregate(n=Coalesce(Sum("delivered"), 0))["n"]
    revived = DeadLetter.objects.filter(
        integration=integration,
        state=DeadLetter.State.DELIVERED,
        upload__replay=None,
    )
    return tallied + delivered + revived.count() + integration.removed_delivered


def _count_waiting_records(integration: Integration, now: datetime) -> tuple[int, int]:
    """Return the records that wait for a verdict, and those that wait to be sent.

    An upload not mapped yet counts with its events.
    """
    uploads = Upload.objects.filter(integration=integration)
    is_under_way = Q(leased_until__gt=now) | Q(unknown_outcomes__gt=0)
    in_flight = uploads.filter(is_under_way).waiting_records()
    return in_flight, uploads.waiting_records() - in_flight


def _count_parked_letters(
    integration: Integration, dead: Mapping[str, int]
) -> dict[str, int]:
    """Count those of unknown outcome apart, where there are any."""
    if reasons.OUTCOME_UNKNOWN not in dead:
        return {}
    found = count_parked_letters([integration.pk]).get(integration.pk)
    counts = found._asdict() if found else {}
    return {verdict: count for verdict, count in counts.items() if count}


def _measure_lag(integration: Integration, head: int, now: datetime) -> float:
    """Return the age in seconds of the oldest event that is not delivered yet, else 0."""
    open_uploads = Upload.objects.open().filter(integration=integration, replay=None)
    oldest = open_uploads.aggregate(first=Min("first", filter=Q(replay=None)))["first"]
    if oldest is None:
        oldest = integration.cursor + 1
    if oldest > head:
        return 0.0
    events = log.read_positions(integration.app_id, [oldest])
    if not events:
        return 0.0
    return max(0.0, (now - events[0].received_at).total_seconds())
