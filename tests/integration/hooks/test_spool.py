"""Calls that are never sent again, while the log is away: they wait on a real Valkey."""

import json
import logging
import threading
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import redis
from django.conf import settings
from django.db import OperationalError, connection

from clevertap_sync.process import doorbell, spool_store
from clevertap_sync.process.spool_store import ASIDE, SIZE, WAITING
from referrals import failpoints, log
from referrals.encrypted_field import read_cipher
from referrals.failpoints import FailpointError
from referrals.hooks import deadline, drain, known_sources, outage, spool, spool_losses
from referrals.hooks.receive_call import append_outcomes
from referrals.hooks.spool import LossReason, SpoolEntry, SpoolState
from referrals.ingest import background, ingest_health
from referrals.ingest.counter import CountKey, IngestOutcome
from referrals.models import App, IngestCount
from referrals.schema import check_object
from tests import builders
from tests.builders import a_sent_event
from tests.harness.process import PATIENCE_SECONDS, free_port, wait_until
from tests.integration.hooks.calling import call_hook, events_of, sample_of, signed

pytestmark = pytest.mark.django_db

KEY, OTHER_KEY = "a" * 40, "b" * 40


@pytest.fixture(autouse=True)
def redis_client(valkey, settings, monkeypatch):
    """The spool's Redis, as good as new; and minutes for what has parts of a second."""
    settings.REDIS_URL = valkey.url
    settings.FIELD_ENCRYPTION_KEYS = [KEY]
    monkeypatch.setattr(spool, "PUSH_SECONDS", PATIENCE_SECONDS)
    doorbell.open_broker.cache_clear()
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        client.config_set("maxmemory", 0)
        yield client
        client.config_set("maxmemory", 0)
    settings.REDIS_URL = valkey.url
    doorbell.open_broker().close()
    doorbell.open_broker.cache_clear()


@pytest.fixture
def branch(app):
    return builders.a_source(app, "branch")


@contextmanager
def log_is_away():
    """Let the log's statements fail, and count them."""
    statements = []

    def fail(execute, sql, params, many, context):
        if "referrals_referralevent" in sql:
            statements.append(sql)
            raise OperationalError
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        yield statements
    outage.database.note_success()


def a_branch_call(source, number):
    return signed(
        source,
        {
            "name": "INSTALL",
            "id": f"call-{number}",
            "timestamp": 1795860301422 + number,
            "user_data": {"ip": "203.0.113.7", "developer_identity": f"u-{number}"},
            "last_attributed_touch_data": {
                "~channel": "whatsapp",
                "referringUserID": "u-7",
            },
        },
        headers=[("content-type", "application/json")],
    )


def spool_calls(client, source, numbers):
    """Send calls while the log is away, and return what each was answered."""
    with log_is_away():
        return [
            call_hook(client, source, a_branch_call(source, number)).status_code
            for number in numbers
        ]


def users_of(app):
    return [event.user.identities["custom_id"] for event in events_of(app)]


def counts_of(source, *outcomes):
    """Return what was counted of a source, by outcome and code."""
    background.flush_counts()
    rows = IngestCount.objects.filter(
        way=source.way, outcome__in=outcomes or ("spooled", "drained", "lost")
    ).exclude(hour=datetime(1970, 1, 1, tzinfo=UTC))
    return {
        (outcome, code): number
        for outcome, code, number in rows.values_list("outcome", "code", "number")
    }


def push(entry):
    spool.find_store().push(spool.encrypt_entry(entry))


def an_entry(app, source_id, *sent):
    events: list[Any] = [check_object(each) for each in sent]
    made = log.prepare_for_later(app, events, builders.NOON)
    return SpoolEntry(app.pk, source_id, builders.NOON, tuple(made))


# From the call into the spool


def test_a_call_that_is_never_sent_again_waits_and_comes_into_the_log(
    client, app, branch
):
    answers = spool_calls(client, branch, [1])
    waiting = spool.read_state()
    assert (users_of(app), waiting.waiting) == ([], 1)

    drain.drain_spool()

    assert answers == [200]
    assert users_of(app) == ["u-1"]
    assert spool.read_state() == SpoolState(0, 0, 0)
    assert counts_of(branch) == {("spooled", ""): 1, ("drained", ""): 1}


