"""`GET /metrics`: where each integration stands and what came in, for Prometheus.

Every number is read from the database, so that any web process tells the same. Labels
are slugs and codes of ours, never a name that a caller chose.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from hmac import compare_digest
from http import HTTPStatus
from typing import Final, NamedTuple

from django.conf import settings
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from clevertap_sync import insight
from clevertap_sync.insight import IntegrationStatus, wait_numbers
from clevertap_sync.models import Attempt
from clevertap_sync.process import clock, worker_presence
from integration_project.database_metrics import list_database_metrics
from integration_project.duration_metrics import list_duration_metrics
from integration_project.process_metrics import list_process_metrics
from integration_project.prometheus import (
    CONTENT_TYPE,
    Measurement,
    Metric,
    MetricKind,
    render_page,
)
from integration_project.seen_metrics import list_seen_metrics
from integration_project.turns import Turns
from referrals.ingest import ingest_health
from referrals.models import App, Source

_SCHEME: Final = "bearer "
_RECENTLY: Final = timedelta(minutes=5)
# Attempts are read newest first and never further back than this.
_MOST_ATTEMPTS: Final = 5_000
# It takes longer the more there is: of those who ask one is served and one waits, such as a
# second Prometheus. The threads and connections of the process are for backends.
_turns: Final = Turns(2)


class _IntegrationMetric(NamedTuple):
    """A metric that has one number per integration."""

    name: str
    kind: MetricKind
    help: str
    value: Callable[[IntegrationStatus], float]


_PER_INTEGRATION: Final = (
    _IntegrationMetric(
        "clevertap_log_head",
        "gauge",
        "Position of the newest event in the app's log.",
        lambda status: status.head,
    ),
    _IntegrationMetric(
        "clevertap_cursor",
        "gauge",
        "Last position that was handed to an upload.",
        lambda status: status.cursor,
    ),
    _IntegrationMetric(
        "clevertap_backlog_events",
        "gauge",
        "Events that wait in the log: head minus cursor.",
        lambda status: status.backlog,
    ),
    _IntegrationMetric(
        "clevertap_lag_seconds",
        "gauge",
        "Age of the oldest event that is not delivered.",
        lambda status: status.lag_seconds,
    ),
    _IntegrationMetric(
        "clevertap_in_flight_records",
        "gauge",
        "Records in uploads that wait for CleverTap's verdict.",
        lambda status: status.in_flight,
    ),
    _IntegrationMetric(
        "clevertap_queued_records",
        "gauge",
        "Records in uploads that wait to be sent, for the first time or again.",
        lambda status: status.queued,
    ),
    _IntegrationMetric(
        "clevertap_delivered_records_total",
        "counter",
        "Records that CleverTap has accepted.",
        lambda status: status.delivered,
    ),
    _IntegrationMetric(
        "clevertap_held",
        "gauge",
        "1 while a fault of the account holds delivery.",
        lambda status: status.hold is not None,
    ),
    _IntegrationMetric(
        "clevertap_unknown_outcomes_total",
        "counter",
        "Attempts whose answer never came.",
        lambda status: status.unknown_outcomes,
    ),
    _IntegrationMetric(
        "clevertap_balanced",
        "gauge",
        "1 if every record is accounted for; 0 is a fault of this product.",
        lambda status: status.balanced,
    ),
)


@require_safe
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Return every metric to a caller who shows METRICS_TOKEN."""
    if not settings.METRICS_TOKEN:
        return HttpResponse(status=HTTPStatus.NOT_FOUND)
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        return HttpResponse(
            "This came over plain HTTP: read it by HTTPS. A token that it showed has "
            "travelled unencrypted: replace METRICS_TOKEN.\n",
            status=HTTPStatus.FORBIDDEN,
            content_type="text/plain",
        )
    if not _is_allowed(request):
        return HttpResponse(
            "Send `Authorization: Bearer <METRICS_TOKEN>`.\n",
            status=HTTPStatus.UNAUTHORIZED,
            content_type="text/plain",
            headers={"WWW-Authenticate": "Bearer"},
        )
    with _turns.take() as is_mine:
        if not is_mine:
            return HttpResponse(
                "Two of these pages are being made already: ask less often.\n",
                status=HTTPStatus.SERVICE_UNAVAILABLE,
                content_type="text/plain",
            )
        return HttpResponse(
            render_page(_list_metrics(insight.read_statuses())),
            content_type=CONTENT_TYPE,
            headers={"Cache-Control": "no-store"},
        )


def _is_allowed(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "")
    if not given.lower().startswith(_SCHEME):
        return False
    token = given[len(_SCHEME) :].strip()
    return compare_digest(token.encode(), settings.METRICS_TOKEN.encode())


def _list_metrics(statuses: Sequence[IntegrationStatus]) -> Iterator[Metric]:
    yield from _list_integration_metrics(statuses)
    yield Metric(
        "clevertap_dead_letters",
        "gauge",
        "Records that were not delivered and wait for a person, by reason.",
        [
            Measurement(_label_integration(status) | {"reason": reason}, count)
            for status in statuses
            for reason, count in status.dead_letters.items()
        ],
    )
    yield from _list_wait_metrics(statuses)
    yield from list_seen_metrics()
    yield _make_hold_metric(statuses)
    yield Metric(
        "clevertap_findings",
        "gauge",
        "What is not well, by code and severity: how many findings there are.",
        _findings(statuses),
    )
    yield Metric(
        "clevertap_recent_attempts",
        "gauge",
        "Requests to CleverTap that ended in the last five minutes, by outcome.",
        _recent_attempts(statuses),
    )
    yield from _list_installation_metrics()
    shown = {(status.app, status.integration) for status in statuses}
    yield from list_duration_metrics(shown)
    yield from list_process_metrics()
    yield from list_database_metrics()


