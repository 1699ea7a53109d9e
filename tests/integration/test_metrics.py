"""What Prometheus reads: where each integration stands, behind a token."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from clevertap_sync.models import (
    Attempt,
    DatabaseSample,
    DeadLetter,
    DurationCount,
    Integration,
    ProcessSeen,
    Upload,
)
from clevertap_sync.process import process_presence, worker_presence
from clevertap_sync.process.duration_counts import count_duration
from clevertap_sync.process.duration_rows import write_durations
from clevertap_sync.process.durations import CLEVERTAP_REQUEST, DELIVERY, HTTP_REQUEST
from integration_project import metrics
from integration_project.prometheus import Measurement, Metric, render_page
from integration_project.turns import Turns
from referrals import log
from referrals.ingest import count_removal, writing
from referrals.ingest.counter import (
    NO_APP,
    CountKey,
    HourlyKey,
    IngestCounts,
    IngestOutcome,
    WayIn,
)
from referrals.refusals import Code
from tests import builders, documented
from tests.statements import a_comparison, a_first_sight, a_statement

NOON = builders.NOON
TOKEN = "token-of-prometheus"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
#: What the page measures, in its order, as Prometheus' own reader names and types it.
FAMILIES = [
    ("clevertap_log_head", "gauge"),
    ("clevertap_cursor", "gauge"),
    ("clevertap_backlog_events", "gauge"),
    ("clevertap_lag_seconds", "gauge"),
    ("clevertap_in_flight_records", "gauge"),
    ("clevertap_queued_records", "gauge"),
    ("clevertap_delivered_records", "counter"),
    ("clevertap_held", "gauge"),
    ("clevertap_unknown_outcomes", "counter"),
    ("clevertap_balanced", "gauge"),
    ("clevertap_dead_letters", "gauge"),
    ("clevertap_waiting_records", "gauge"),
    ("clevertap_revived_records", "counter"),
    ("clevertap_expired_records", "counter"),
    ("clevertap_recent_waits", "gauge"),
    ("clevertap_seen_comparison_age_seconds", "gauge"),
    ("clevertap_seen_requests", "gauge"),
    ("clevertap_seen_statements", "gauge"),
    ("clevertap_seen_difference_records", "gauge"),
    ("clevertap_seen_first_sight_seconds", "gauge"),
    ("clevertap_hold", "gauge"),
    ("clevertap_findings", "gauge"),
    ("clevertap_recent_attempts", "gauge"),
    ("referrals_ingested_events", "counter"),
    ("referrals_source_calls", "counter"),
    ("referrals_people_lag_seconds", "gauge"),
    ("referrals_people_conflicts", "counter"),
    ("clevertap_worker_silence_seconds", "gauge"),
    ("referrals_http_request_duration_seconds", "histogram"),
    ("clevertap_request_duration_seconds", "histogram"),
    ("clevertap_delivery_seconds", "histogram"),
    ("referrals_process_resident_memory_bytes", "gauge"),
    ("referrals_process_cpu_seconds", "counter"),
    ("referrals_process_threads", "gauge"),
    ("referrals_process_open_files", "gauge"),
    ("referrals_process_start_time_seconds", "gauge"),
    ("referrals_process_clock_offset_seconds", "gauge"),
    ("referrals_process_silence_seconds", "gauge"),
    ("referrals_process_info", "gauge"),
    ("referrals_database_size_bytes", "gauge"),
    ("referrals_database_connections", "gauge"),
    ("referrals_database_connections_limit", "gauge"),
    ("referrals_database_lasts_seconds", "gauge"),
]

#: What each process at work is measured by.
VITALS = (
    *("resident_memory_bytes", "cpu_seconds_total", "threads", "open_files"),
    *("start_time_seconds", "clock_offset_seconds", "silence_seconds"),
)


@pytest.fixture(autouse=True)
def _token(settings):
    settings.METRICS_TOKEN = TOKEN


@pytest.fixture
def read(client):
    """Return the page's numbers by metric and labels, as Prometheus' reader has them."""

    def read_now():
        answer = client.get("/metrics", headers=BEARER)
        assert answer.status_code == 200
        families = list(text_string_to_metric_families(answer.text))
        assert [(family.name, family.type) for family in families] == FAMILIES
        assert all(family.documentation for family in families)
        samples = [sample for family in families for sample in family.samples]
        numbers = {named(sample): sample.value for sample in samples}
        assert len(numbers) == len(samples)
        return numbers

    return read_now


def named(sample):
    """Return a sample's name with its labels, as the page writes them."""
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    return f"{sample.name}{{{labels}}}" if labels else sample.name