def test_what_waited_keeps_the_names_of_its_calls(client, app, branch):
    with log_is_away():
        names = [
            call_hook(client, branch, a_branch_call(branch, number)).headers[
                "X-Request-Id"
            ]
            for number in (1, 2)
        ]

    drain.drain_spool()

    assert [each.request_id for each in log.read_range(app.pk, 1, 9)] == names


def test_an_entry_of_a_release_before_has_no_call_s_name(app):
    old = msgspec.to_builtins(an_entry(app, 7, a_sent_event()))

    (event,) = msgspec.convert(old, SpoolEntry).events

    assert "request_id" not in old["events"][0]
    assert event.request_id == ""


def test_the_same_call_sent_again_is_a_duplicate(
    client, app, branch, django_capture_on_commit_callbacks
):
    spool_calls(client, branch, [1])
    drain.drain_spool()

    with django_capture_on_commit_callbacks(execute=True):
        call_hook(client, branch, a_branch_call(branch, 1))

    assert users_of(app) == ["u-1"]
    assert counts_of(branch, "duplicate", "conflict") == {("duplicate", ""): 1}


def test_calls_come_in_the_order_in_which_they_were_taken(client, app, branch):
    other = builders.a_source(app, "branch", name="Branch too")
    with log_is_away():
        for number in range(1, 7):
            source = branch if number % 2 else other
            call_hook(client, source, a_branch_call(source, number))

    drain.drain_spool()

    assert users_of(app) == [f"u-{number}" for number in range(1, 7)]
    assert counts_of(other) == {("spooled", ""): 3, ("drained", ""): 3}


def test_an_event_without_a_time_happened_when_it_was_received(client, app, branch):
    call = signed(
        branch,
        {
            "name": "INSTALL",
            "id": "call-1",
            "user_data": {"developer_identity": "u-1"},
            "last_attributed_touch_data": {"referringUserID": "u-7"},
        },
    )
    with log_is_away():
        call_hook(client, branch, call)
    taken_at = datetime.now(UTC)

    drain.drain_spool()

    (event,) = events_of(app)
    assert event.occurred_at <= taken_at


def test_a_platform_that_sends_again_gets_its_busy_code(client, app):
    source = builders.a_source(app, "growsurf")

    with log_is_away():
        answer = call_hook(client, source, sample_of(source))

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert spool.read_state().is_empty
    assert counts_of(source) == {}
    assert call_hook(client, source, sample_of(source)).status_code == 200
    assert log.read_head(app.pk) == 1


def test_a_database_that_is_known_to_be_away_is_not_asked_again(
    client, branch, monkeypatch
):
    seconds = [1_000.0]
    monkeypatch.setattr(outage, "monotonic", lambda: seconds[0])

    with log_is_away() as statements:
        for number in range(5):
            call_hook(client, branch, a_branch_call(branch, number))
        assert len(statements) == 1
        seconds[0] += outage.AWAY_SECONDS
        for number in range(5, 10):
            call_hook(client, branch, a_branch_call(branch, number))

    assert len(statements) == 2
    assert spool.read_state().waiting == 10


def test_once_the_database_is_back_calls_go_into_the_log_again(client, app, branch):
    spool_calls(client, branch, [1])

    call_hook(client, branch, a_branch_call(branch, 2))

    assert users_of(app) == ["u-2"]


def test_nothing_of_a_call_can_be_read_in_redis(client, branch, redis_client):
    spool_calls(client, branch, [1])

    (stored,) = redis_client.lrange(WAITING, 0, -1)

    assert b"u-1" not in stored
    entry = spool.decrypt_entry(stored)
    text = msgspec.json.encode(entry)
    assert b"u-1" in text
    assert b"203.0.113.7" not in text


def test_what_is_refused_of_a_call_is_counted_meanwhile(
    app, django_capture_on_commit_callbacks
):
    source = builders.a_source(app, "branch")
    good = check_object(a_sent_event())
    bad = check_object({"id": "bad"})
    known = known_sources.find_source(source.public_id)

    with log_is_away(), django_capture_on_commit_callbacks(execute=True):
        received = append_outcomes(known, [bad, good])
        alone = append_outcomes(known, [bad])

    assert (received.is_committed, received.is_spooled) == (False, True)
    assert (alone.is_committed, alone.is_spooled) == (True, False)
    assert sum(counts_of(source, "rejected").values()) == 2
    assert counts_of(source) == {("spooled", ""): 1}


