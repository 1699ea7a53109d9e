"""Ingest health: what is counted, by which way it came, and what is kept of a refusal."""

import os
import sys
import threading
import warnings
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import (
    DataError,
    OperationalError,
    connection,
    connections,
    transaction,
)
from django.utils import timezone

from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.upkeep import retention
from referrals import log, rejections
from referrals.identity import Identity
from referrals.ingest import background, count_removal, ingest_health, writing
from referrals.ingest.counter import (
    MOST_UNKNOWN_KEYS,
    NO_APP,
    CountKey,
    HourlyKey,
    IngestCounts,
    IngestOutcome,
    RefusalSample,
    WayIn,
)
from referrals.ingest.ingest_health import RefusalCount
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.log import ArchivedAppError
from referrals.models import ApiKey, IngestCount, IngestSample
from referrals.refusals import Code
from referrals.tasks import append_events_task
from tests.builders import ANN, BOB, NOON, a_sent_event, an_api_key, an_app
from tests.harness.process import PATIENCE_SECONDS, free_port, wait_until
from tests.integration.threads import Worker

HOUR = timedelta(hours=1)
MILLISECONDS = 1795428900000
STRANGER = "rk_" + "s" * 43


def find_innermost_function(thread):
    """Return the name of the function that a thread is in: of its lock, if it waits for one."""
    return sys._current_frames()[thread.ident].f_code.co_name


@pytest.fixture
def app(db):
    return an_app("shop")


@pytest.fixture
def key(app):
    text = an_api_key(app)
    return text, text[:12]


@pytest.fixture
def post(client, key):
    """Return a function that sends a body with the app's key, or another."""

    def send(body, *, query="", show=key[0], **options):
        options.setdefault("content_type", "application/json")
        headers = {"Authorization": f"Bearer {show}"} if show else {}
        return client.post(f"/v1/events{query}", body, headers=headers, **options)

    return send


def counted():
    """Write what was counted; return the numbers of the hours by cause."""
    background.flush_counts()
    rows = IngestCount.objects.exclude(hour=ALL_TIME_HOUR)
    found = rows.values_list("app_id", "way", "outcome", "code", "number")
    return {row[:4]: row[4] for row in found}


def a_count(number=1, at=NOON, *samples):
    count = IngestCounts(at)
    count.add(number, at)
    for sample in samples:
        count.add(0, at, sample)
    return count


def hourly(cause, hour=NOON):
    return HourlyKey(hour, cause)


def refused(app_id=1, way="rk_abcdefghi", code=Code.MILLISECONDS):
    return CountKey(app_id, way, IngestOutcome.REJECTED, code)


def taken(app_id=1, way="rk_abcdefghi", outcome=IngestOutcome.ACCEPTED):
    return CountKey(app_id, way, outcome)


def a_stranger(number):
    way = f"rk_{number:09}"
    return CountKey(NO_APP, way, IngestOutcome.UNAUTHORISED, Code.UNKNOWN_KEY)


