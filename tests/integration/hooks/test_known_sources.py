"""What a process knows of sources: fresh from the database, and without it."""

import runpy
import threading
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection

from referrals.hooks import known_sources
from referrals.hooks.known_sources import (
    find_remembered_source,
    find_source,
    remember_sources,
)
from referrals.models import Source
from tests import builders
from tests.harness.commands import ROOT
from tests.harness.process import wait_until
from tests.integration.hooks.calling import call_hook, sample_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(app):
    return builders.a_source(app, "branch")


@pytest.fixture
def make_stale():
    """Return what makes every remembered row one that is read again."""

    def make():
        for remembered in known_sources._memory.known.values():
            remembered.until = 0.0

    return make


class Away:
    """A database that answers nothing."""

    def __init__(self):
        self.asked = 0

    def __call__(self, *_):
        self.asked += 1
        raise OperationalError


def test_a_known_source_is_not_read_for_each_call(source, django_assert_num_queries):
    find_source(source.public_id)

    with django_assert_num_queries(0):
        find_source(source.public_id)


def test_a_change_is_noticed_when_the_row_is_read_again(source, make_stale):
    find_source(source.public_id)
    Source.objects.update(is_test=True)
    make_stale()

    assert find_source(source.public_id).choices.is_test


def test_a_mapping_that_is_as_before_is_not_compiled_again(source, make_stale):
    Source.objects.update(mapping=source.preset.mapping)
    before = find_source(source.public_id).mapping
    make_stale()

    assert find_source(source.public_id).mapping is before


def test_an_unknown_id_is_asked_for_each_time(django_assert_num_queries):
    for _ in range(2):
        with django_assert_num_queries(1):
            assert find_source("0123456789") is None


def test_without_the_database_the_remembered_row_goes_on(source, make_stale):
    find_source(source.public_id)
    make_stale()
    away = Away()

    with connection.execute_wrapper(away):
        for _ in range(5):
            assert find_source(source.public_id).public_id == source.public_id

    # Nobody waits for it once more for each call.
    assert away.asked == 1


def test_what_was_remembered_ahead_is_known_without_the_database(source):
    remember_sources()

    with connection.execute_wrapper(Away()):
        assert find_source(source.public_id).public_id == source.public_id


def test_an_unknown_source_without_the_database_is_busy(client, source):
    with connection.execute_wrapper(Away()):
        answer = call_hook(client, source, sample_of(source))

    assert (answer.status_code, answer.content) == (503, b"")
    assert answer.headers["Retry-After"] == "30"


def test_a_known_source_is_verified_without_the_database(client, source):
    find_source(source.public_id)

    with connection.execute_wrapper(Away()):
        answer = call_hook(client, source, sample_of(source, secret="another"))

    assert answer.status_code == 401


def test_one_failure_speaks_for_all_sources_for_a_while(app, make_stale):
    sources = [builders.a_source(app, "branch", name=name) for name in "abc"]
    remember_sources()
    make_stale()
    away = Away()

    with connection.execute_wrapper(away):
        found = [find_source(each.public_id).id for each in sources * 3]

    assert found == [each.pk for each in sources * 3]
    assert away.asked == 1


def test_all_live_sources_are_read_ahead_and_one_bad_row_keeps_none_unknown(
    app, caplog, django_assert_num_queries
):
    live, bad, broken, old = (
        builders.a_source(app, "branch", name=name) for name in "abcd"
    )
    Source.objects.filter(pk=bad.pk).update(platform="canary-7f31")
    Source.objects.filter(pk=broken.pk).update(chosen_events=[{"canary-7f31": 1}])
    Source.objects.filter(pk=old.pk).update(archived_at=old.created_at)

    with django_assert_num_queries(1):
        remember_sources()

    ids = [live.public_id, bad.public_id, broken.public_id, old.public_id]
    known = [bool(find_remembered_source(each)) for each in ids]
    assert known == [True, False, False, False]
    assert f"Source {bad.pk} was not read: KeyError" in caplog.text
    assert f"Source {broken.pk} was not read: TypeError" in caplog.text
    assert "canary" not in caplog.text


def test_a_row_that_cannot_serve_is_busy_and_tells_nobody_why(client, app):
    source = builders.a_source(app, "growsurf")
    call = sample_of(source)
    client.raise_request_exception = False
    Source.objects.update(chosen_events=[{"x": 1}])

    answer = call_hook(client, source, call)

    assert (answer.status_code, answer.content) == (503, b"")


def test_a_mapping_that_is_valid_no_more_gives_way_to_the_presets(client, app):
    source = builders.a_source(app, "growsurf")
    for mapping in ({}, [], "x", {"kind": "x" * 40_000}, {"event": {"id": ["a"] * 99}}):
        Source.objects.update(mapping=mapping)
        known_sources.clear_known_sources()

        assert call_hook(client, source, sample_of(source)).status_code == 200


def test_the_oldest_makes_room_where_there_are_too_many(app, monkeypatch):
    monkeypatch.setattr(known_sources, "MOST_SOURCES", 2)
    first, second, third = (
        builders.a_source(app, "branch", name=name) for name in "abc"
    )
    for each in (first, second, third):
        find_source(each.public_id)

    known = [find_remembered_source(each.public_id) for each in (first, second, third)]
    assert [bool(each) for each in known] == [False, True, True]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_hangs_holds_a_call_up_for_a_moment(source, monkeypatch):
    """The row is read by another thread, which may hang for as long as it likes."""
    find_source(source.public_id)
    known_sources._memory.known[source.public_id].until = 0.0
    goes_on = threading.Event()
    read = known_sources._read_row

    def hang(public_id):
        goes_on.wait()
        return read(public_id)

    monkeypatch.setattr(known_sources, "_read_row", hang)
    monkeypatch.setattr(known_sources, "READ_SECONDS", 0.05)

    found = find_source(source.public_id)

    goes_on.set()
    assert found.public_id == source.public_id


@pytest.mark.django_db(transaction=True)
def test_a_web_process_reads_all_sources_as_it_starts(source):
    gunicorn = runpy.run_path(str(ROOT / "gunicorn.conf.py"))
    worker = SimpleNamespace()

    gunicorn["post_worker_init"](worker)
    wait_until(lambda: find_remembered_source(source.public_id) is not None)

    gunicorn["worker_exit"](None, worker)
    assert "source reader" not in {each.name for each in threading.enumerate()}