# Where there is no room


def test_without_redis_a_call_gets_the_busy_code_and_counts_as_lost(
    client, branch, settings
):
    settings.REDIS_URL = ""

    assert spool_calls(client, branch, [1, 2]) == [503, 503]

    assert counts_of(branch) == {("lost", LossReason.NO_SPOOL): 2}
    (loss,) = spool_losses.read_losses(datetime.now(UTC) - timedelta(hours=1))
    assert loss[:4] == (branch.app_id, branch.way, "no_spool", 2)


def test_a_spool_may_be_switched_off(client, branch, settings):
    settings.SPOOL_MEGABYTES = 0

    assert spool_calls(client, branch, [1]) == [503]


def test_a_redis_that_is_away_is_not_asked_again_at_once(
    client, branch, settings, monkeypatch
):
    seconds = [1_000.0]
    monkeypatch.setattr(spool, "monotonic", lambda: seconds[0])
    away, settings.REDIS_URL = settings.REDIS_URL, f"redis://127.0.0.1:{free_port()}/0"
    doorbell.open_broker.cache_clear()
    assert spool_calls(client, branch, [1]) == [503]
    settings.REDIS_URL = away
    doorbell.open_broker.cache_clear()

    while_silent = spool_calls(client, branch, [2])
    seconds[0] += spool.SILENCE_SECONDS
    afterwards = spool_calls(client, branch, [3])

    assert (while_silent, afterwards) == ([503], [200])
    assert counts_of(branch) == {
        ("lost", LossReason.SPOOL_AWAY): 2,
        ("spooled", ""): 1,
    }


def test_a_redis_that_says_nothing_is_waited_for_briefly(client, branch, monkeypatch):
    goes_on = threading.Event()
    monkeypatch.setattr(spool, "PUSH_SECONDS", 0.01)
    monkeypatch.setattr(
        spool_store.RedisSpoolStore,
        "push",
        lambda *_: goes_on.wait(PATIENCE_SECONDS),
    )

    answers = spool_calls(client, branch, [1])
    goes_on.set()

    assert answers == [503]


@pytest.mark.parametrize("bound", [("MOST_ENTRIES", 2), ("_BYTES_PER_MEGABYTE", 150)])
def test_a_full_spool_takes_no_more(client, app, branch, monkeypatch, bound):
    monkeypatch.setattr(spool_store, *bound)

    answers = spool_calls(client, branch, range(5))

    taken = answers.count(200)
    assert answers == [200] * taken + [503] * (5 - taken)
    assert 0 < taken < 5
    assert counts_of(branch)["lost", LossReason.SPOOL_FULL] == 5 - taken
    drain.drain_spool()
    assert len(users_of(app)) == taken
    assert spool_calls(client, branch, [6]) == [200]


def test_a_redis_without_memory_is_a_full_spool(client, branch, redis_client):
    redis_client.config_set("maxmemory-policy", "noeviction")
    redis_client.config_set("maxmemory", 1)

    assert spool_calls(client, branch, [1]) == [503]

    assert counts_of(branch) == {("lost", LossReason.SPOOL_FULL): 1}


def test_an_entry_that_is_too_large_has_no_room(client, branch, monkeypatch):
    monkeypatch.setattr(spool, "MOST_ENTRY_BYTES", 100)

    assert spool_calls(client, branch, [1]) == [503]

    assert spool.read_state().is_empty


def test_the_bytes_are_those_of_what_is_there(client, branch, redis_client):
    spool_calls(client, branch, range(4))
    stored = redis_client.lrange(WAITING, 0, -1)
    assert spool.read_state().size == sum(map(len, stored))

    spool.find_store().set_aside(stored[:1])
    spool.find_store().remove(stored[1:2], "waiting")
    spool.find_store().remove(stored[:1], "aside")

    assert spool.read_state() == (2, 0, sum(map(len, stored[2:])))


# From the spool into the log


