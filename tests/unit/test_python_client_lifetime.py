"""The Python client's beginning and end: threads, forks, full disks, and its process's exit."""

import json
import logging
import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from typing import Any

import pytest

from referral_events import Client, Event, Person, SpoolError
from referral_events.spool import DiskSpool
from tests.harness.commands import ROOT
from tests.harness.process import wait_until
from tests.harness.raw_server import RawServer, answer
from tests.unit.test_python_client_on_a_bad_line import accept

ENOUGH = 30
NOBODY = "http://127.0.0.1:1"


def an_open(**changes):
    return Event(**{"type": "app_open", "user": Person({"custom_id": "42"}), **changes})


def keep(connection, body):
    connection.sendall(accept(body))


def sent(server):
    """Return the ids of all events that came, in order."""
    return [each["id"] for body in server.bodies for each in json.loads(body)["events"]]


def in_child(work):
    """Fork; return the child's exit status: 0 where `work` returned something true."""
    pid = os.fork()
    if not pid:
        try:
            signal.alarm(ENOUGH)  # a deadlock is no wait without end
            os._exit(0 if work() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("spool", [None, "spool"])
def test_what_is_added_while_it_closes_is_sent_counted_or_refused(
    spool, tmp_path, caplog
):
    caplog.set_level(logging.CRITICAL)
    added = []
    with RawServer(keep) as server:
        client = Client(server.url, "rk_x", spool=spool and tmp_path / spool)

        def add(name):
            for number in range(100_000):
                try:
                    client.enqueue(an_open(id=f"{name}-{number}"))
                except ValueError:
                    return
                added.append(f"{name}-{number}")

        threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        assert server.wait_for(3, ENOUGH)
        left = client.close(timeout=0.05)
        for thread in threads:
            thread.join(ENOUGH)
        arrived = set(sent(server))

    if spool:
        with closing(DiskSpool(tmp_path / spool, 10)) as found:
            while batch := found.take(0):
                arrived |= {json.loads(body)["id"] for body in batch.bodies}
                found.settle(batch)
        assert set(added) <= arrived
    else:
        assert len(set(added) - arrived) <= left


def test_who_waits_for_room_is_told_when_it_is_closed():
    client = Client(NOBODY, "rk_x", most_waiting=1)
    client.enqueue(an_open())
    told = []

    def add():
        try:
            client.enqueue(an_open(), wait=ENOUGH * 2)
        except ValueError as error:
            told.append(str(error))

    thread = threading.Thread(target=add)
    thread.start()
    queue: Any = client._outbox._waiting
    wait_until(lambda: queue._changed._waiters)
    client.close(timeout=0)
    thread.join(ENOUGH)

    assert told == ["The client is closed: nothing more is sent."]


def test_closing_ends_a_request_that_nobody_answers():
    is_over = threading.Event()
    with RawServer(lambda *_: is_over.wait(ENOUGH * 2)) as server:
        client = Client(server.url, "rk_x")
        client.enqueue(an_open())
        assert server.wait_for(1, ENOUGH)
        thread = client._outbox._sender._thread

        assert client.close(timeout=0) == 1
        assert not thread.is_alive()
        is_over.set()


def test_on_refused_may_use_the_client_and_close_it():
    row = {"index": 0, "id": "bad", "status": "rejected", "code": "no_user"}
    refusal = json.dumps({"results": [row]}).encode()
    told, is_told = [], threading.Event()

    def close(found):
        told.append(client.close())
        is_told.set()

    with RawServer(lambda c, _: c.sendall(answer(refusal))) as server:
        client = Client(server.url, "rk_x", on_refused=close)
        client.enqueue(an_open(id="bad"))
        assert is_told.wait(ENOUGH)

    assert told == [0]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_ended_is_started_again():
    row = {"index": 0, "id": "bad", "status": "rejected"}
    refusal = json.dumps({"results": [row]}).encode()
    with RawServer(lambda c, _: c.sendall(answer(refusal))) as server:
        client = Client(server.url, "rk_x", on_refused=lambda _: sys.exit(1))
        client.enqueue(an_open(id="bad"))
        client._outbox._sender._thread.join(ENOUGH)
        client.enqueue(an_open(id="bad"))

        assert server.wait_for(2, ENOUGH)
        client.close(ENOUGH)


def test_where_no_thread_can_be_started_the_caller_is_told_and_the_next_time_works(
    monkeypatch,
):
    def refuse(_):
        message = "can't start new thread"
        raise RuntimeError(message)

    with RawServer(keep) as server:
        client = Client(server.url, "rk_x")
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                client.enqueue(an_open(id="e-1"))
        client.enqueue(an_open(id="e-2"))

        assert client.close(ENOUGH) == 0
        assert sent(server) == ["e-2"]


def test_a_child_sends_what_it_adds_and_not_what_its_parent_has():
    with RawServer(keep) as server:
        client = Client(server.url, "rk_x")
        client._outbox._waiting.add(b'{"id": "of-the-parent"}', 0)

        def work():
            client.enqueue(an_open(id="of-the-child"))
            return client.close(ENOUGH) == 0

        assert in_child(work) == 0
        assert sent(server) == ["of-the-child"]
        client.enqueue(an_open(id="later"))
        assert client.close(ENOUGH) == 0
        assert sorted(sent(server)) == ["later", "of-the-child", "of-the-parent"]


def threads_of(count, work):
    """Start so many threads, and return them."""
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    return threads


@pytest.mark.parametrize("spool", [None, "spool"])
def test_forks_in_the_midst_of_everything_leave_no_lock_behind(spool, tmp_path):
    is_over, statuses = threading.Event(), []
    with RawServer(keep) as server:
        client = Client(server.url, "rk_x", spool=spool and tmp_path / spool)

        def add():
            while not is_over.is_set():
                client.enqueue(an_open())

        def leave():
            client.enqueue(an_open())
            return True

        def fork():
            statuses.extend(in_child(leave) for _ in range(4))

        adding = threads_of(2, add)
        for thread in threads_of(2, fork):
            thread.join()
        is_over.set()
        for thread in adding:
            thread.join()
        assert statuses == [0] * 8
        assert client.close(ENOUGH) == 0


def test_a_child_takes_the_spool_over_when_its_parent_has_ended(tmp_path):
    """As a daemon does: it makes the client, forks, and its first process ends."""
    said, say = os.pipe()
    with RawServer(keep) as server:

        def be_a_parent():
            client = Client(server.url, "rk_x", spool=tmp_path / "spool")
            client.enqueue(an_open(id="of-the-parent"))
            client.flush(ENOUGH)
            if os.fork():
                return True
            spool: Any = client._outbox._waiting
            if spool._connection is not None:
                os._exit(os.write(say, b"inherited what SQLite must not"))
            client.enqueue(an_open(id="of-the-child"))
            os.write(say, b"sent" if client.flush(ENOUGH) else b"not sent")
            os._exit(0)

        assert in_child(be_a_parent) == 0
        assert os.read(said, 100) == b"sent"
        assert sent(server) == ["of-the-parent", "of-the-child"]
    os.close(said)
    os.close(say)


def test_two_clients_of_one_spool_send_each_event_and_share_the_work(tmp_path):
    with RawServer(keep) as server:
        one, other = (
            Client(server.url, "rk_x", spool=tmp_path / "spool") for _ in range(2)
        )
        for number in range(50):
            (one, other)[number % 2].enqueue(an_open(id=f"e-{number}"))
        assert one.close(ENOUGH) == 0
        other.enqueue(an_open(id="e-50"))
        assert other.close(ENOUGH) == 0

        assert sorted(sent(server)) == sorted(f"e-{n}" for n in range(51))


@contextmanager
def full_disk(at_bytes):
    """Let no file of this process grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (at_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_full_disk_is_said_to_who_adds_and_what_was_kept_goes_out_once_there_is_room(
    tmp_path,
):
    spool = DiskSpool(tmp_path / "spool", 10_000)
    added = []

    def add_without_end():
        for number in range(10_000):
            spool.add(b"%04d" % number + b"x" * 2_000, 0)
            added.append(number)

    with full_disk(100_000), pytest.raises(SpoolError, match="cannot be used"):
        add_without_end()
    assert spool.add(b"after", 0)

    kept = len(added)
    assert kept > 5
    bodies = spool.take(0).bodies
    spool.close()
    assert [body[:4] for body in bodies[:-1]] == [b"%04d" % n for n in range(kept)]
    assert bodies[-1] == b"after"


def test_what_cannot_be_settled_for_a_full_disk_is_not_sent_again(
    tmp_path, monkeypatch, caplog
):
    caplog.set_level(logging.CRITICAL)
    settle, failures = DiskSpool.settle, [1, 2]

    def fail_at_first(self, batch):
        if failures:
            failures.pop()
            message = "The spool cannot be used: database or disk is full."
            raise SpoolError(message)
        settle(self, batch)

    monkeypatch.setattr(DiskSpool, "settle", fail_at_first)
    monkeypatch.setattr("referral_events.background._IDLE_SECONDS", 0.05)
    with RawServer(keep) as server:
        client = Client(server.url, "rk_x", spool=tmp_path / "spool")
        client.enqueue(an_open(id="e-1"))
        assert client.close(ENOUGH) == 0

        assert (sent(server), failures) == (["e-1"], [])


def test_a_lock_that_cannot_be_made_is_no_other_sender(tmp_path):
    (tmp_path / "spool-sender").mkdir()

    with (
        closing(DiskSpool(tmp_path / "spool", 10)) as spool,
        pytest.raises(SpoolError, match="unable to open"),
    ):
        spool.take(0)


LEAVE = """
import sys
from referral_events import Client, Event, Person
from referral_events import outbox
outbox._EXIT_SECONDS = 0.2
client = Client(sys.argv[1], "rk_x")
client.enqueue(Event("app_open", Person({"custom_id": "42"}), id="left"))
"""


def leave(url):
    path = os.pathsep.join([str(ROOT / "clients/python/src"), *sys.path])
    return subprocess.run(
        [sys.executable, "-c", LEAVE, url],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=ENOUGH * 2,
    )


def test_a_process_sends_what_waits_when_it_ends():
    with RawServer(keep) as server:
        assert leave(server.url).stderr == ""
        assert sent(server) == ["left"]


def test_a_process_ends_in_time_also_where_nobody_answers():
    is_over = threading.Event()
    with RawServer(lambda *_: is_over.wait(ENOUGH * 3)) as server:
        said = leave(server.url).stderr
        is_over.set()

    assert "1 events are lost" in said
