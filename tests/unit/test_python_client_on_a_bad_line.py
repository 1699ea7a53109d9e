"""The Python client and what stands in the server's place, or between the two."""

import json
import logging
import threading
from datetime import datetime, timedelta, timezone

import pytest

from referral_events import (
    Client,
    Event,
    EventsRefusedError,
    InvalidEventError,
    Person,
    RequestRefusedError,
    UnavailableError,
)
from referral_events.responses import read_retry_after
from tests.certificates import Authority
from tests.harness.raw_server import RawServer, answer

ENOUGH = 30


@pytest.fixture
def _short_pauses(monkeypatch):
    """Let the client try again soon: how long it pauses is not what the test is about."""
    monkeypatch.setattr("referral_events.transport._FIRST_WAIT", 0.01)


def an_open(**changes):
    return Event(**{"type": "app_open", "user": Person({"custom_id": "42"}), **changes})


def accept(body, **more):
    """Return the answer of the API to a request that stores all that it has."""
    events = json.loads(body)["events"]
    results = [
        {"index": n, "id": each["id"], "status": "accepted", **more}
        for n, each in enumerate(events)
    ]
    return answer(json.dumps({"results": results}).encode())


def always(response):
    return RawServer(lambda connection, _: connection.sendall(response))


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer(b"<html>Welcome</html>"), "200: what answers is not the API"),
        (answer(b'{"status": "ok"}'), "200: what answers is not the API"),
        (answer(b'{"results": []}'), "does not say of each event"),
        (answer(b'{"results": [1]}'), "does not say of each event"),
        (answer(b'{"results": null}'), "does not say of each event"),
        (answer(b"[" * 100_000), "200: what answers is not the API"),
        (answer(b"\xff\xfe"), "200: what answers is not the API"),
        (answer(b"<html>", status="404 Not Found"), "404: what answers is not the API"),
        (
            answer(
                b"",
                status="301 Moved",
                headers=("Location: https://u:p@b.example.com/v1?token=s3cr3t",),
            ),
            r"301: .* https://b\.example\.com/v1\. Give the client that one",
        ),
    ],
)
def test_what_is_no_answer_of_the_api_settles_nothing(response, error):
    with (
        always(response) as server,
        Client(server.url, "rk_x") as client,
        pytest.raises(RequestRefusedError, match=error),
    ):
        client.send(an_open())


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
    ],
)
def test_an_answer_that_never_ends_is_given_up_in_time(head):
    is_over = threading.Event()

    def drip(connection, _):
        connection.sendall(head)
        while not is_over.wait(0.02):
            connection.sendall(b"x")

    with RawServer(drip) as server:
        client = Client(server.url, "rk_x", timeout=0.1, patience=0.1)
        with pytest.raises(UnavailableError, match=r"within 0\.1 s: no "):
            client.send(an_open())
        is_over.set()


@pytest.mark.parametrize("way", ["tls", "proxy", "tls through a proxy"])
def test_it_is_given_up_in_time_by_every_way_to_the_server(way, tmp_path, monkeypatch):
    authority = Authority(tmp_path)
    context = authority.server()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
    is_over = threading.Event()

    def drip(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not is_over.wait(0.02):
            connection.sendall(b"x")

    def drip_as_asked(connection, body):
        if way == "tls through a proxy":
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        if way == "proxy":
            return drip(connection, body)
        with context.wrap_socket(connection, server_side=True) as secured:
            return drip(secured, body)

    with RawServer(drip_as_asked, reads_first=way != "tls") as server:
        url = server.url.replace("http", "https") if "tls" in way else server.url
        if "proxy" in way:
            monkeypatch.setenv(f"{url.partition(':')[0]}_proxy", server.url)
            monkeypatch.setenv("no_proxy", "")
        with pytest.raises(UnavailableError, match=r"within 0\.1 s"):
            Client(url, "rk_x", timeout=0.1, patience=0.1).send(an_open())
        is_over.set()


@pytest.mark.usefixtures("_short_pauses")
@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nConte"])
def test_an_answer_that_is_cut_off_is_none(part):
    def cut_the_first(connection, body):
        connection.sendall(accept(body) if len(server.bodies) > 1 else part)

    with RawServer(cut_the_first) as server, Client(server.url, "rk_x") as client:
        (result,) = client.send(an_open(id="e-1"))

    assert (result.id, len(server.bodies)) == ("e-1", 2)


def test_an_answer_without_a_length_that_has_no_end_takes_no_more_memory(monkeypatch):
    monkeypatch.setattr("referral_events.responses.MOST_ANSWER_BYTES", 100_000)

    def flood(connection, _):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65_536)

    with (
        RawServer(flood) as server,
        Client(server.url, "rk_x", patience=0) as client,
        pytest.raises(UnavailableError, match=r"no answer \(ValueError\)"),
    ):
        client.send(an_open())