class TestToken:
    def test_without_a_token_in_the_settings_there_is_no_page(self, client, settings):
        settings.METRICS_TOKEN = ""

        for header in ({}, {"Authorization": "Bearer "}, {"Authorization": "Bearer"}):
            assert client.get("/metrics", headers=header).status_code == 404

    @pytest.mark.parametrize(
        "authorization",
        [
            *("", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN),
            *(f"Bearer {TOKEN[:-1]}", "Bearer é", f"Bearer {TOKEN} {TOKEN}"),
        ],
    )
    def test_a_caller_without_the_token_reads_nothing(self, client, authorization):
        answer = client.get("/metrics", headers={"Authorization": authorization})

        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert b"clevertap" not in answer.content

    @pytest.mark.django_db
    def test_every_metric_is_in_the_reference_with_its_kind(self, client):
        page = client.get("/metrics", headers=BEARER).content.decode()

        kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", page, re.MULTILINE))
        text = documented.page("reference/logs-and-metrics")
        told = dict(re.findall(r"^\| `(\w+)[^|]*` \| (\w+) \|", text, re.MULTILINE))
        assert kinds == told, (
            "List every metric with its kind in docs/reference/logs-and-metrics.md, and no "
            f"other. These are on one side alone: {sorted(kinds.keys() ^ told.keys())}"
        )

    def test_a_token_that_came_unencrypted_reads_nothing_and_is_not_redirected(
        self, client, settings
    ):
        settings.SECURE_SSL_REDIRECT = True
        settings.SECURE_REDIRECT_EXEMPT = ["^metrics$"]

        answer = client.get("/metrics", headers=BEARER)

        assert answer.status_code == 403
        assert answer.content.decode() == (
            "This came over plain HTTP: read it by HTTPS. A token that it showed has "
            "travelled unencrypted: replace METRICS_TOKEN.\n"
        )

    def test_who_asks_faster_than_it_answers_is_refused(self, client, monkeypatch):
        turns = Turns(1)
        monkeypatch.setattr(metrics, "_turns", turns)

        with turns.take():
            answer = client.get("/metrics", headers=BEARER)

        assert answer.status_code == 503
        assert answer.content.decode() == (
            "Two of these pages are being made already: ask less often.\n"
        )

    def test_the_page_is_only_read(self, client):
        assert client.post("/metrics", headers=BEARER).status_code == 405


