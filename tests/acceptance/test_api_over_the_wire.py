"""What only a real server and a real socket show: lengths that lie, chunks, 50 MB."""

import http.client
import json
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlencode, urlsplit

import pytest

from referrals.sources.presets import load_preset
from referrals.sources.samples import sign_sample
from tests.builders import a_sent_event
from tests.harness.memory import peak_of_family
from tests.harness.process import PATIENCE_SECONDS, wait_until
from tests.harness.stack import Stack
from tests.platforms import SECRET

#: They share the web process.
pytestmark = pytest.mark.xdist_group("wire")

MEGABYTE = 1024 * 1024
PIECE = b" " * 65_536
SOURCES = f"""
from referrals.models import App, Source
from referrals.secret import Secret
from referrals.source_setup import create_source
for platform in ("adjust", "growsurf"):
    source = Source(app=App.objects.get(slug="shop"), platform=platform)
    create_source("nobody", source, Secret({SECRET!r}))
    print(f"/v1/hooks/{{source.public_id}}")
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """One web process for all of these tests, without a worker and without a broker."""
    folder = tmp_path_factory.mktemp("wire")
    with Stack("sqlite", folder, broker=False, warm=True) as stack:
        stack.provision()
        stack.web(WEB_CONCURRENCY="1")
        yield stack


@pytest.fixture(scope="module")
def hooks(stack):
    """Return the addresses of a source of each way in which platforms call."""
    printed = stack.manage("shell", "-v0", "-c", SOURCES)
    return dict(zip(("adjust", "growsurf"), printed.split(), strict=True))


@pytest.fixture
def connect(stack):
    """Return a function that opens a connection, closed with the test."""
    opened = []

    def open_one():
        address = urlsplit(stack.web_url)
        connection = http.client.HTTPConnection(
            address.hostname, address.port, timeout=PATIENCE_SECONDS
        )
        connection.connect()
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        connection.close()


@pytest.fixture
def stored(stack):
    """Return a function that counts the events in the log that are new in this test."""
    query = "SELECT count(*) FROM referrals_referralevent"
    before = stack.database.rows(query)[0][0]
    return lambda: stack.database.rows(query)[0][0] - before


def headers(stack, **more):
    return {
        "Authorization": f"Bearer {stack.keys['shop']}",
        "Content-Type": "application/json",
        "X-Forwarded-Proto": "https",
        **more,
    }


def raw(stack, connection, body, *lines):
    """Send a request with exactly these header lines, and return the first answer."""
    named = [f"{name}: {value}" for name, value in headers(stack).items()]
    head = "\r\n".join(
        ["POST /v1/events HTTP/1.1", "Host: 127.0.0.1", *named, *lines, "", ""]
    )
    connection.sock.sendall(head.encode("latin-1") + body)
    return answer_on(connection)


def answer_on(connection):
    response = http.client.HTTPResponse(connection.sock, method="POST")
    response.begin()
    return response


def a_body(**changes):
    return json.dumps(a_sent_event(**changes)).encode()


def warm_up(connection, stack):
    """Let the server load what it loads with its first event."""
    connection.request("POST", "/v1/events", a_body(), headers(stack))
    assert connection.getresponse().status == 202


def peak_memory(stack):
    """Return the most memory that any process of the server has had, in bytes."""
    (web,) = stack.processes
    return peak_of_family(web.pid)


def test_an_event_is_answered_and_stored(stack, connect, stored):
    connection = connect()
    connection.request(
        "POST", "/v1/events", a_body(), headers(stack, **{"X-Request-Id": "r-1"})
    )
    answer = connection.getresponse()

    assert answer.status == 202
    assert answer.headers["X-Request-Id"] == "r-1"
    assert stored() == 1


def test_a_chunked_body_is_stored(stack, connect, stored):
    body = a_body()
    connection = connect()
    connection.request(
        "POST",
        "/v1/events",
        iter([body[:7], body[7:]]),
        headers(stack),
        encode_chunked=True,
    )

    assert connection.getresponse().status == 202
    assert stored() == 1


@pytest.mark.parametrize("chunked", [False, True], ids=["stated", "chunked"])
def test_50_mb_are_refused_without_being_held_in_memory(
    stack, connect, stored, chunked
):
    warm_up(connect(), stack)
    before = peak_memory(stack)
    more = {} if chunked else {"Content-Length": str(50 * MEGABYTE)}
    answers = []

    def is_answered():
        # Who does not go on sending for a second may find the connection closed.
        connection = connect()
        with suppress(ConnectionError):
            connection.request(
                "POST",
                "/v1/events",
                iter([PIECE] * (50 * MEGABYTE // len(PIECE))),
                headers(stack, **more),
                encode_chunked=chunked,
            )
            answers.append(connection.getresponse())
        return answers

    wait_until(is_answered)

    [answer] = answers
    assert answer.status == 413
    assert json.loads(answer.read())["type"] == "/docs#problem-too-large"
    assert peak_memory(stack) - before < 25 * MEGABYTE
    assert stored() == 1  # what the warm-up sent


def test_a_body_shorter_than_stated_is_refused(stack, connect, stored):
    connection = connect()
    body = a_body()
    connection.putrequest("POST", "/v1/events")
    for name, value in headers(stack).items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body) + 1))
    connection.endheaders(body)
    connection.sock.shutdown(socket.SHUT_WR)

    answer = connection.getresponse()

    assert answer.status == 400
    assert json.loads(answer.read())["type"] == "/docs#problem-incomplete-body"
    assert stored() == 0


def test_a_body_longer_than_stated_is_cut_and_refused(stack, connect, stored):
    body = a_body()
    answer = raw(stack, connect(), body, f"Content-Length: {len(body) - 1}")

    assert answer.status == 400
    assert stored() == 0


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 5", "Content-Length: 6"],
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Content-Length: -1"],
        ["Content-Length: 1e3"],
        ["Content-Length: " + "9" * 40],
        ["Transfer-Encoding: gzip"],
        ["Transfer-Encoding: chunked, chunked"],
        ["Content-Length: 5", "X-Nul: a\0b"],
        ["Content-Length: 5", "X Y: z"],
        ["Content-Length: 5", "X-Long: " + "x" * 20_000],
        ["Content-Length: 5", *[f"X-{n}: y" for n in range(200)]],
    ],
    ids=(
        "two lengths",
        "length and chunked",
        "negative",
        "no integer",
        "beyond 64 bits",
        "transfer gzip",
        "chunked twice",
        "NUL",
        "blank in a name",
        "long line",
        "many lines",
    ),
)
def test_a_head_that_makes_no_sense_is_refused(stack, connect, stored, lines):
    answer = raw(stack, connect(), a_body(), *lines)

    assert 400 <= answer.status < 500 or answer.status == 501
    assert stored() == 0


@pytest.mark.parametrize(
    "chunks",
    [
        b"xyz\r\n",
        b"-5\r\nhello\r\n",
        b"5\r\nhelloworld\r\n0\r\n\r\n",
        b"ffffffffffffff",
    ],
)
def test_malformed_chunks_are_refused(stack, connect, stored, chunks):
    connection = connect()
    head = "\r\n".join(
        [
            "POST /v1/events HTTP/1.1",
            "Host: 127.0.0.1",
            *(f"{name}: {value}" for name, value in headers(stack).items()),
            "Transfer-Encoding: chunked",
        ]
    )
    connection.sock.sendall(head.encode() + b"\r\n\r\n" + chunks)
    connection.sock.shutdown(socket.SHUT_WR)

    assert answer_on(connection).status == 400
    assert stored() == 0


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset*=bogus''x",
        "application/json; x*0*; x*\t",
        "application/json; charset=hex",
        "application/json; charset=\xff",
    ],
)
def test_a_content_type_that_django_cannot_read_is_a_415(
    stack, connect, stored, content_type
):
    connection = connect()
    connection.request(
        "POST",
        "/v1/events?strict=1",
        a_body(),
        headers(stack, **{"Content-Type": content_type}),
    )

    answer = connection.getresponse()

    assert answer.status == 415
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert stored() == 0


def test_a_refused_body_is_not_read_as_the_next_request(stack, connect, stored):
    smuggled = a_body()
    inner = (
        b"POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-Proto: https\r\n"
        + f"Authorization: Bearer {stack.keys['shop']}\r\n".encode()
        + b"Content-Type: application/json\r\n"
        + f"Content-Length: {len(smuggled)}\r\n\r\n".encode()
        + smuggled
    )
    connection = connect()
    for content_type, body, status in [
        ("text/plain", inner, 415),
        ("application/json", inner, 400),
        ("application/json", a_body(), 202),
    ]:
        connection.request(
            "POST", "/v1/events", body, headers(stack, **{"Content-Type": content_type})
        )
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status

    assert stored() == 1


def test_a_caller_who_waits_for_permission_gets_it(stack, connect, stored):
    body = a_body()
    connection = connect()
    connection.putrequest("POST", "/v1/events")
    for name, value in headers(stack, Expect="100-continue").items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    assert connection.sock.recv(1024).startswith(b"HTTP/1.1 100 ")

    connection.send(body)

    assert answer_on(connection).status == 202
    assert stored() == 1


def test_a_caller_who_falls_silent_gives_the_thread_back(stack, connect, stored):
    began = time.monotonic()

    answer = raw(stack, connect(), b'{"id":', "Content-Length: 100")

    assert answer.status == 400
    assert time.monotonic() - began > 9
    assert stored() == 0


def test_a_hook_is_called_by_a_line_of_8_kb(hooks, connect, stored):
    call = sign_sample(load_preset("adjust"), SECRET, now=datetime.now(UTC))
    start = f"{hooks['adjust']}/{SECRET}?{urlencode(call.query)}"
    names = [f"&p{n}=" for n in range(300 - len(call.query))]
    room = 8_192 - len(start) + len("?") - len("".join(names))
    fill = "x" * (room // len(names))
    connection = connect()
    connection.request("GET", start + "".join(f"{name}{fill}" for name in names))
    answer = connection.getresponse()

    assert (answer.status, answer.read(), stored()) == (200, b"", 1)


def test_a_signature_that_came_twice_is_none(hooks, connect, stored):
    call = sign_sample(load_preset("growsurf"), SECRET, now=datetime.now(UTC))
    ((name, value),) = [each for each in call.headers if "signature" in each[0]]
    answers = []
    for times in (2, 1):
        connection = connect()
        lines = [f"{name}: {value}"] * times
        about = ["Host: 127.0.0.1", f"Content-Length: {len(call.body)}", *lines, "", ""]
        head = "\r\n".join([f"POST {hooks['growsurf']} HTTP/1.1", *about])
        connection.sock.sendall(head.encode() + call.body)
        answer = answer_on(connection)
        answers.append((answer.status, answer.read(), stored()))

    assert answers == [(401, b"", 0), (200, b"", 1)]


def test_a_call_that_was_cut_off_is_asked_for_again(hooks, connect, stored):
    connection = connect()
    lines = [f"POST {hooks['growsurf']} HTTP/1.1", "Host: 127.0.0.1"]
    head = "\r\n".join([*lines, "Content-Length: 99", "X-Request-Id: r-1", "", ""])
    connection.sock.sendall(head.encode() + b"half")
    connection.sock.shutdown(socket.SHUT_WR)
    answer = answer_on(connection)

    assert (answer.status, answer.read(), stored()) == (503, b"", 0)
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["X-Request-Id"] != "r-1"


def test_nothing_of_this_was_an_error_of_the_server(stack):
    (web,) = stack.processes

    assert "Traceback" not in web.log
    assert "Internal Server Error" not in web.log
    assert stack.keys["shop"] not in web.log
    assert SECRET not in web.log


@pytest.mark.parametrize(
    ("status", "path", "lines"),
    [
        (414, f"/v1/{'x' * 8_192}", []),
        (431, "/v1/events", [f"X-{n}: 1" for n in range(65)]),
        (431, "/v1/events", ["X-Long: " + "x" * 8_191]),
        (400, "/v1/events", ["Transfer-Encoding: br"]),
        (400, "/v1/events", ["No colon"]),
        (400, "/v1/events", ["Content-Length: 1", "Transfer-Encoding: chunked"]),
    ],
    ids=["long", "many", "wide", "coded", "no-header", "two-lengths"],
)
def test_what_the_server_refuses_itself_is_as_the_reference_says(
    connect, stored, status, path, lines
):
    connection = connect()
    head = "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""])
    connection.sock.sendall(head.encode())
    answer = answer_on(connection)

    assert answer.status == status
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert stored() == 0