def test_why_nobody_answers_is_named_without_what_was_sent():
    with (
        Client("http://127.0.0.1:1", "rk_x", patience=0) as client,
        pytest.raises(UnavailableError, match=r"no answer \(ConnectionRefusedError\)"),
    ):
        client.send(an_open())


def test_a_server_that_asks_for_rest_is_left_alone_by_those_who_wait_and_by_the_thread(
    caplog,
):
    busy = answer(b"", status="503 Busy", headers=("Retry-After: 3600",))
    with always(busy) as server:
        client = Client(server.url, "rk_x")
        with pytest.raises(UnavailableError, match="left alone for 3600 s") as error:
            client.send(an_open())
        client.enqueue(an_open())
        assert server.wait_for(2, ENOUGH)
        assert not server.wait_for(3, 0.7), "it is not asked again and again"
        assert client.close(timeout=0) == 1

    assert error.value.retry_after == 3600


def test_a_rest_of_no_time_does_not_make_it_ask_without_a_pause():
    busy = answer(b"", status="503 Busy", headers=("Retry-After: 0",))
    with always(busy) as server, Client(server.url, "rk_x", patience=1) as client:
        with pytest.raises(UnavailableError):
            client.send(an_open())
        assert 1 < len(server.bodies) < 6


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("-7", 0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30),
        ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
    ],
)
def test_a_rest_is_a_number_or_a_date_by_the_servers_clock(value, seconds):
    headers = {"Retry-After": value, "Date": "Sun, 06 Nov 1994 08:49:07 GMT"}

    assert read_retry_after(headers) == seconds


def test_a_proxys_413_halves_a_batch_and_names_the_event_that_is_too_large():
    def limit(connection, body):
        is_small = len(body) < 400
        connection.sendall(
            accept(body) if is_small else answer(b"<html>", status="413 Too Large")
        )

    events = [an_open(id=f"e-{n}") for n in range(9)]
    events[4] = an_open(id="e-4", content="x" * 500)
    with (
        RawServer(limit) as server,
        Client(server.url, "rk_x") as client,
        pytest.raises(EventsRefusedError) as refused,
    ):
        client.send(events)

    (refusal,) = refused.value.refusals
    assert (refusal.index, refusal.id, refusal.code) == (4, "e-4", "too_large")
    assert [each.id for each in refused.value.results] == [
        f"e-{n}" for n in range(9) if n != 4
    ]


def test_what_does_not_come_through_goes_in_smaller_parts(monkeypatch):
    monkeypatch.setattr("referral_events.background._PATIENCE", 0)
    monkeypatch.setattr("referral_events.background._IDLE_SECONDS", 0.01)

    def break_what_is_long(connection, body):
        if len(body) < 400:
            connection.sendall(accept(body))

    with RawServer(break_what_is_long) as server:
        client = Client(server.url, "rk_x")
        for number in range(40):
            client._outbox._waiting.add(b'{"id": "e-%d"}' % number, 0)
        client.enqueue(an_open(id="last"))
        assert client.close(ENOUGH) == 0

    assert max(map(len, server.bodies)) > 400, "all of them were tried at once"


def test_a_preview_of_more_than_a_request_takes_counts_on(monkeypatch):
    def refuse_the_last(connection, body):
        events = json.loads(body)["events"]
        rows = [{"index": n, "status": "accepted"} for n in range(len(events))]
        if len(events) == 1:
            rows[0] |= {"status": "rejected", "code": "no_user", "detail": "Say who."}
        connection.sendall(answer(json.dumps({"results": rows}).encode()))

    events = [an_open(id=f"e-{n}") for n in range(1_001)]
    with RawServer(refuse_the_last) as server, Client(server.url, "rk_x") as client:
        with pytest.raises(EventsRefusedError, match=r"event 1000 \(e-1000\)"):
            client.preview(events)
        assert [row["index"] for row in client.preview(events[:1_000])] == list(
            range(1_000)
        )


