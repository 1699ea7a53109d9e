"""What of the Python client needs no server."""

import json
import threading
import tomllib
from contextlib import closing
from datetime import UTC, datetime

import pytest

from referral_events import (
    LAST,
    Client,
    Event,
    EventsRefusedError,
    Person,
    QueueFullError,
    SpoolError,
)
from referral_events.answers import Refusal, Result
from referral_events.batches import (
    MOST_BYTES,
    MOST_EVENTS,
    count_that_fit,
    cut_into_batches,
    encode_event,
)
from referral_events.spool import DiskSpool
from referral_events.transport import USER_AGENT
from referral_events.waiting import MemoryQueue
from referrals.schema import IncomingEvent, decode_event
from referrals.vocabulary import EventType
from tests.harness.commands import ROOT
from tests.harness.receivers import WebhookReceiver, running

NOBODY = "http://127.0.0.1:1"


def an_open(**changes):
    people = {"user": Person({"email": "ann@example.com"}), "referrer": LAST}
    return Event(**{"type": "app_open", **people, **changes})


def test_an_event_is_sent_with_the_fields_that_it_has():
    event = an_open(
        id="e-1",
        occurred_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
        metadata={"page": {"n": 1}},
    )

    assert json.loads(encode_event(event)) == {
        "id": "e-1",
        "type": "app_open",
        "occurred_at": "2026-11-23T12:00:00+00:00",
        "user": {"identities": {"email": "ann@example.com"}},
        "referrer": "last",
        "metadata": {"page": {"n": 1}},
    }
    assert isinstance(decode_event(encode_event(event)), IncomingEvent)


def test_its_fields_and_types_are_those_of_the_server():
    names = set(Event.__dataclass_fields__)

    assert names == set(IncomingEvent.__struct_fields__)
    assert set(Event.__annotations__["type"].__args__) == {
        each.value for each in EventType
    }


def test_the_version_that_it_names_to_the_server_is_the_one_of_the_package():
    project = tomllib.loads((ROOT / "clients/python/pyproject.toml").read_text())

    assert f"referral-events-python/{project['project']['version']}" == USER_AGENT


def test_each_event_has_an_id_of_its_own_and_its_time_where_it_is_left_to_wait():
    one, other = an_open(), an_open()

    assert one.id != other.id
    assert "occurred_at" not in json.loads(encode_event(one))
    assert "occurred_at" in json.loads(encode_event(one, with_time=True))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"occurred_at": datetime(2026, 11, 23)}, "no offset"),  # noqa: DTZ001 - as given
        ({"metadata": {"x": float("nan")}}, "not JSON compliant"),
    ],
)
def test_what_cannot_be_an_event_is_refused_before_it_is_sent(changes, error):
    with pytest.raises(ValueError, match=error):
        encode_event(an_open(**changes))


def test_nothing_that_is_printed_shows_an_identity():
    refused = EventsRefusedError(
        [Refusal(3, "e-1", "no_user", "/user", "Say who.")], []
    )

    assert "ann@" not in repr(an_open()) + repr(an_open().user) + str(refused)


def test_an_error_names_the_first_three_refusals_and_counts_the_rest():
    refusals = [Refusal(n, f"e-{n}", "no_user", "/user", "Say who.") for n in range(5)]

    error = EventsRefusedError(refusals, [Result("e-9", "accepted", 1)])

    assert str(error) == (
        "5 of 6 refused: event 0 (e-0) at /user: Say who. [no_user]; event 1 (e-1) at /user: "
        "Say who. [no_user]; event 2 (e-2) at /user: Say who. [no_user]; and 2 more"
    )