@pytest.mark.django_db
class TestNumbers:
    def test_an_empty_product_names_its_metrics_and_has_no_numbers(self, client, read):
        answer = client.get("/metrics", headers=BEARER)

        assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer["Cache-Control"] == "no-store"
        lines = answer.content.decode().splitlines()
        assert lines[:2] == [
            "# HELP clevertap_log_head Position of the newest event in the app's log.",
            "# TYPE clevertap_log_head gauge",
        ]
        assert not [line for line in lines if not line.startswith("# ")]
        assert read() == {}

    def test_what_came_in_is_counted_by_app_outcome_and_code(self, read):
        app = builders.an_app(slug="shop")
        hours = (NOON, NOON + timedelta(hours=1))
        for at in hours:
            numbers = {
                HourlyKey(at, CountKey(app.pk, WayIn.TASK, IngestOutcome.ACCEPTED)): 2,
                HourlyKey(
                    at, CountKey(app.pk, "rk_abcdefghi", IngestOutcome.ACCEPTED)
                ): 3,
                HourlyKey(
                    at,
                    CountKey(
                        app.pk, WayIn.TASK, IngestOutcome.REJECTED, Code.MILLISECONDS
                    ),
                ): 4,
                HourlyKey(
                    at,
                    CountKey(
                        NO_APP, "rk_x", IngestOutcome.UNAUTHORISED, Code.UNKNOWN_KEY
                    ),
                ): 5,
            }
            writing.write_counts(
                {hourly: IngestCounts(at, n) for hourly, n in numbers.items()}
            )
        count_removal.trim_counts(NOON + timedelta(days=99))

        name = "referrals_ingested_events_total"
        assert {key: n for key, n in read().items() if key.startswith(name)} == {
            f'{name}{{app="",outcome="unauthorised",code="unknown_key"}}': 10,
            f'{name}{{app="shop",outcome="accepted",code=""}}': 10,
            f'{name}{{app="shop",outcome="rejected",code="milliseconds"}}': 8,
        }

    def test_what_the_calls_of_sources_came_to_is_counted_by_source(self, read):
        app = builders.an_app(slug="shop")
        source = builders.a_source(app, "branch", name="Of Ann Smith")
        for outcome, code, number in (
            (IngestOutcome.CALL, "", 9),
            (IngestOutcome.ACCEPTED, "", 4),
            (IngestOutcome.IGNORED, "no_referrer", 5),
            (IngestOutcome.UNAUTHORISED, "signature", 2),
            (IngestOutcome.SEEN, "ann@example.com", 3),
            (IngestOutcome.IDENTITY, "custom_id", 4),
        ):
            key = CountKey(app.pk, source.way, outcome, code)
            writing.write_counts({HourlyKey(NOON, key): IngestCounts(NOON, number)})
        count_removal.trim_counts(NOON + timedelta(days=99))

        numbers = {key: n for key, n in read().items() if key.startswith("referrals_")}

        whose = f'app="shop",source="{source.public_id}",platform="branch"'
        name = "referrals_source_calls_total"
        events = "referrals_ingested_events_total"
        assert numbers == {
            f'{events}{{app="shop",outcome="accepted",code=""}}': 4,
            f'{events}{{app="shop",outcome="unauthorised",code="signature"}}': 2,
            f'{name}{{{whose},outcome="accepted",code=""}}': 4,
            f'{name}{{{whose},outcome="call",code=""}}': 9,
            f'{name}{{{whose},outcome="ignored",code="no_referrer"}}': 5,
            f'{name}{{{whose},outcome="unauthorised",code="signature"}}': 2,
        }

    def test_a_waiting_integration_says_how_much_waits_and_how_long(self, read):
        integration = builders.an_integration(builders.an_app(slug="shop"))
        log.append(integration.app, [builders.a_sent_event() for _ in range(3)])

        numbers = read()

        whose = 'app="shop",integration="default"'
        late = numbers.pop(f"clevertap_lag_seconds{{{whose}}}")
        assert 0 <= late < 60
        assert {n: v for n, v in numbers.items() if "findings" not in n} == {
            f"clevertap_log_head{{{whose}}}": 3,
            f"clevertap_cursor{{{whose}}}": 0,
            f"clevertap_backlog_events{{{whose}}}": 3,
            f"clevertap_in_flight_records{{{whose}}}": 0,
            f"clevertap_queued_records{{{whose}}}": 0,
            f"clevertap_delivered_records_total{{{whose}}}": 0,
            f"clevertap_held{{{whose}}}": 0,
            f"clevertap_revived_records_total{{{whose}}}": 0,
            f"clevertap_expired_records_total{{{whose}}}": 0,
            f"clevertap_unknown_outcomes_total{{{whose}}}": 0,
            f"clevertap_balanced{{{whose}}}": 1,
        }

    def test_what_became_of_records_is_counted_by_reason(self, read):
        integration = builders.an_integration(builders.an_app(slug="shop"))
        log.append(integration.app, [builders.a_sent_event() for _ in range(3)])
        upload = an_upload(integration, records=6, delivered=4, dead=2)
        for side in ("referred", "generated"):
            a_dead_letter(upload, side, "clevertap_513")

        numbers = read()

        whose = 'app="shop",integration="default"'
        assert numbers[f"clevertap_delivered_records_total{{{whose}}}"] == 4
        assert numbers[f'clevertap_dead_letters{{{whose},reason="clevertap_513"}}'] == 2
        assert numbers[f"clevertap_balanced{{{whose}}}"] == 1

    def test_a_record_that_is_missing_shows_as_not_balanced(self, read):
        integration = builders.an_integration(builders.an_app(slug="shop"))
        log.append(integration.app, [builders.a_sent_event() for _ in range(3)])
        an_upload(integration, records=6, delivered=5, dead=0)

        assert read()['clevertap_balanced{app="shop",integration="default"}'] == 0

    def test_what_clevertap_counts_is_told_of_integrations_that_compare(self, read):
        shop = builders.an_integration(builders.an_app(slug="shop"), reconciles=True)
        builders.an_integration(builders.an_app(slug="off"), account=shop.account)
        a_comparison(shop.account, ended_at=timezone.now() - timedelta(hours=1))
        a_statement(shop.account)
        a_statement(shop.account, name="A", counted=7)
        a_statement(shop.account, name="B", counted=12)
        a_statement(shop.account, name="C", counted=None)
        a_statement(shop.account, name="D", counted=0, maybe_fewer=10)
        a_first_sight(shop.account)

        numbers = {
            name: value for name, value in read().items() if "clevertap_seen_" in name
        }

        whose = 'app="shop",integration="default"'
        age = numbers.pop(f"clevertap_seen_comparison_age_seconds{{{whose}}}")
        assert 3600 <= age < 3700
        assert numbers == {
            f"clevertap_seen_requests{{{whose}}}": 8,
            f'clevertap_seen_statements{{{whose},result="equal"}}': 1,
            f'clevertap_seen_statements{{{whose},result="fewer"}}': 1,
            f'clevertap_seen_statements{{{whose},result="more"}}': 1,
            f'clevertap_seen_statements{{{whose},result="in_doubt"}}': 1,
            f'clevertap_seen_statements{{{whose},result="not_compared"}}': 1,
            f'clevertap_seen_difference_records{{{whose},direction="fewer"}}': 3,
            f'clevertap_seen_difference_records{{{whose},direction="more"}}': 2,
            f'clevertap_seen_first_sight_seconds{{{whose},quantile="0.5"}}': 180,
            f'clevertap_seen_first_sight_seconds{{{whose},quantile="0.99"}}': 180,
        }

    def test_a_hold_is_shown_with_its_reason(self, read):
        integration = builders.an_integration(builders.an_app(slug="shop"))
        Integration.objects.filter(pk=integration.pk).update(
            hold_reason="credentials_refused", held_since=timezone.now()
        )

        numbers = read()

        whose = 'app="shop",integration="default"'
        assert numbers[f"clevertap_held{{{whose}}}"] == 1
        assert numbers[f'clevertap_hold{{{whose},reason="credentials_refused"}}'] == 1
        found = f'{whose},code="credentials_refused",severity="error"'
        assert numbers[f"clevertap_findings{{{found}}}"] == 1

    def test_the_attempts_of_the_last_five_minutes_are_counted_by_outcome(self, read):
        integration = builders.an_integration(builders.an_app(slug="shop"))
        an_attempt(integration, "ok", ago=400)
        for outcome in ("ok", "ok", "server_error"):
            an_attempt(integration, outcome, ago=20)
        Attempt.objects.create(integration=integration, began_at=timezone.now())

        numbers = read()

        whose = 'app="shop",integration="default"'
        recent = {n: v for n, v in numbers.items() if "recent_attempts" in n}
        assert recent == {
            f'clevertap_recent_attempts{{{whose},outcome="ok"}}': 2,
            f'clevertap_recent_attempts{{{whose},outcome="server_error"}}': 1,
        }

    def test_the_silence_of_the_workers_is_measured(self, read):
        assert "clevertap_worker_silence_seconds" not in read()

        worker_presence.record_presence("worker-1")

        assert 0 <= read()["clevertap_worker_silence_seconds"] < 60

    def test_durations_are_histograms_with_all_their_buckets(self, read):
        labels = ("/v1/events/<str:key>", "GET", "2xx")
        for seconds in (0.003, 0.004, 0.2, 40):
            count_duration(HTTP_REQUEST, labels, seconds)
        write_durations()
        # An end that an earlier release had.
        DurationCount.objects.filter(le="0.25").update(le="0.3")

        name = "referrals_http_request_duration_seconds"
        numbers = {key: n for key, n in read().items() if key.startswith(name)}

        whose = 'route="/v1/events/<str:key>",method="GET",status="2xx"'
        assert numbers.pop(f"{name}_sum{{{whose}}}") == pytest.approx(40.207)
        assert numbers == {
            f"{name}_count{{{whose}}}": 4,
            **{
                f'{name}_bucket{{{whose},le="{le}"}}': number
                for le, number in {
                    **dict.fromkeys(("0.005", "0.01", "0.025", "0.05", "0.1"), 2),
                    **dict.fromkeys(("0.25",), 2),
                    **dict.fromkeys(("0.5", "1", "2.5", "5", "10"), 3),
                    "+Inf": 4,
                }.items()
            },
        }

    def test_durations_of_an_integration_are_told_while_it_is_shown(self, read):
        builders.an_integration(builders.an_app(slug="shop"))
        for app in ("shop", "gone"):
            count_duration(DELIVERY, (app, "default"), 2)
            count_duration(CLEVERTAP_REQUEST, (app, "default", "ok"), 0.3)
        write_durations()

        counts = {key: n for key, n in read().items() if "seconds_count" in key}

        whose = 'app="shop",integration="default"'
        assert counts == {
            f"clevertap_delivery_seconds_count{{{whose}}}": 1,
            f'clevertap_request_duration_seconds_count{{{whose},outcome="ok"}}': 1,
        }

    def test_a_process_tells_what_it_takes(self, read, settings):
        settings.SENTRY_RELEASE = "v7"
        started = timezone.now()
        process_presence.show_as(ProcessSeen.Kind.WORKER)
        process_presence.write_vitals()

        numbers = read()

        prefix, name = "referrals_process_", worker_presence.name_worker()
        whose = f'kind="worker",process="{name}"'
        assert {key for key in numbers if prefix in key} == {
            *(f"{prefix}{metric}{{{whose}}}" for metric in VITALS),
            f'{prefix}info{{{whose},release="v7"}}',
        }
        row = ProcessSeen.objects.get()
        assert (
            numbers[f"{prefix}resident_memory_bytes{{{whose}}}"] == row.resident_bytes
        )
        assert numbers[f"{prefix}threads{{{whose}}}"] == row.threads
        assert numbers[f"{prefix}start_time_seconds{{{whose}}}"] < started.timestamp()
        assert 0 <= numbers[f"{prefix}silence_seconds{{{whose}}}"] < 60

    def test_of_a_process_that_is_silent_only_that_is_told(self, read):
        process_presence.show_as(ProcessSeen.Kind.WEB)
        process_presence.write_vitals()
        seen = timezone.now() - process_presence.SILENT_AFTER - timedelta(seconds=1)
        ProcessSeen.objects.update(seen_at=seen)

        (silence,) = read().items()

        name = worker_presence.name_worker()
        whose = f'kind="web",process="{name}"'
        assert silence[0] == f"referrals_process_silence_seconds{{{whose}}}"
        assert silence[1] > process_presence.SILENT_AFTER.total_seconds()

    def test_the_database_is_told_as_a_worker_last_saw_it(self, read, settings):
        settings.DATABASE_GIGABYTES = 1
        hour = timezone.now().replace(minute=0, second=0, microsecond=0)
        for days, size in ((2, 100_000_000), (0, 300_000_000)):
            DatabaseSample.objects.create(
                hour=hour - timedelta(days=days),
                size_bytes=size,
                connections=7,
                connection_limit=20,
            )

        # A tenth of its room a day: it is full in a week.
        numbers = {key: n for key, n in read().items() if key.startswith("referrals")}
        assert numbers == {
            "referrals_database_size_bytes": 300_000_000,
            "referrals_database_connections": 7,
            "referrals_database_connections_limit": 20,
            "referrals_database_lasts_seconds": 7 * 86_400,
        }

    def test_what_is_not_known_of_the_database_is_not_told(self, read):
        now = timezone.now()
        DatabaseSample.objects.create(hour=now, size_bytes=300_000_000)

        assert read() == {"referrals_database_size_bytes": 300_000_000}

    def test_an_archived_integration_is_not_shown(self, read):
        integration = builders.an_integration(builders.an_app(slug="shop"))
        an_attempt(integration, "ok", ago=1)
        count_duration(DELIVERY, ("shop", "default"), 2)
        write_durations()
        Integration.objects.update(archived_at=timezone.now())

        assert read() == {}


