"""The disk is full: what does not fit is answered 503, and goes on when there is room."""

from contextlib import contextmanager
from urllib.parse import quote

import psycopg
import pytest

from tests.faults.conftest import a_scene
from tests.faults.ground import HASTY

#: SQLite's own way to have no room left. Reference: https://www.sqlite.org/pragma.html
INIT = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA max_page_count={pages};"
)
#: Room for what is written before the verdicts, and for no upload's dead letters.
CLAIM_PAGES = 20
#: PostgreSQL's code for it. Reference: https://www.postgresql.org/docs/current/errcodes-appendix.html
DISK_FULL = "53100"


@pytest.fixture
def sqlite(request, grounds):
    yield from a_scene(request, grounds("sqlite"))


@pytest.fixture
def postgresql(request, grounds):
    yield from a_scene(request, grounds("postgresql"))


@pytest.mark.scenario("disk full while events are taken")
def test_sqlite_without_room_takes_nothing_that_it_cannot_keep(sqlite):
    scene = sqlite
    scene.worker()
    scene.send(100)
    scene.settle()
    [(pages,)] = scene.stack.database.rows("PRAGMA page_count")
    scene.ground.web(DATABASE_URL=limited(scene, pages + 60))

    refused = fill(scene)
    scene.heal()
    scene.ground.web()
    scene.send(10)

    scene.settle_and_check()
    assert refused


@pytest.mark.scenario("disk full while verdicts are written")
def test_a_worker_on_sqlite_without_room_settles_when_there_is(sqlite):
    scene = sqlite
    scene.send(2000)
    [(pages,)] = scene.stack.database.rows("PRAGMA page_count")
    scene.sandbox.poison(identity="user-", code=523)
    worker = scene.new_worker(
        DATABASE_URL=limited(scene, pages + CLAIM_PAGES), LEASE_SECONDS="65"
    )
    scene.wait_until(lambda: finds_no_room_for_verdicts(worker))
    assert worker.returncode is None
    worker.kill()
    scene.ground.expire_leases()

    scene.heal()
    scene.worker()

    scene.settle_and_check()


@pytest.mark.scenario("disk full while events are taken")
def test_postgresql_without_room_takes_nothing_that_it_cannot_keep(postgresql):
    scene = postgresql
    scene.worker()
    scene.send(100)
    with no_room(scene, "referrals_referralevent", "INSERT"):
        statuses = [
            scene.backend.post(scene.stack.web_url, scene.backend.events(5))
            for _ in range(3)
        ]

    scene.heal()
    scene.send(10)

    scene.settle_and_check()
    assert statuses == [503, 503, 503]


@pytest.mark.scenario("disk full while verdicts are written")
def test_a_worker_on_postgresql_without_room_settles_when_there_is(postgresql):
    scene = postgresql
    scene.sandbox.poison(identity="user-", code=523)
    with no_room(scene, "clevertap_sync_deadletter", "INSERT"):
        worker = scene.new_worker(**HASTY)
        scene.send(300)
        scene.wait_until(lambda: len(scene.uploads()) >= 2)
        assert worker.returncode is None

    scene.heal()

    scene.settle_and_check()


def limited(scene, pages):
    """Return the database's URL for a process that may not let it grow beyond `pages`."""
    return f"{scene.stack.database.url}?init_command={quote(INIT.format(pages=pages))}"


def finds_no_room_for_verdicts(worker):
    """Say whether an upload was answered, and the disk full then.

    A task that was rung for tells it with a traceback, a step of the sweep with a code:
    which of them delivers, nobody knows.
    """
    _, _, since_an_answer = worker.log.partition('"outcome": "ok"')
    return "disk is full" in since_an_answer or "SQLITE_FULL" in since_an_answer


def fill(scene):
    """Send until there is no room; return the status then. Fail if that never comes."""
    for _ in range(200):
        status = scene.backend.post(scene.stack.web_url, scene.backend.events(50))
        if status != 202:
            return status == 503
    pytest.fail("There was always room.")


@contextmanager
def no_room(scene, table, event):
    """Let PostgreSQL raise its own error at every write of one kind."""
    function = (
        "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION 'No space left on device' USING ERRCODE = '{DISK_FULL}'; "
        "END $$"
    )
    trigger = (
        f"CREATE TRIGGER no_room BEFORE {event} ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION no_room()"
    )
    with psycopg.connect(scene.stack.database.url, autocommit=True) as connection:
        connection.execute(function)
        connection.execute(trigger)
        try:
            yield
        finally:
            connection.execute("DROP FUNCTION no_room() CASCADE")
