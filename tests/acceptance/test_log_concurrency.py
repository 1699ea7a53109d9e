"""Many processes append to one log: positions, keys and answers stay true."""

import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from referrals.log import Result, Status
from referrals.schema import Event
from tests.harness.commands import ROOT, production
from tests.harness.databases import KINDS, fresh
from tests.harness.process import Process

APPENDERS = 4
REQUESTS = 40
EVENTS_PER_REQUEST = 4

decode_results = msgspec.json.Decoder(list[Result]).decode
decode_event = msgspec.json.Decoder(Event).decode


@pytest.fixture(params=KINDS)
def database(request, tmp_path):
    database = fresh(request.param, tmp_path)
    yield database
    database.drop()


@pytest.fixture
def environment(database):
    return production(
        DATABASE_URL=database.url,
        DJANGO_SETTINGS_MODULE="integration_project.settings",
        PYTHONPATH=str(ROOT),
    )


@pytest.fixture
def app(environment, tmp_path):
    """The slug of an app, made by a process as all others: this one has a database too."""
    run(environment, tmp_path, "-c", MAKE_APP).wait(60)
    return "shop"


MAKE_APP = (
    "import django; django.setup(); from referrals.models import App; "
    "App.objects.create(slug='shop', name='Shop')"
)


def run(environment, folder, *arguments):
    log = folder / f"{time.monotonic_ns()}.log"
    return Process([sys.executable, *arguments], log=log, env=environment, cwd=ROOT)


def appenders(environment, folder, app, *, requests):
    program = Path(__file__).with_name("appender.py")
    return [
        run(environment, folder, program, app, f"appender{n}", str(requests))
        for n in range(APPENDERS)
    ]


def answers(process):
    """Return the answers that the process printed whole."""
    found = []
    for line in process.log.splitlines():
        with suppress(msgspec.DecodeError):
            found.extend(decode_results(line))
    return found


def stored(database):
    """Return the log's events in order, after checking that positions have no gap."""
    rows = database.rows(
        "SELECT position, received_at, body FROM referrals_referralevent ORDER BY position"
    )
    assert [position for position, _, _ in rows] == list(range(1, len(rows) + 1))
    received = [received_at for _, received_at, _ in rows]
    assert received == sorted(received)
    events = [decode_event(body) for _, _, body in rows]
    assert max(Counter(event.id for event in events).values()) == 1
    return events


def check_answers(results, events):
    """Check every answer against what is stored."""
    by_key = {
        event.id: (position, event) for position, event in enumerate(events, start=1)
    }
    for result in results:
        position, _ = by_key[result.id]
        assert result.status is not Status.REJECTED
        assert result.position == position
    accepted = [r.id for r in results if r.status is Status.ACCEPTED]
    assert len(accepted) == len(set(accepted))


def check_names(events):
    """Check that names are numbered in log order."""
    numbers: dict[str, int] = {}
    for event in events:
        assert event.name_number == numbers.setdefault(event.name, len(numbers) + 1)
    assert len(numbers) == APPENDERS + 1


def test_the_same_key_is_stored_once_however_concurrently_it_is_sent(
    database, environment, app, tmp_path
):
    """Invariants 2, 3 and, as far as names are numbered, 8, on both databases."""
    processes = appenders(environment, tmp_path, app, requests=REQUESTS)
    codes = [process.wait(120) for process in processes]
    results = [answers(process) for process in processes]

    assert codes == [0] * APPENDERS, processes[0].log[-2000:]
    events = stored(database)
    # Two keys of each appender's own, and two that all of them use.
    assert len(events) == REQUESTS * (2 * APPENDERS + 2)
    everything = [result for of_one in results for result in of_one]
    assert len(everything) == APPENDERS * REQUESTS * EVENTS_PER_REQUEST
    check_answers(everything, events)
    assert Counter(result.status for result in everything) == {
        Status.ACCEPTED: len(events),
        Status.DUPLICATE: (APPENDERS - 1) * REQUESTS,
        Status.CONFLICT: (APPENDERS - 1) * REQUESTS,
    }
    for result in everything:
        kind = result.id.partition("-")[0]
        if result.status is not Status.ACCEPTED:
            assert (kind, result.status) in {
                ("same", Status.DUPLICATE),
                ("contested", Status.CONFLICT),
            }
    check_names(events)


def test_what_was_answered_survives_kill_9(database, environment, app, tmp_path):
    """Invariant 1: answered is stored, and a request is stored whole or not at all."""
    processes = appenders(environment, tmp_path, app, requests=0)
    deadline = time.monotonic() + 60
    while any(len(answers(process)) < 20 for process in processes):
        assert time.monotonic() < deadline, processes[0].log[-2000:]
        time.sleep(0.05)
    for process in processes:
        process.kill()

    results = [answers(process) for process in processes]
    events = stored(database)
    check_answers([result for of_one in results for result in of_one], events)
    keys = {event.id for event in events}
    for number in range(len(keys)):
        for n in range(APPENDERS):
            own = {f"appender{n}-{number}", f"appender{n}-{number}-more"}
            assert own <= keys or not own & keys