def _make_hold_metric(statuses: Sequence[IntegrationStatus]) -> Metric:
    return Metric(
        "clevertap_hold",
        "gauge",
        "1 for the reason for which delivery is on hold; none while it is not.",
        [
            Measurement(_label_integration(status) | {"reason": status.hold.reason}, 1)
            for status in statuses
            if status.hold
        ],
    )


def _list_integration_metrics(
    statuses: Sequence[IntegrationStatus],
) -> Iterator[Metric]:
    integrations = [status for status in statuses if status.integration]
    for name, kind, text, value in _PER_INTEGRATION:
        samples = [
            Measurement(_label_integration(status), value(status))
            for status in integrations
        ]
        yield Metric(name, kind, text, samples)


def _list_wait_metrics(statuses: Sequence[IntegrationStatus]) -> Iterator[Metric]:
    yield Metric(
        "clevertap_waiting_records",
        "gauge",
        "Records that wait for a person to be known, by what they wait for.",
        [
            Measurement(_label_integration(status) | {"reason": reason}, count)
            for status in statuses
            for reason, count in status.waiting.items()
        ],
    )
    for name, text, ended in (
        ("revived", "Records that waited and were delivered.", _get_revived),
        ("expired", "Records that waited in vain.", _get_expired),
    ):
        yield Metric(
            f"clevertap_{name}_records_total",
            "counter",
            text,
            [
                Measurement(_label_integration(status), count)
                for status in statuses
                if (count := ended(status)) is not None
            ],
        )
    yield Metric(
        "clevertap_recent_waits",
        "gauge",
        "Records whose person became known in the last five minutes, by their longest wait.",
        _recent_waits(),
    )


def _get_revived(status: IntegrationStatus) -> int | None:
    return status.revived


def _get_expired(status: IntegrationStatus) -> int | None:
    return status.expired


def _recent_waits() -> list[Measurement]:
    now = clock.read_now()
    return [
        Measurement({"app": each.app.slug, "integration": each.name, "le": end}, count)
        for each in insight.list_integrations_shown()
        if each.app.learns_of_people
        for end, count in wait_numbers.count_recent_waits(each, now).items()
    ]


def _list_learning_metrics() -> Iterator[Metric]:
    standings = wait_numbers.read_learning(clock.read_now())
    yield Metric(
        "referrals_people_lag_seconds",
        "gauge",
        "Age of the oldest event that nothing was learned from yet.",
        [Measurement({"app": each.app}, each.lag_seconds) for each in standings],
    )
    yield Metric(
        "referrals_people_conflicts_total",
        "counter",
        "Identities that a second person claimed; anew from 0 when learned anew.",
        [Measurement({"app": each.app}, each.conflicts) for each in standings],
    )


def _list_installation_metrics() -> Iterator[Metric]:
    silence = worker_presence.read_worker_silence()
    yield Metric(
        "referrals_ingested_events_total",
        "counter",
        "What came in, by what became of it; requests where one was refused whole.",
        _ingested(),
    )
    yield Metric(
        "referrals_source_calls_total",
        "counter",
        "What the calls of sources came to; calls, and of their items what became of them.",
        _called(),
    )
    yield from _list_learning_metrics()
    yield Metric(
        "clevertap_worker_silence_seconds",
        "gauge",
        "Seconds since a worker was last seen; none if none ever was.",
        [Measurement({}, silence.seconds)] if silence else [],
    )


def _label_integration(status: IntegrationStatus) -> dict[str, str]:
    return {"app": status.app or "", "integration": status.integration or ""}


def _findings(statuses: Sequence[IntegrationStatus]) -> list[Measurement]:
    return [
        Measurement(
            _label_integration(status) | {"code": code, "severity": severity}, count
        )
        for status in statuses
        for (code, severity), count in Counter(
            (finding.code, finding.severity) for finding in status.findings
        ).items()
    ]


def _recent_attempts(statuses: Sequence[IntegrationStatus]) -> list[Measurement]:
    newest = (
        Attempt.objects.order_by("-pk")
        .annotate(since=Now() - _RECENTLY)
        .values_list(
            "integration__app__slug",
            "integration__name",
            "outcome",
            "ended_at",
            "since",
        )[:_MOST_ATTEMPTS]
    )
    shown = {(status.app, status.integration) for status in statuses}
    counts = Counter(
        (app, name, outcome)
        for app, name, outcome, ended_at, since in newest
        if ended_at and ended_at >= since and (app, name) in shown
    )
    return [
        Measurement({"app": app, "integration": name, "outcome": outcome}, count)
        for (app, name, outcome), count in sorted(counts.items())
    ]


def _ingested() -> list[Measurement]:
    slugs = dict(App.objects.values_list("pk", "slug"))
    return [
        Measurement(
            {
                "app": slugs.get(total.app_id, ""),
                "outcome": total.outcome,
                "code": total.code,
            },
            total.number,
        )
        for total in ingest_health.read_totals()
    ]


def _called() -> list[Measurement]:
    # Public IDs are ours; names are people's.
    rows = Source.objects.select_related("app").only(
        "app__slug", "public_id", "platform"
    )
    labels = {
        row.way: {
            "app": row.app.slug,
            "source": row.public_id,
            "platform": row.platform,
        }
        for row in rows.order_by()
    }
    return [
        Measurement(
            labels[total.way] | {"outcome": total.outcome, "code": total.code},
            total.number,
        )
        for total in ingest_health.read_source_totals()
        if total.way in labels
    ]
