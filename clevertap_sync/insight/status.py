"""The status of an integration: its numbers, its lag, and whether its books balance.

Pages and commands show it. Everything about one integration is read in one snapshot, so that
the numbers agree with each other to the last record.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Self

import msgspec
from django.db import connection, transaction
from django.db.models import QuerySet

from clevertap_sync.clevertap import reasons
from clevertap_sync.clevertap.account_faults import HoldCause, describe_hold_cause
from clevertap_sync.insight import books, wait_numbers
from clevertap_sync.insight.delivery_numbers import (
    DeliveryNumbers,
    read_delivery_numbers,
)
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
from clevertap_sync.insight.parked_letters import ParkedLetters, count_parked_letters
from clevertap_sync.insight.seen_numbers import SeenStatus, read_seen_status
from clevertap_sync.insight.wait_numbers import EndedWaits
from clevertap_sync.models import Attempt, Integration, Upload
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
        statuses = read_status_of_each(rows)
        return [
            *map(add_findings, statuses, facts),
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
    """Return one integration's status: see `read_status_of_each`."""
    return read_status_of_each([integration], checks_all_books=checks_all_books)[0]


def read_status_of_each(
    integrations: Sequence[Integration], *, checks_all_books: bool = True
) -> list[IntegrationStatus]:
    """Return each integration's status. Call it inside `read_in_snapshot()`.

    It takes as many statements for many as for one. The more uploads there are, the longer it
    takes to check all books. Without `checks_all_books`, `balanced` is about the newest
    uploads alone, and `revived` and `expired` are None. No other number depends on it.
    """
    now = clock.read_now()
    numbers = read_delivery_numbers(integrations, now)
    heads = [numbers[each.pk].head for each in integrations]
    check = books.find_imbalances if checks_all_books else books.find_recent_imbalances
    ended = wait_numbers.count_ended_waits(integrations) if checks_all_books else {}
    received = _read_oldest_open(integrations, numbers)
    parked = _count_parked_letters(numbers)
    return [
        _make_status(
            each,
            numbers[each.pk],
            imbalances,
            lag_seconds=_measure_age(received.get(each.pk), now),
            ended=ended.get(each.pk),
            parked=parked.get(each.pk),
        )
        for each, imbalances in zip(
            integrations, check(integrations, heads), strict=True
        )
    ]


def _make_status(
    integration: Integration,
    numbers: DeliveryNumbers,
    imbalances: Sequence[str],
    *,
    lag_seconds: float,
    ended: EndedWaits | None,
    parked: ParkedLetters | None,
) -> IntegrationStatus:
    return IntegrationStatus(
        app=integration.app.slug,
        integration=integration.name,
        head=numbers.head,
        cursor=integration.cursor,
        backlog=max(0, numbers.head - integration.cursor),
        lag_seconds=lag_seconds,
        in_flight=numbers.in_flight,
        queued=numbers.queued,
        delivered=numbers.delivered,
        dead_letters=numbers.dead_letters,
        waiting=numbers.waiting,
        revived=ended.revived if ended else None,
        expired=ended.expired if ended else None,
        hold=_read_hold(integration),
        unknown_outcomes=numbers.unknown.total,
        balanced=not imbalances,
        unknown_causes=numbers.unknown.by_cause,
        parked_letters=_list_verdicts(parked),
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


def _count_parked_letters(
    numbers: Mapping[int, DeliveryNumbers],
) -> dict[int, ParkedLetters]:
    """Count those of unknown outcome apart, where there are any."""
    doubtful = [
        key
        for key, each in numbers.items()
        if reasons.OUTCOME_UNKNOWN in each.dead_letters
    ]
    return count_parked_letters(doubtful) if doubtful else {}


def _list_verdicts(parked: ParkedLetters | None) -> dict[str, int]:
    counts = parked._asdict() if parked else {}
    return {verdict: count for verdict, count in counts.items() if count}


def _read_oldest_open(
    integrations: Sequence[Integration], numbers: Mapping[int, DeliveryNumbers]
) -> dict[int, datetime]:
    """Return when the oldest event was received that is not delivered yet, by integration."""
    places = {}
    for each in integrations:
        found = numbers[each.pk]
        oldest = each.cursor + 1 if found.oldest is None else found.oldest
        if oldest <= found.head:
            places[each.pk] = (each.app_id, oldest)
    received = log.read_received_at(places.values())
    return {key: received[at] for key, at in places.items() if at in received}


def _measure_age(received_at: datetime | None, now: datetime) -> float:
    return max(0.0, (now - received_at).total_seconds()) if received_at else 0.0