def test_who_dies_before_the_removal_loses_and_doubles_nothing(client, app, branch):
    spool_calls(client, branch, range(3))
    failpoints.arm_failpoints(failpoints.parse_failpoints(["spool.appended=raise"]))
    try:
        with pytest.raises(FailpointError):
            drain.drain_spool()
    finally:
        failpoints.arm_failpoints([])
    assert spool.read_state().waiting == 3

    drain.drain_spool()

    assert users_of(app) == ["u-0", "u-1", "u-2"]
    assert spool.read_state().is_empty
    assert counts_of(branch) == {("spooled", ""): 3, ("drained", ""): 3}


def test_two_that_drain_at_once_count_each_entry_once(client, app, branch, monkeypatch):
    spool_calls(client, branch, range(3))
    remove = spool_store.RedisSpoolStore.remove

    def remove_after_another(store, entries, place):
        monkeypatch.setattr(spool_store.RedisSpoolStore, "remove", remove)
        drain.drain_spool()
        return remove(store, entries, place)

    monkeypatch.setattr(spool_store.RedisSpoolStore, "remove", remove_after_another)
    drain.drain_spool()

    assert users_of(app) == ["u-0", "u-1", "u-2"]
    assert counts_of(branch) == {("spooled", ""): 3, ("drained", ""): 3}


def test_while_the_database_is_away_nothing_leaves_the_spool(client, branch):
    spool_calls(client, branch, range(3))

    with log_is_away(), pytest.raises(OperationalError):
        drain.drain_spool()

    assert spool.read_state().waiting == 3
    assert counts_of(branch) == {("spooled", ""): 3}


def test_more_than_is_read_at_a_time_is_drained_in_one_sweep(
    client, app, branch, monkeypatch
):
    monkeypatch.setattr(spool_store, "READ_ENTRIES", 2)
    spool_calls(client, branch, range(7))

    drain.drain_spool(seconds=PATIENCE_SECONDS)

    assert users_of(app) == [f"u-{number}" for number in range(7)]


def test_a_sweep_has_only_so_much_time_for_it(client, app, branch, monkeypatch):
    monkeypatch.setattr(spool_store, "READ_ENTRIES", 2)
    spool_calls(client, branch, range(5))

    drain.drain_spool(seconds=-1)

    assert users_of(app) == ["u-0", "u-1"]


def test_an_entry_whose_key_is_lost_is_kept_aside_until_it_is_back(
    client, app, branch, settings, caplog
):
    spool_calls(client, branch, [1])
    settings.FIELD_ENCRYPTION_KEYS = [OTHER_KEY]
    known_sources.clear_known_sources()
    push(an_entry(app, branch.pk, a_sent_event()))

    drain.drain_spool()
    drain.drain_spool()

    assert spool.read_state()[:2] == (0, 1)
    assert log.read_head(app.pk) == 1
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "FIELD_ENCRYPTION_KEYS decrypts 1 entries" in record.getMessage()

    settings.FIELD_ENCRYPTION_KEYS = [OTHER_KEY, KEY]
    drain.drain_spool()

    assert spool.read_state() == SpoolState(0, 0, 0)
    assert log.read_head(app.pk) == 2


def test_what_is_kept_aside_is_looked_through_piece_by_piece(
    app, branch, settings, monkeypatch
):
    monkeypatch.setattr(spool_store, "READ_ENTRIES", 2)
    for key, number in ((KEY, 5), (OTHER_KEY, 1)):
        settings.FIELD_ENCRYPTION_KEYS = [key]
        for _ in range(number):
            push(an_entry(app, branch.pk, a_sent_event()))
    settings.FIELD_ENCRYPTION_KEYS = ["c" * 40]
    drain.drain_spool()
    assert spool.read_state().aside == 6

    settings.FIELD_ENCRYPTION_KEYS = [OTHER_KEY]
    for _ in range(5):
        drain.drain_spool()

    assert spool.read_state().aside == 5
    assert log.read_head(app.pk) == 1


@pytest.mark.parametrize("place", [WAITING, ASIDE])
def test_garbage_is_removed_and_stops_nothing(client, app, branch, redis_client, place):
    redis_client.rpush(
        place,
        *("", b"\xff\xfe", "no entry", "gAAAAA", json.dumps({"app_id": 1})),
        *["the same"] * 500,
    )
    spool_calls(client, branch, [1])

    for _ in range(3):
        drain.drain_spool()

    assert users_of(app) == ["u-1"]
    assert spool.read_state() == SpoolState(0, 0, 0)