@pytest.mark.django_db(transaction=True)
class TestOverHttp:
    def test_each_answer_is_counted_by_key_and_cause(self, post, app, key):
        one, two = a_sent_event(id="e-1"), a_sent_event(id="e-2")
        post({"events": [one, two]})
        post(one)
        post({"events": [{**one, "content": "x"}, a_sent_event(user=None)]})
        post(a_sent_event(occurred_at=MILLISECONDS))
        post(a_sent_event(occurred_at=MILLISECONDS))

        _, way = key
        assert counted() == {
            (app.pk, way, "accepted", ""): 2,
            (app.pk, way, "duplicate", ""): 1,
            (app.pk, way, "conflict", "conflict"): 1,
            (app.pk, way, "rejected", "no_user"): 1,
            (app.pk, way, "rejected", "milliseconds"): 2,
        }

    @pytest.mark.parametrize(
        ("body", "options", "code"),
        [
            ("{", {}, "not_json"),
            ("[]", {}, "wrong_shape"),
            ('{"events": [' + ",".join(["{}"] * 1001) + "]}", {}, "too_many_events"),
            ("x" * 1_048_577, {}, "too_large"),
            ("{}", {"content_type": "text/plain"}, "unsupported_media_type"),
            ("{}", {"HTTP_CONTENT_ENCODING": "gzip"}, "bad_gzip"),
            ("{}", {"CONTENT_LENGTH": "7"}, "incomplete_body"),
            ("{}", {"query": "?dryrun=1"}, "bad_parameter"),
        ],
        ids=lambda value: value if isinstance(value, str) and len(value) < 30 else "",
    )
    def test_a_request_that_is_refused_whole_counts_once(  # noqa: PLR0917
        self, post, app, key, body, options, code
    ):
        answer = post(body, **options)

        assert answer.status_code >= 400
        assert counted() == {(app.pk, key[1], "rejected", code): 1}
        assert IngestSample.objects.get().detail == answer.json()["detail"]

    def test_what_the_database_cannot_hold_is_a_refusal(self, post, app, key):
        def fails(execute, sql, *rest):
            if "referralevent" in sql:
                raise DataError
            return execute(sql, *rest)

        with connection.execute_wrapper(fails):
            assert post(a_sent_event()).status_code == 422

        assert counted() == {(app.pk, key[1], "rejected", "unstorable"): 1}

    def test_a_fault_of_ours_is_no_refusal(self, post):
        def fails(execute, sql, *rest):
            raise OperationalError

        with connection.execute_wrapper(fails):
            assert post(a_sent_event()).status_code == 503

        assert counted() == {}

    @pytest.mark.parametrize(
        ("show", "way", "code"),
        [
            ("", "", "no_key"),
            ("hunter2", "", "malformed_key"),
            ("rk_hunter2", "", "malformed_key"),
            (STRANGER, "rk_sssssssss", "unknown_key"),
        ],
    )
    def test_an_unknown_sender_belongs_to_no_app(self, post, show, way, code):
        assert post(a_sent_event(), show=show).status_code == 401

        assert counted() == {(NO_APP, way, "unauthorised", code): 1}
        assert "hunter2" not in str(list(IngestSample.objects.values()))

    def test_a_revoked_key_and_an_archived_app_are_the_apps(self, post, app, key):
        ApiKey.objects.update(revoked_at=timezone.now())
        assert post(a_sent_event()).status_code == 401
        other = an_app(archived_at=timezone.now())
        shut = an_api_key(other)
        assert post(a_sent_event(), show=shut).status_code == 403

        assert counted() == {
            (app.pk, key[1], "unauthorised", "revoked_key"): 1,
            (other.pk, shut[:12], "unauthorised", "app_archived"): 1,
        }

    def test_an_expired_key_is_the_apps(self, post, app, key):
        ApiKey.objects.update(expires_at=timezone.now())

        assert post(a_sent_event()).status_code == 401

        assert counted() == {(app.pk, key[1], "unauthorised", "expired_key"): 1}

    def test_a_dry_run_counts_for_nothing(self, post):
        post(a_sent_event(), query="?dry_run=1")
        post({"id": "e"}, query="?dry_run=1")
        post("{", query="?dry_run=1")
        post("{", query="?dry_run=1", show=STRANGER)

        assert counted() == {}

    def test_asking_about_an_event_counts_for_nothing(self, client):
        assert client.get("/v1/events/e-1").status_code == 401

        assert counted() == {}

    def test_nothing_is_written_while_the_request_is_answered(self, post):
        statements = []

        def note(execute, sql, *rest):
            statements.append(sql)
            return execute(sql, *rest)

        with connection.execute_wrapper(note):
            post(a_sent_event())
            post("{")

        assert [sql for sql in statements if "referrals_referralevent" in sql]
        assert not [sql for sql in statements if "ingest" in sql]


@pytest.mark.django_db(transaction=True)
class TestOtherWays:
    def test_a_task(self, app):
        append_events_task(app.slug, [a_sent_event(), a_sent_event(type="x"), 7])
        append_events_task(app.slug, "no list")
        append_events_task("nobody", [a_sent_event()])

        assert counted() == {
            (app.pk, "task", "accepted", ""): 1,
            (app.pk, "task", "rejected", "unknown_value"): 1,
            (app.pk, "task", "rejected", "wrong_type"): 1,
            (app.pk, "task", "rejected", "wrong_shape"): 1,
            (NO_APP, "task", "unauthorised", "unknown_app"): 1,
        }

    def test_a_file(self, app, tmp_path):
        path = tmp_path / "events.csv"
        path.write_text("id,type,channel\na,link_click,x,too many\n", encoding="utf-8")

        with pytest.raises(SystemExit):
            call_command("import_events", "shop", str(path))

        assert counted() == {(app.pk, "import", "rejected", "bad_row"): 1}

    def test_python(self, app):
        log.append(app, [a_sent_event(), a_sent_event(user=None)])
        log.append(app, [a_sent_event(), {}], strict=True)

        assert counted() == {
            (app.pk, "python", "accepted", ""): 1,
            (app.pk, "python", "rejected", "no_user"): 1,
            (app.pk, "python", "rejected", "missing_field"): 1,
            (app.pk, "python", "rejected", "strict"): 1,
        }

    def test_an_archived_app(self):
        app = an_app(archived_at=timezone.now())

        with pytest.raises(ArchivedAppError):
            log.append(app, [a_sent_event(), a_sent_event()])

        assert counted() == {(app.pk, "python", "rejected", "app_archived"): 2}

    def test_what_the_caller_takes_back_was_never_so(self, app):
        class TakenBackError(Exception):
            pass

        with suppress(TakenBackError), transaction.atomic():
            log.append(app, [a_sent_event()])
            raise TakenBackError
        with transaction.atomic():
            log.append(app, [a_sent_event()])
            assert counted() == {}

        assert counted() == {(app.pk, "python", "accepted", ""): 1}