def test_a_batch_has_at_most_a_thousand_events_and_a_megabyte():
    assert count_that_fit([b"x"] * 2_000) == MOST_EVENTS
    assert count_that_fit([b"x" * (MOST_BYTES // 2 - 1)] * 3) == 2
    assert count_that_fit([b"x" * 2 * MOST_BYTES]) == 1, "the server says why not"
    bodies = [b"%d" % n for n in range(2_500)]
    assert [len(each) for each in cut_into_batches(bodies)] == [1_000, 1_000, 500]
    assert [one for batch in cut_into_batches(bodies) for one in batch] == bodies


@pytest.fixture(params=["memory", "disk"])
def waiting(request, tmp_path):
    if request.param == "memory":
        yield MemoryQueue(2)
        return
    with closing(DiskSpool(tmp_path / "spool", 2)) as spool:
        yield spool


def test_what_waits_is_full_until_it_is_settled(waiting):
    assert waiting.add(b"1", 0)
    assert waiting.add(b"2", 0)
    assert not waiting.add(b"3", 0)

    batch = waiting.take(0)
    assert batch.bodies == [b"1", b"2"]
    assert not waiting.add(b"3", 0), "it may come back"
    waiting.give_back(batch)
    batch = waiting.take(0)
    assert batch.bodies == [b"1", b"2"]
    waiting.settle(batch)

    assert waiting.add(b"3", 0)
    assert waiting.count() == 1
    assert not waiting.wait_until_empty(0)
    waiting.settle(waiting.take(0))
    assert waiting.wait_until_empty(0)
    assert waiting.take(0) is None


def test_a_spool_has_one_sender_until_that_one_ends(tmp_path):
    one, other = (DiskSpool(tmp_path / "spool", 10) for _ in range(2))
    one.add(b"1", 0)
    other.add(b"2", 0)

    assert one.take(0).bodies == [b"1", b"2"]
    assert other.take(0) is None
    one.close()
    assert other.take(0).bodies == [b"1", b"2"]
    other.close()


def test_a_spool_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "spool").write_bytes(b"this is no database at all, but text" * 40)

    with pytest.raises(
        SpoolError, match=r"spool cannot be used: file is not a database"
    ):
        DiskSpool(tmp_path / "spool", 10)


def test_where_no_room_comes_the_caller_is_told(tmp_path):
    client = Client(NOBODY, "rk_x", most_waiting=1)
    client.enqueue(an_open())

    with pytest.raises(QueueFullError, match="1 events wait already"):
        client.enqueue(an_open(), wait=0)
    assert client.close(timeout=0) == 1
    with pytest.raises(ValueError, match="closed"):
        client.enqueue(an_open())


def test_it_waits_as_long_as_the_server_asks_and_sends_the_same_again(monkeypatch):
    monkeypatch.setattr("referral_events.transport._FIRST_WAIT", 0.01)
    with running(WebhookReceiver()) as server:
        server.answers = [503, 500]
        server.text = b'{"results": [{"index": 0, "id": "e", "status": "accepted"}]}'
        client = Client(server.url.partition("/in/")[0], "rk_x")
        assert [each.id for each in client.send(an_open(id="e"))] == ["e"]
        client.close()

    first, *others = [each.body for each in server.received]
    assert others == [first, first]


def test_refusals_of_what_was_left_to_it_are_told(tmp_path):
    told, is_told = [], threading.Event()

    def tell(refusal):
        told.append(refusal)
        is_told.set()

    with running(WebhookReceiver()) as server:
        server.text = (
            b'{"results": [{"index": 0, "id": "e", "status": "rejected",'
            b' "code": "no_user", "pointer": "/user", "detail": "Say who."}]}'
        )
        with Client(server.url.partition("/in/")[0], "rk_x", on_refused=tell) as client:
            client.enqueue(an_open(id="e"))
            assert is_told.wait(60)

    assert told == [Refusal(0, "e", "no_user", "/user", "Say who.")]


@pytest.mark.parametrize(
    ("url", "key", "error"),
    [
        ("referrals.example.com", "rk_x", "https://"),
        ("https://a", "", "API key is empty"),
    ],
)
def test_what_cannot_work_is_refused_when_the_client_is_made(url, key, error):
    with pytest.raises(ValueError, match=error):
        Client(url, key)
