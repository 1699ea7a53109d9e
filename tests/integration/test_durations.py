"""What processes count, added up in the database: exactly, in few statements, kept in need."""

import contextlib
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.delivery import replay
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import DurationCount, Integration, Upload
from clevertap_sync.process import (
    clock,
    delivery_times,
    duration_counts,
    duration_rows,
    slots,
)
from clevertap_sync.process.duration_counts import count_duration
from clevertap_sync.process.durations import (
    CLEVERTAP_REQUEST,
    DELIVERY,
    HTTP_REQUEST,
    METRICS,
)
from referrals import log
from referrals.ingest import background
from referrals.models import ReferralEvent
from tests import builders

POSTED = ("/v1/events", "POST", "2xx")
LABELS = '{"method": "POST", "route": "/v1/events", "status": "2xx"}'


def rows():
    found = DurationCount.objects.order_by("metric", "labels", "id")
    return list(found.values_list("metric", "labels", "le", "count", "seconds"))


@contextlib.contextmanager
def noted():
    """Collect each statement with its parameters."""
    statements = []

    def note(execute, sql, params, many, context):
        statements.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield statements


@pytest.mark.django_db
class TestWriting:
    def test_what_two_processes_counted_is_one_histogram(self):
        for seconds in ([0.002, 0.25], [0.003, 20]):
            for each in seconds:
                count_duration(HTTP_REQUEST, POSTED, each)
            background.flush_counts()
            duration_counts.clear_durations()

        name = HTTP_REQUEST.name
        assert rows() == [
            (name, LABELS, "0.005", 2, 0.005),
            (name, LABELS, "0.25", 1, 0.25),
            (name, LABELS, "+Inf", 1, 20),
        ]
        read = duration_rows.read_durations(HTTP_REQUEST)
        assert {labels: len(found) for labels, found in read.items()} == {POSTED: 3}

    def test_a_flush_is_one_statement_with_its_rows_in_order(self):
        for number in range(150):
            for seconds in (0.001, 0.2, 3):
                labels = (f"/{150 - number}", "GET", "2xx")
                count_duration(HTTP_REQUEST, labels, seconds)
        count_duration(CLEVERTAP_REQUEST, ("shop", "default", "ok"), 0.1)

        with noted() as statements:
            background.flush_counts()

        ((sql, values),) = [each for each in statements if "SAVEPOINT" not in each[0]]
        assert sql.strip().startswith("INSERT INTO clevertap_sync_durationcount")
        keys = list(zip(values[0::5], values[1::5], values[2::5], strict=True))
        assert len(keys) == 451
        assert keys == sorted(keys)
        with noted() as statements:
            background.flush_counts()
        assert statements == []

    def test_a_database_that_does_not_answer_costs_no_duration(self, caplog):
        def fails(execute, sql, *rest):
            raise OperationalError

        count_duration(HTTP_REQUEST, POSTED, 0.002)
        with connection.execute_wrapper(fails):
            background.flush_counts()
            count_duration(HTTP_REQUEST, POSTED, 0.003)
            background.flush_counts()
        assert rows() == []

        background.flush_counts()

        assert rows() == [(HTTP_REQUEST.name, LABELS, "0.005", 2, 0.005)]
        assert [each.levelname for each in caplog.records] == ["WARNING"]

    def test_a_flush_changes_no_column_that_an_index_has(self):
        count_duration(HTTP_REQUEST, POSTED, 0.003)
        background.flush_counts()
        count_duration(HTTP_REQUEST, POSTED, 0.003)

        with CaptureQueriesContext(connection) as captured:
            background.flush_counts()

        # Then PostgreSQL uses a row's old room again, and the table stays small.
        # Reference: https://www.postgresql.org/docs/current/storage-hot.html
        (flushed,) = (
            each["sql"] for each in captured if "durationcount" in each["sql"]
        )
        changed = flushed.partition("DO UPDATE SET")[2]
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(
                cursor, DurationCount._meta.db_table
            )
        indexed = {
            name
            for each in found.values()
            if each["index"] or each["unique"]
            for name in each["columns"]
        }
        assert indexed >= {"metric", "labels", "le"}
        assert not any(f"{name} =" in changed for name in indexed)
        assert "count =" in changed

    def test_labels_too_long_for_their_column_stand_for_others(self):
        count_duration(HTTP_REQUEST, ("/" + "a" * 300, "GET", "2xx"), 0.002)
        background.flush_counts()

        assert list(duration_rows.read_durations(HTTP_REQUEST)) == [
            ("other", "GET", "2xx")
        ]

    @pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
    def test_the_longest_labels_of_ours_fit(self, metric):
        longest = {"app": "a" * 50, "integration": "i" * 50, "outcome": "refused"}
        labels = tuple(longest.get(name, "/v1/events") for name in metric.labels)
        count_duration(metric, labels, 1)
        background.flush_counts()

        assert list(duration_rows.read_durations(metric)) == [labels]

    def test_requests_are_counted_by_the_middleware(self, client):
        client.get("/openapi.json")
        client.get("/nowhere/at/all")
        client.get("/healthz")
        background.flush_counts()

        assert set(duration_rows.read_durations(HTTP_REQUEST)) == {
            ("/openapi.json", "GET", "2xx"),
            ("(no route)", "GET", "4xx"),
        }