@pytest.mark.django_db(transaction=True)
class TestSamplesOfEvents:
    def test_a_sample_names_place_and_remedy_and_no_value(self, app):
        log.append(
            app,
            [
                a_sent_event(id="e-1", user={"identities": {ANN: 7}}),
                a_sent_event(id="e-2", content="secret", colour=BOB),
            ],
        )
        background.flush_counts()

        assert [
            (row.code, row.pointer, row.key)
            for row in IngestSample.objects.order_by("id")
        ] == [
            ("bad_identity", "/user/identities/…", ""),
            ("unknown_field", "/colour", ""),
        ]
        everything = str(list(IngestSample.objects.values()))
        assert not [word for word in (ANN, BOB, "secret", "e-1") if word in everything]

    def test_only_a_conflict_names_the_event(self, app):
        log.append(app, [a_sent_event(id="e-1")])
        log.append(app, [a_sent_event(id="e-1", content="other")])
        background.flush_counts()

        sample = IngestSample.objects.get()
        assert (sample.code, sample.pointer, sample.key) == ("conflict", "/id", "e-1")


@pytest.mark.django_db
class TestSamples:
    def test_the_newest_five_of_each_cause_stay(self):
        for start in (0, 4):
            samples = [RefusalSample(NOON, detail=f"no. {start + n}") for n in range(4)]
            writing.write_counts(
                {
                    hourly(refused()): a_count(4, NOON, *samples),
                    hourly(refused(code=Code.NO_USER)): a_count(1, NOON, samples[0]),
                }
            )

        rows = IngestSample.objects.order_by("id")
        of = rows.filter(code="milliseconds").values_list("detail", flat=True)
        assert list(of) == ["no. 3", "no. 4", "no. 5", "no. 6", "no. 7"]
        assert rows.filter(code="no_user").count() == 2

    def test_who_is_forgotten_stands_in_none(self, app):
        other = an_app()
        for app_id in (app.pk, other.pk):
            conflict = CountKey(
                app_id, WayIn.TASK, IngestOutcome.CONFLICT, Code.CONFLICT
            )
            samples = (
                RefusalSample(NOON, "/id", "x", f"sign-up-{ANN.upper()}"),
                RefusalSample(NOON, "/id", "x", "sign-up-7"),
                RefusalSample(NOON, "/metadata/bobby_7", "x"),
            )
            writing.write_counts({hourly(conflict): a_count(3, NOON, *samples)})

        assert rejections.remove_rejections(app.pk, [ANN, "bobby_7", "7"]) == 2

        left = IngestSample.objects.order_by("id").values_list("app_id", "key")
        assert left[0] == (app.pk, "sign-up-7")
        assert [app_id for app_id, _ in left] == [app.pk] + [other.pk] * 3

    def test_an_erasure_forgets_them(self, app):
        conflict = CountKey(app.pk, WayIn.TASK, IngestOutcome.CONFLICT, Code.CONFLICT)
        sample = RefusalSample(NOON, "/id", "x", f"sign-up-{ANN}")
        writing.write_counts({hourly(conflict): a_count(1, NOON, sample)})

        erasure_orders.order_erasure(app, [Identity("email", ANN)])

        assert not IngestSample.objects.exists()