@pytest.mark.parametrize("text", [b"{}", b"\xff", b'{"app_id": "one"}'])
def test_what_another_release_has_put_there_is_kept_aside(
    client, branch, redis_client, text, caplog
):
    entry = read_cipher().encrypt(text)
    redis_client.rpush(WAITING, entry)
    spool_calls(client, branch, [1])

    for _ in range(3):
        drain.drain_spool()

    assert users_of(branch.app) == ["u-1"]
    assert redis_client.lrange(ASIDE, 0, -1) == [entry]
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert "Another release has put 1 entries" in record.getMessage()


def test_an_app_that_took_anothers_number_does_not_get_its_events(client, app, branch):
    spool_calls(client, branch, [1])
    App.objects.filter(pk=app.pk).update(slug="another")

    drain.drain_spool()

    assert (log.read_head(app.pk), spool.read_state()[:2]) == (0, (0, 1))

    App.objects.filter(pk=app.pk).update(slug="shop")
    drain.drain_spool()

    assert (users_of(app), spool.read_state()[:2]) == (["u-1"], (0, 0))


def test_an_entry_of_the_release_before_is_appended(app, branch, redis_client):
    entry = msgspec.to_builtins(an_entry(app, branch.pk, a_sent_event()))
    del entry["app_slug"]
    redis_client.rpush(WAITING, read_cipher().encrypt(msgspec.json.encode(entry)))

    drain.drain_spool()

    assert (log.read_head(app.pk), spool.read_state()[:2]) == (1, (0, 0))


STRANGE = {
    "a text": lambda client, key: client.set(key, "no number"),
    "a hash": lambda client, key: client.hset(key, "a", "b"),
    "a list": lambda client, key: client.rpush(key, "x"),
}


@pytest.mark.parametrize("key", [WAITING, ASIDE, SIZE])
@pytest.mark.parametrize("what", STRANGE)
def test_another_type_under_our_names_stops_nothing(client, branch, key, what):
    with redis.Redis.from_url(settings.REDIS_URL) as stranger:
        STRANGE[what](stranger, key)

    drain.drain_spool()
    answers = spool_calls(client, branch, [1])
    drain.drain_spool()

    assert answers == [200]
    assert users_of(branch.app) == ["u-1"]


def test_the_same_entry_twice_is_stored_once(client, app, branch, redis_client):
    spool_calls(client, branch, [1])
    (stored,) = redis_client.lrange(WAITING, 0, -1)
    redis_client.rpush(WAITING, *[stored] * 300)

    drain.drain_spool()

    assert users_of(app) == ["u-1"]
    assert spool.read_state().is_empty


def test_the_events_of_an_archived_app_are_refused_and_counted(client, app, branch):
    spool_calls(client, branch, range(2))
    App.objects.filter(pk=app.pk).update(archived_at=builders.NOON)

    drain.drain_spool()

    assert log.read_head(app.pk) == 0
    assert spool.read_state().is_empty
    assert counts_of(branch, "rejected", "drained") == {
        ("rejected", "app_archived"): 2,
        ("drained", ""): 2,
    }


def test_an_entry_of_an_app_that_is_not_there_is_kept_aside(app, branch, caplog):
    other = App(id=app.pk + 1_000)
    push(an_entry(other, 9, a_sent_event()))
    push(an_entry(app, branch.pk, a_sent_event()))

    drain.drain_spool()

    assert spool.read_state()[:2] == (0, 1)
    assert log.read_head(app.pk) == 1
    assert "apps that this database does not have" in caplog.text


@pytest.mark.skipif(connection.vendor == "sqlite", reason="it takes all we can make")
def test_an_event_that_the_database_refuses_for_ever_costs_no_other(
    app, branch, django_capture_on_commit_callbacks
):
    entry = an_entry(app, branch.pk, a_sent_event(), a_sent_event(), a_sent_event())
    bad = msgspec.structs.replace(entry.events[1].event, channel="no\0text")
    events = list(entry.events)
    events[1] = msgspec.structs.replace(events[1], event=bad)
    push(msgspec.structs.replace(entry, events=tuple(events)))

    with django_capture_on_commit_callbacks(execute=True):
        drain.drain_spool()

    assert log.read_head(app.pk) == 2
    assert spool.read_state().is_empty
    assert counts_of(branch, "rejected") == {("rejected", "unstorable"): 1}