@pytest.fixture
def clevertap(settings, sandbox):
    slots.clear_slots()
    settings.REDIS_URL = ""
    yield sandbox
    slots.clear_slots()


def read_sums(metric):
    """Return how many durations there are by labels, and their sum."""
    background.flush_counts()
    return {
        labels: (sum(row.number for row in found), sum(row.seconds for row in found))
        for labels, found in duration_rows.read_durations(metric).items()
    }


@pytest.mark.django_db(transaction=True)
class TestDeliveries:
    @pytest.fixture
    def integration(self, clevertap):  # noqa: ARG002 - it delivers there
        return builders.an_integration(builders.an_app(slug="shop"))

    def test_an_upload_counts_once_from_its_oldest_event_on(self, integration):
        log.append(integration.app, [builders.a_sent_event() for _ in range(3)])
        events = ReferralEvent.objects.filter(app=integration.app)
        for position, hours in ((1, 1), (2, 0.5)):
            event = events.filter(position=position)
            at = event.get().received_at - timedelta(hours=hours)
            event.update(received_at=at)

        assert deliver(integration.pk) == 1

        ((labels, (number, seconds)),) = read_sums(DELIVERY).items()
        assert (labels, number) == (("shop", "default"), 1)
        upload = Upload.objects.get()
        oldest = events.get(position=1).received_at
        assert seconds == pytest.approx(
            (upload.settled_at - oldest).total_seconds(), abs=0.01
        )
        assert {
            labels: number
            for labels, (number, _) in read_sums(CLEVERTAP_REQUEST).items()
        } == {("shop", "default", "ok"): 1}

    def test_a_replay_is_no_delivery_and_a_failure_is_none_either(
        self, integration, clevertap, settings
    ):
        settings.FIRST_HOLD_SECONDS = settings.LONGEST_HOLD_SECONDS = 1_000_000
        log.append(integration.app, [builders.a_sent_event()])
        clevertap.answer(503)
        deliver(integration.pk)
        assert read_sums(DELIVERY) == {}
        Integration.objects.update(held_until=clock.read_now())
        deliver(integration.pk)
        first = read_sums(DELIVERY)
        assert [number for number, _ in first.values()] == [1]
        integration.refresh_from_db()
        replay.replay_range(integration, first=1, last=1)
        deliver(integration.pk)

        assert Upload.objects.filter(replay__isnull=False).count() == 1
        assert read_sums(DELIVERY) == first
        assert {
            labels: number
            for labels, (number, _) in read_sums(CLEVERTAP_REQUEST).items()
        } == {("shop", "default", "ok"): 2, ("shop", "default", "failed"): 1}

    def test_uploads_of_a_flush_are_looked_up_together(self, integration):
        events = log.append(
            integration.app, [builders.a_sent_event() for _ in range(40)]
        )
        background.flush_counts()
        at = ReferralEvent.objects.latest("position").received_at
        for result in events:
            delivery_times.note_delivery(integration, result.position, at)

        with noted() as statements:
            background.flush_counts()

        found = [
            sql for sql, _ in statements if sql.strip()[:6] in {"SELECT", "INSERT"}
        ]
        assert [sql.strip()[:6] for sql in found] == ["SELECT", "INSERT"]
        assert read_sums(DELIVERY) == {("shop", "default"): (40, 0.0)}

    def test_an_outage_keeps_what_was_noted_and_a_removed_event_is_left_out(
        self, integration
    ):
        def fails(execute, sql, *rest):
            raise OperationalError

        log.append(integration.app, [builders.a_sent_event()])
        at = ReferralEvent.objects.get().received_at
        for position in (1, 2):
            delivery_times.note_delivery(integration, position, at)
        with connection.execute_wrapper(fails):
            background.flush_counts()

        assert read_sums(DELIVERY) == {("shop", "default"): (1, 0.0)}
        assert read_sums(DELIVERY) == {("shop", "default"): (1, 0.0)}