@pytest.mark.django_db
class TestWriting:
    def test_it_is_added_to_what_is_there(self):
        later = NOON + HOUR / 2
        writing.write_counts({hourly(taken()): a_count(2, later)})
        writing.write_counts({hourly(taken()): a_count(3, NOON)})

        row = IngestCount.objects.get(hour=NOON)
        assert (row.number, row.last_at) == (5, later)

    def test_it_is_one_statement(self, django_assert_num_queries):
        counts = {
            hourly(taken(way=f"rk_{n}"), NOON + m * HOUR): a_count()
            for n in range(20)
            for m in range(3)
        }

        with django_assert_num_queries(3):  # two are the savepoint of the test
            writing.write_counts(counts)

        assert IngestCount.objects.count() == 61

    def test_the_beginning_sums_up_hours_and_ways(self):
        writing.write_counts(
            {
                hourly(taken()): a_count(2),
                hourly(taken(), NOON + HOUR): a_count(3, NOON + HOUR),
                hourly(taken(way=WayIn.TASK)): a_count(4),
                hourly(refused()): a_count(5),
            }
        )

        assert ingest_health.read_totals() == [
            (1, "accepted", "", 9),
            (1, "rejected", "milliseconds", 5),
        ]

    def test_unknown_keys_have_fifty_names_in_the_whole_installation(self):
        for start in (0, 30, 60):
            writing.write_counts(
                {hourly(a_stranger(start + n)): a_count() for n in range(30)}
            )
        writing.write_counts({hourly(a_stranger(3), NOON + HOUR): a_count()})

        hours = IngestCount.objects.exclude(hour=ALL_TIME_HOUR)
        ways = set(hours.values_list("way", flat=True))
        assert ways == {a_stranger(n).way for n in range(MOST_UNKNOWN_KEYS)} | {"other"}
        assert hours.get(way="other").number == 90 - MOST_UNKNOWN_KEYS
        assert hours.filter(way=a_stranger(3).way).count() == 2
        assert ingest_health.read_totals() == [(0, "unauthorised", "unknown_key", 91)]

    def test_a_database_that_does_not_answer_costs_no_count(self, caplog):
        def fails(execute, sql, *rest):
            raise OperationalError

        background.count_ingest(taken(), 2)
        with connection.execute_wrapper(fails):
            background.flush_counts()
            background.flush_counts()
        background.count_ingest(taken(), 3)
        assert not IngestCount.objects.exists()

        assert counted() == {(1, "rk_abcdefghi", "accepted", ""): 5}
        assert len(caplog.records) == 1
        assert "OperationalError" in caplog.text

    def test_where_no_connection_is_to_be_had_one_is_looked_for_once(self, monkeypatch):
        def is_broken():
            taken_steps.append("broken")
            raise ValueError

        def connects():
            taken_steps.append("connects")
            connection.ensure_connection()

        taken_steps = []
        nowhere = {"HOST": "127.0.0.1", "PORT": str(free_port()), "NAME": "/nowhere/x"}
        there = connections.settings["default"]
        monkeypatch.setitem(connections.settings, "default", there | nowhere)
        monkeypatch.setattr(background, "_along", [is_broken, connects, connects])

        # A thread that has no connection yet.
        Worker(background.flush_counts).finish()

        assert taken_steps == ["broken", "connects"]

    def test_nothing_counted_asks_nothing(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            background.flush_counts()


@pytest.mark.django_db(transaction=True)
class TestInTheBackground:
    @pytest.fixture
    def has_thread(self):
        """Return whether this process has the thread that writes."""
        return lambda: "ingest" in {each.name for each in threading.enumerate()}

    def test_a_new_cause_is_written_at_once_by_a_thread_of_its_own(
        self, settings, has_thread
    ):
        settings.INGEST_FLUSH_SECONDS = 3600
        assert not has_thread()

        background.count_ingest(taken())

        wait_until(IngestCount.objects.exists)
        assert has_thread()
        background.clear_counts()
        assert not has_thread()

    def test_what_was_there_before_is_written_from_time_to_time(self, settings):
        settings.INGEST_FLUSH_SECONDS = 0.01
        background.count_ingest(taken())
        wait_until(IngestCount.objects.exists)

        background.count_ingest(taken())

        wait_until(IngestCount.objects.filter(hour=ALL_TIME_HOUR, number=2).exists)
        background.clear_counts()

    def test_the_last_counts_are_written_where_the_thread_has_just_waited_in_vain(
        self, settings, monkeypatch
    ):
        def waits_in_vain():
            if not is_waiting.is_set():
                is_waiting.set()
                is_over.wait(PATIENCE_SECONDS)
                # The process is gone before this thread comes here again.
                background._flusher._is_over = True
                connection.close()
                raise OperationalError

        settings.INGEST_FLUSH_SECONDS = 3600
        is_waiting, is_over = threading.Event(), threading.Event()
        monkeypatch.setattr(background, "_along", [waits_in_vain])
        background.count_ingest(taken())
        assert is_waiting.wait(PATIENCE_SECONDS)
        background.count_ingest(taken(), 2)

        ending = Worker(background._flusher.end)
        wait_until(lambda: find_innermost_function(ending) == "end")
        is_over.set()
        ending.finish()

        assert IngestCount.objects.get(hour=ALL_TIME_HOUR).number == 3
        background.clear_counts()

    def test_a_forked_child_leaves_to_its_parent_what_that_counted(self):
        background.count_ingest(taken())

        with warnings.catch_warnings():
            # The threads of the tests do not matter to a child that ends at once.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if not pid:
            os._exit(len(background._flusher.counter.take()))

        assert os.waitpid(pid, 0)[1] == 0
        assert list(counted().values()) == [1]

    def test_two_processes_at_once_admit_fifty_unknown_keys(self):
        if connection.vendor == "sqlite":
            pytest.skip("it lets one write at a time")
        with transaction.atomic():
            writing.write_counts({hourly(a_stranger(n)): a_count() for n in range(40)})
            other = Worker(
                writing.write_counts,
                {hourly(a_stranger(40 + n)): a_count() for n in range(40)},
            )
            other.wait_for_its_lock()
        other.finish()

        hours = IngestCount.objects.exclude(hour=ALL_TIME_HOUR).exclude(way="other")
        assert hours.values("way").distinct().count() == MOST_UNKNOWN_KEYS


@pytest.mark.django_db
class TestRetention:
    def test_hours_and_samples_go_after_fourteen_days_and_totals_stay(self):
        old, kept = (
            NOON - count_removal.KEEP_COUNTS_FOR - HOUR,
            NOON - count_removal.KEEP_COUNTS_FOR,
        )
        for at in (old, kept):
            sample = RefusalSample(at, detail="x")
            writing.write_counts({hourly(refused(), at): a_count(1, at, sample)})

        assert count_removal.trim_counts(NOON) == 1

        assert list(
            IngestCount.objects.order_by("hour").values_list("hour", "number")
        ) == [
            (ALL_TIME_HOUR, 2),
            (kept, 1),
        ]
        assert [sample.at for sample in IngestSample.objects.all()] == [kept]
        assert count_removal.trim_counts(NOON) == 0

    def test_a_limit_bounds_each_step(self):
        for number in range(3):
            at = NOON - count_removal.KEEP_COUNTS_FOR - (number + 1) * HOUR
            writing.write_counts({hourly(taken(), at): a_count(1, at)})

        assert count_removal.trim_counts(NOON, limit=2) == 2
        assert count_removal.trim_counts(NOON, limit=2) == 1

    def test_the_workers_do_it(self):
        writing.write_counts({hourly(taken(), NOON - 4000 * HOUR): a_count(1, NOON)})

        retention.carry_out_retention()

        assert [row.hour for row in IngestCount.objects.all()] == [ALL_TIME_HOUR]


@pytest.mark.django_db
class TestReading:
    def test_refusals_are_summed_up_by_app_key_and_cause_the_latest_first(
        self, django_assert_num_queries
    ):
        earlier, later = NOON - HOUR, NOON + HOUR / 2
        samples = (
            RefusalSample(NOON, detail="older"),
            RefusalSample(later, detail="newer"),
        )
        writing.write_counts(
            {
                hourly(refused(), earlier): a_count(2, earlier),
                hourly(refused()): a_count(3, later, *samples),
                hourly(a_stranger(1)): a_count(1, NOON),
                hourly(refused(way=WayIn.TASK, code=Code.NO_USER)): a_count(4, earlier),
                hourly(refused(), NOON - 9 * HOUR): a_count(100, NOON - 9 * HOUR),
                hourly(taken()): a_count(7, later),
            }
        )

        with django_assert_num_queries(1):
            found = ingest_health.read_refusals_since(earlier)

        assert found == [
            RefusalCount(
                1, "rejected", "milliseconds", "rk_abcdefghi", 5, later, "newer"
            ),
            RefusalCount(
                None, "unauthorised", "unknown_key", "rk_000000001", 1, NOON, ""
            ),
            RefusalCount(1, "rejected", "no_user", "", 4, earlier, ""),
        ]

    def test_an_hour_that_was_over_before_does_not_count(self):
        writing.write_counts({hourly(refused()): a_count(1, NOON + HOUR / 4)})
        writing.write_counts({hourly(taken()): a_count(1, NOON + HOUR / 3)})

        for since, number in ((NOON + HOUR / 4, 1), (NOON + HOUR / 2, 0)):
            assert len(ingest_health.read_refusals_since(since)) == number
            assert len(ingest_health.read_accepted_since(since)) == number

    @pytest.mark.parametrize(
        ("cause", "success"),
        [
            (refused(), taken()),
            (refused(), taken(outcome=IngestOutcome.DUPLICATE)),
            (refused(way=WayIn.TASK), taken(way=WayIn.TASK)),
            # What has no next time is over with whatever the app took.
            (refused(way=WayIn.IMPORT), taken(way=WayIn.TASK)),
            (
                CountKey(1, "rk_old", IngestOutcome.UNAUTHORISED, Code.REVOKED_KEY),
                taken(way="rk_new"),
            ),
            (a_stranger(1), taken(app_id=2)),
        ],
    )
    def test_what_was_refused_last_counts_until_something_is_taken(
        self, cause, success
    ):
        night = NOON - 30 * HOUR
        writing.write_counts(
            {hourly(success, night - HOUR): a_count(9, night - HOUR / 2)}
        )
        writing.write_counts(
            {hourly(cause, night - HOUR): a_count(3, night - HOUR / 3)}
        )
        writing.write_counts({hourly(cause, night): a_count(4, night + HOUR / 4)})

        (found,) = ingest_health.read_refusals_since(NOON)

        assert (found.code, found.count) == (cause.code, 7)
        assert found.last_at == night + HOUR / 4

        writing.write_counts({hourly(success, night): a_count(1, night + HOUR / 3)})

        assert ingest_health.read_refusals_since(NOON) == []

    @pytest.mark.parametrize(
        ("cause", "success"),
        [
            (refused(), taken(way="rk_another")),
            (refused(), taken(app_id=2)),
            (
                CountKey(1, "rk_old", IngestOutcome.UNAUTHORISED, "revoked_key"),
                taken(app_id=2),
            ),
        ],
    )
    def test_a_success_of_another_kind_is_no_end(self, cause, success):
        night = NOON - 30 * HOUR
        writing.write_counts({hourly(cause, night): a_count(4, night)})
        writing.write_counts({hourly(success): a_count(1, NOON)})

        (found,) = ingest_health.read_refusals_since(NOON)

        assert found.count == 4

    def test_who_shows_no_key_is_not_waited_for(self):
        night = NOON - 30 * HOUR
        stranger = CountKey(NO_APP, "", IngestOutcome.UNAUTHORISED, Code.NO_KEY)
        writing.write_counts({hourly(stranger, night): a_count(4, night)})

        assert ingest_health.read_refusals_since(NOON) == []

    def test_an_app_may_ask_for_longer_ago(self):
        night = NOON - 30 * HOUR
        writing.write_counts({hourly(taken(), night): a_count(3, night)})
        writing.write_counts({hourly(taken()): a_count(2, NOON)})
        writing.write_counts({hourly(taken(app_id=2), night): a_count(5, night)})

        found = ingest_health.read_accepted_since(NOON, {1: night})

        assert found == {1: (2, 5)}

    def test_what_is_accepted_includes_duplicates(self):
        writing.write_counts(
            {
                hourly(taken()): a_count(2),
                hourly(taken(way=WayIn.TASK)): a_count(3),
                hourly(taken(outcome=IngestOutcome.DUPLICATE)): a_count(4),
                hourly(taken(app_id=2)): a_count(5),
                hourly(refused()): a_count(6),
            }
        )

        assert ingest_health.read_accepted_since(NOON) == {1: (9, 9), 2: (5, 5)}

    def test_traffic_is_read_for_a_day_and_a_week(self):
        writing.write_counts(
            {
                hourly(refused()): a_count(2, NOON),
                hourly(refused(), NOON - 30 * HOUR): a_count(3, NOON - 30 * HOUR),
                hourly(refused(app_id=2)): a_count(9),
            }
        )

        found = ingest_health.read_traffic(
            [1], day=NOON - 24 * HOUR, week=NOON - 7 * 24 * HOUR
        )

        assert found == [(1, "rk_abcdefghi", "rejected", "milliseconds", 2, 5, NOON)]


def test_the_beginning_is_before_everything():
    assert datetime(1970, 1, 1, tzinfo=UTC) == ALL_TIME_HOUR