def test_only_the_api_can_say_that_there_is_no_such_event():
    not_found = b'{"type": "/docs#problem-not-found", "title": "t", "detail": "d"}'
    with always(answer(not_found, status="404 Not Found")) as server:
        assert Client(server.url, "rk_x").find_event("e-1") is None
    with always(answer(b"<html>", status="404 Not Found")) as server:
        client = Client(server.url, "rk_x")
        with pytest.raises(RequestRefusedError, match="not the API"):
            client.find_event("e-1")
    with always(answer(b'{"hello": 1}')) as server:
        client = Client(server.url, "rk_x")
        with pytest.raises(RequestRefusedError, match="not the API"):
            client.find_event("e-1")


@pytest.mark.parametrize(
    "key", ["rk_secret\n", "rk_secret\r\nX: y", " rk_secret", "rk_s€cret", "rk s"]
)
def test_a_key_that_no_header_can_have_is_refused_and_not_shown(key):
    with pytest.raises(ValueError, match="blank, a line's end") as error:
        Client("https://referrals.example.com", key)

    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        "rk_secret",
        "https://",
        "https:///secret",
        "https://a secret",
        "https://a:99999/secret",
        "https://[secret",
        "https://user:secret@a.example.com",
        "https://a.example.com/?secret=1",
        "https://secrét.example.com",
        "ftp://secret.example.com",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_shown(url):
    with pytest.raises(ValueError, match="server's address") as error:
        Client(url, "rk_x")

    assert "secr" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"metadata": {"when": datetime(2026, 1, 1)}}, "datetime is not JSON"),  # noqa: DTZ001
        ({"metadata": {"x": float("inf")}}, "not JSON compliant"),
        ({"metadata": {("a",): 1}}, "keys must be str"),
        ({"content": "x" * 1_000_001}, "bytes long, and the server takes 32 KB"),
        ({"metadata": {"x": 10**5_000}}, "digits"),
        (
            {"occurred_at": datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9)))},
            "out of range",
        ),
    ],
)
def test_what_cannot_be_sent_is_named_before_anything_is(changes, error):
    client = Client("http://127.0.0.1:1", "rk_x")

    with pytest.raises(InvalidEventError, match=f"^Event 'e-1' .*{error}"):
        client.send(an_open(), an_open(id="e-1", **changes))
    with pytest.raises(InvalidEventError, match=r"^Event 'e-1' "):
        client.enqueue(an_open(id="e-1", **changes))
    assert client.close() == 0


@pytest.mark.parametrize("given", [{"type": "app_open"}, "app_open", b"", 5])
def test_something_else_than_an_event_is_refused_by_its_type(given):
    client = Client("http://127.0.0.1:1", "rk_x")

    with pytest.raises(InvalidEventError, match=f"no {type(given).__name__}"):
        client.enqueue(given)


def test_what_nests_without_end_is_no_event():
    endless = {}
    endless["again"] = endless
    deep = {}
    for _ in range(100_000):
        deep = {"a": deep}

    for metadata in (endless, deep):
        with pytest.raises(InvalidEventError, match=r"^Event 'e-1' cannot be sent"):
            Client("http://127.0.0.1:1", "rk_x").send(
                an_open(id="e-1", metadata=metadata)
            )


def test_a_time_with_seconds_in_its_offset_is_sent_in_utc():
    zone = timezone(timedelta(seconds=3_208))
    sent = []

    def keep(connection, body):
        sent.append(json.loads(body)["events"][0]["occurred_at"])
        connection.sendall(accept(body))

    with RawServer(keep) as server, Client(server.url, "rk_x") as client:
        client.send(an_open(occurred_at=datetime(2026, 1, 1, tzinfo=zone)))

    assert sent == ["2025-12-31T23:06:32+00:00"]


def test_no_log_line_has_the_key_or_an_identity(caplog):
    caplog.set_level(logging.DEBUG)
    secret = "s3cr3t"
    refusal = b'{"title": "No", "detail": "why", "type": "/docs#problem-unauthorized"}'
    with always(answer(refusal, status="401 No")) as server:
        client = Client(server.url, f"rk_{secret}")
        client.enqueue(an_open(user=Person({"email": f"{secret}@example.com"})))
        assert server.wait_for(1, ENOUGH)
        client.close(timeout=0.2)

    assert "401 No: why" in caplog.text
    assert secret not in caplog.text
