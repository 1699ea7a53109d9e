"""Many processes append to one log: positions, keys and answers stay true."""

import os
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from referrals.log import Result, Status
from referrals.schema import Event
from tests.harness.commands import ROOT, production
from tests.harness.databases import fresh
from tests.harness.process import Process

APPENDERS = 4
NAMES = [f"appender{n}" for n in range(APPENDERS)]
REQUESTS = 40
EVENTS_PER_REQUEST = 4

decode_results = msgspec.json.Decoder(list[Result]).decode
decode_event = msgspec.json.Decoder(Event).decode


@pytest.fixture
def database(kind, tmp_path):
    database = fresh(kind, tmp_path)
    yield database
    database.drop()


@pytest.fixture
def start(database, tmp_path):
    """Return what starts the appenders, each with so many requests; 0: without an end."""
    environment = production(
        DATABASE_URL=database.url,
        DJANGO_SETTINGS_MODULE="integration_project.settings",
        PYTHONPATH=str(ROOT),
    )
    program = Path(__file__).with_name("appender.py")

    def start(requests):
        command = [sys.executable, str(program), "shop", str(requests), *NAMES]
        log = tmp_path / "program.log"
        return Process(command, log=log, env=environment, cwd=tmp_path)

    return start


@pytest.fixture
def answers(tmp_path):
    """Return what reads the answers that an appender has noted whole."""

    def answers(name):
        log = tmp_path / f"{name}.log"
        found = []
        for line in log.read_bytes().splitlines() if log.exists() else []:
            with suppress(msgspec.DecodeError):
                found.extend(decode_results(line))
        return found

    return answers


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
    database, start, answers
):
    """Invariants 2, 3 and, as far as names are numbered, 8, on both databases."""
    process = start(REQUESTS)
    code = process.wait()
    results = [answers(name) for name in NAMES]

    assert code == 0, process.log[-2000:]
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


def test_what_was_answered_survives_kill_9(database, start, answers):
    """Invariant 1: answered is stored, and a request is stored whole or not at all."""
    process = start(0)
    process.wait_until_ready(lambda: all(len(answers(name)) >= 20 for name in NAMES))
    killed = process.children()
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    process.wait()

    assert len(killed) == APPENDERS
    results = [answers(name) for name in NAMES]
    events = stored(database)
    check_answers([result for of_one in results for result in of_one], events)
    keys = {event.id for event in events}
    for number in range(len(keys)):
        for name in NAMES:
            own = {f"{name}-{number}", f"{name}-{number}-more"}
            assert own <= keys or not own & keys