class TestFormat:
    def test_labels_and_help_are_escaped(self):
        sample = Measurement({"app": 'a"b\\c\nd'}, 1)
        page = render_page([Metric("m", "gauge", 'h"\\\n', [sample])])

        assert page == (
            '# HELP m h"\\\\\\n\n# TYPE m gauge\nm{app="a\\"b\\\\c\\nd"} 1\n'
        )
        (family,) = text_string_to_metric_families(page)
        assert (family.name, family.documentation) == ("m", 'h"\\\n')
        assert [(s.labels, s.value) for s in family.samples] == [sample[:2]]

    @pytest.mark.parametrize(
        ("value", "text"),
        [(0, "0"), (True, "1"), (3.0, "3"), (0.25, "0.25"), (10**15, "1" + "0" * 15)],
    )
    def test_a_number_is_written_plainly(self, value, text):
        page = render_page([Metric("m", "counter", "h", [Measurement({}, value)])])

        assert page.splitlines()[-1] == f"m {text}"
        (family,) = text_string_to_metric_families(page)
        assert [sample.value for sample in family.samples] == [value]


def an_upload(integration, **counts):
    """Write an upload of positions 1 to 3, settled."""
    now = timezone.now()
    upload = Upload.objects.create(
        integration=integration,
        state=Upload.State.SETTLED,
        first=1,
        last=3,
        settings={},
        created_at=now,
        settled_at=now,
        due_at=now,
        **counts,
    )
    Integration.objects.filter(pk=integration.pk).update(cursor=3)
    return upload


def a_dead_letter(upload, side, reason):
    now = timezone.now()
    DeadLetter.objects.create(
        integration=upload.integration,
        upload=upload,
        position=1,
        side=side,
        reason=reason,
        created_at=now,
        changed_at=now,
    )


def an_attempt(integration, outcome, *, ago):
    ended = timezone.now() - timedelta(seconds=ago)
    Attempt.objects.create(
        integration=integration, began_at=ended, ended_at=ended, outcome=outcome
    )