def test_a_redis_that_is_away_is_no_fault_of_the_sweep(settings, caplog):
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    doorbell.open_broker.cache_clear()

    drain.drain_spool()
    drain.drain_spool()

    assert caplog.messages == ["The spool did not answer (ConnectionError)"]


# What Redis loses


@pytest.fixture
def at_once(settings):
    """A difference counts when it is seen."""
    settings.SPOOL_LOST_AFTER_SECONDS = 0


def test_what_redis_has_lost_is_counted_once(
    client, branch, redis_client, at_once, caplog
):
    spool_calls(client, branch, range(3))
    background.flush_counts()
    redis_client.flushall()

    for _ in range(3):
        drain.drain_spool()

    assert counts_of(branch) == {
        ("spooled", ""): 3,
        ("lost", LossReason.SPOOL_LOST): 3,
    }
    assert [each.levelno for each in caplog.records].count(logging.ERROR) == 1
    (loss,) = spool_losses.read_losses(datetime.now(UTC) - timedelta(hours=1))
    assert loss[:4] == (branch.app_id, branch.way, "spool_lost", 3)


def test_two_workers_that_see_it_count_it_once(client, branch, redis_client):
    spool_calls(client, branch, range(3))
    background.flush_counts()
    redis_client.flushall()
    ((source, difference),) = spool_losses.read_differences().items()

    settled = [spool_losses.settle_difference(source, difference) for _ in range(2)]

    assert (source, difference) == ((branch.app_id, branch.way), 3)
    assert settled == [True, False]


def test_nothing_is_lost_while_something_waits(client, branch, at_once):
    spool_calls(client, branch, range(3))
    background.flush_counts()
    spool_losses.watch_losses(is_empty=False)

    with log_is_away(), pytest.raises(OperationalError):
        drain.drain_spool()

    assert counts_of(branch) == {("spooled", ""): 3}


def test_a_loss_without_a_spool_does_not_count_again(client, branch, settings, at_once):
    settings.REDIS_URL = ""
    spool_calls(client, branch, [1])
    background.flush_counts()

    drain.drain_spool()

    assert counts_of(branch) == {("lost", LossReason.NO_SPOOL): 1}


def test_counts_that_died_with_their_process_are_added_without_a_word(
    client, branch, at_once, caplog
):
    spool_calls(client, branch, range(2))
    background.clear_counts()
    drain.drain_spool()
    background.flush_counts()

    drain.drain_spool()

    assert counts_of(branch) == {("spooled", ""): 2, ("drained", ""): 2}
    assert spool_losses.read_differences() == {}
    assert [each.levelno for each in caplog.records].count(logging.ERROR) == 0


def test_the_totals_of_the_spool_are_those_of_each_source(app, branch):
    other = builders.a_source(app, "appsflyer")
    for number, source in enumerate((branch, other), 1):
        background.count_ingest(
            CountKey(app.pk, source.way, IngestOutcome.SPOOLED), number
        )
    background.flush_counts()

    assert ingest_health.read_totals() == []
    assert ingest_health.read_source_totals() == [
        (branch.way, "spooled", "", 1),
        (other.way, "spooled", "", 2),
    ]


def test_what_redis_takes_too_late_is_not_lost(client, app, branch, monkeypatch):
    goes_on, push = threading.Event(), spool_store.RedisSpoolStore.push

    def push_late(store, entry):
        goes_on.wait(PATIENCE_SECONDS)
        push(store, entry)

    class BegunFuture(Future[Any]):
        """What was never begun is not late: it is called off, and nobody takes it."""

        def result(self, timeout=None):
            wait_until(lambda: self.running() or self.done())
            return super().result(timeout)

    monkeypatch.setattr(deadline, "Future", BegunFuture)
    monkeypatch.setattr(spool, "PUSH_SECONDS", 0.01)
    monkeypatch.setattr(spool_store.RedisSpoolStore, "push", push_late)

    answers = spool_calls(client, branch, [1])
    goes_on.set()
    wait_until(lambda: not spool.read_state().is_empty)
    spool.clear_silence()
    drain.drain_spool()

    assert answers == [503]
    assert users_of(app) == ["u-1"]
    assert ("lost", LossReason.SPOOL_AWAY) not in counts_of(branch)
