"""Connections as callers use and misuse them: real ones, with an application behind."""

import asyncio
import logging
import re
import socket
import threading
from contextlib import asynccontextmanager
from math import inf

import pytest
import uvicorn
from uvicorn.server import ServerState

from integration_project.web import request_limits
from integration_project.web.application import Application
from integration_project.web.connections import Connection, Connections
from integration_project.web.responses import WebAnswer
from referrals.api import auth
from referrals.keys import digest_key
from referrals.models import ApiKey

HEAD = b"Host: h\r\n"
#: What is answered together, by query.
RECEIPTS = {"receipt": WebAnswer(202, [(b"content-length", b"6")], b"stored")}
DATE = b"Sun, 29 Nov 2026 00:00:00 GMT"
ALIVE = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"


def a_post(path=b"/", *lines, body=b"body"):
    stated = b"Content-Length: %d" % len(body)
    return b"\r\n".join(
        [b"POST %b HTTP/1.1" % path, b"Host: h", *lines, stated, b"", body]
    )


def a_get(path=b"/", *lines):
    return b"\r\n".join([b"GET %b HTTP/1.1" % path, b"Host: h", *lines, b"", b""])


class Django:
    """Answers what it was sent, or `size` bytes; waits where the path says so."""

    def __init__(self):
        self.may_go_on = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.served = []
        self.named = []

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        self.named.append(environ.get("HTTP_X_REQUEST_ID"))
        if path == "/wait" or environ["QUERY_STRING"] == "wait":
            self.waiting.release()
            assert self.may_go_on.wait(60)
        length = int(environ.get("CONTENT_LENGTH", "0"))
        try:
            body = b""
            while len(body) < length:
                body += environ["wsgi.input"].read(length - len(body))
            start_response("200 OK", [])
        except ConnectionResetError:
            body = b"cut off"
            start_response("400 Bad Request", [])
        self.served.append((path, body))
        if size := re.fullmatch(r"/size/(\d+)", path):
            return (b"x" * 1024 for _ in range(int(size[1]) // 1024))
        return [path.encode() + b" " + body]


class Server:
    """A web process's connections, application and threads, in this process."""

    def __init__(self, threads):
        self.django = Django()
        #: The queries of those that were appended together, each time.
        self.together = []
        self.application = Application(
            self.django,
            threads=threads,
            share=50,
            answer_together=self._answer_together,
        )
        self.watch = Connections(100, self.application.bodies.evict_oldest)
        self.config = uvicorn.Config(
            self.application,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=100,
        )
        self.state = ServerState()
        self.state.default_headers = [(b"date", DATE)]
        self.config.load()
        self.callers, self.connections = [], []

    def _answer_together(self, environs):
        queries = [environ["QUERY_STRING"] for environ in environs]
        if "fail" in queries:
            raise ValueError
        if len(queries) > 1:
            self.together.append(queries)
            if "wait" in queries:
                self.django.may_go_on.clear()
        return [
            RECEIPTS.get(query, query not in ("wait", "strict")) for query in queries
        ]

    async def connect(self):
        """Return the caller's end, and the server's."""
        loop, ends = asyncio.get_running_loop(), socket.socketpair()
        # What is sent and not read waits here, and not in the system.
        ends[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        _, connection = await loop.connect_accepted_socket(
            lambda: Connection(self.watch, self.config, self.state, {}), ends[0]
        )
        reader, writer = await asyncio.open_connection(sock=ends[1])
        self.connections.append(connection)
        self.callers.append(Caller(reader, writer))
        return self.callers[-1], connection

    async def wait_for_thread(self):
        """Return when a thread waits in Django."""
        await asyncio.to_thread(self.django.waiting.acquire)


class Caller:
    """The other end of a connection."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, data):
        self.writer.write(data)

    async def answer(self):
        """Return the status, the headers and the body of the next answer."""
        async with asyncio.timeout(60):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode().split("\r\n")[:-2]
            headers = dict(line.split(": ", 1) for line in lines[1:])
            if headers.get("transfer-encoding") != "chunked":
                length = int(headers["content-length"])
                body = await self.reader.readexactly(length)
            else:
                body = await self._chunks()
        return int(lines[0].split()[1]), headers, body

    async def _chunks(self):
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readline()
        return body

    async def rest(self):
        """Return what comes until the connection is closed."""
        async with asyncio.timeout(60):
            return await self.reader.read()


@asynccontextmanager
async def serving(threads=2):
    server = Server(threads)
    try:
        yield server
    finally:
        server.django.may_go_on.set()
        for connection in server.connections:
            connection.transport.abort()
        for caller in server.callers:
            caller.writer.transport.abort()
        # A thread that is still at an answer would find the loop closed.
        while server.application._turns._running:
            await asyncio.sleep(0.001)
        await settled()


def run(scenario, **how):
    """Run it with a server, and one connection to it."""

    async def with_server():
        async with serving(**how) as server:
            caller, connection = await server.connect()
            return await scenario(server, caller, connection)

    return asyncio.run(with_server())


async def settled():
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def wait_until(is_so):
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.001)


# Events of one moment ----------------------------------------------------------------


@pytest.fixture
def known_key(monkeypatch):
    """A header with a key that the process remembers."""
    key = ApiKey(app_id=7, digest=digest_key("rk_known"))
    monkeypatch.setitem(auth._keys, key.digest, auth._Remembered(key, inf))
    return b"Authorization: Bearer rk_known"


@pytest.mark.parametrize("name", [b"receipt", b"fail", b"strict", b""])
def test_events_that_come_alone_are_answered_in_their_thread(known_key, name):
    async def scenario(server, caller, _connection):
        caller.send(a_post(b"/v1/events?" + name, known_key, body=b"1"))
        status, _, body = await caller.answer()
        await wait_until(lambda: not server.application._turns._owners)
        return status, body, len(server.django.served)

    assert run(scenario, threads=1) == (
        (202, b"stored", 0) if name == b"receipt" else (200, b"/v1/events 1", 1)
    )


def test_who_is_answered_together_is_not_asked_of_django(known_key):
    async def scenario(server, caller, _connection):
        caller.send(a_post(b"/v1/events?wait", known_key))
        await server.wait_for_thread()
        others = [(await server.connect())[0] for _ in range(2)]
        for each, name in zip(others, (b"receipt", b"other"), strict=True):
            each.send(a_post(b"/v1/events?" + name, known_key, body=name))
            await settled()
        server.django.may_go_on.set()
        await caller.answer()
        answers = [await each.answer() for each in others]
        return [(status, body) for status, _, body in answers], server.django.served

    answers, served = run(scenario, threads=8)

    assert answers == [(202, b"stored"), (200, b"/v1/events other")]
    assert [body for _, body in served] == [b"body", b"other"]


@pytest.mark.parametrize("fails", [False, True])
def test_events_that_come_while_others_are_served_share_a_thread(known_key, fails):
    names = [b"a", b"fail" if fails else b"b", b"c"]

    async def scenario(server, caller, _connection):
        caller.send(a_post(b"/v1/events?wait", known_key))
        await server.wait_for_thread()
        others = [(await server.connect())[0] for _ in names]
        for each, name in zip(others, names, strict=True):
            each.send(a_post(b"/v1/events?" + name, known_key, body=name))
            await settled()
        server.django.may_go_on.set()
        await caller.answer()
        return [await each.answer() for each in others], server.together

    answers, together = run(scenario, threads=8)

    assert together == ([] if fails else [[name.decode() for name in names]])
    assert [(status, body) for status, _, body in answers] == [
        (200, b"/v1/events " + name) for name in names
    ]


def test_who_leaves_among_them_takes_no_other_along(known_key):
    async def scenario(server, caller, connection):
        first, _ = await server.connect()
        first.send(a_post(b"/v1/events?wait", known_key))
        await server.wait_for_thread()
        other, _ = await server.connect()
        caller.send(a_post(b"/v1/events?gone", known_key))
        other.send(a_post(b"/v1/events?there", known_key))
        await wait_until(lambda: len(server.state.tasks) == 3)
        connection.transport.abort()
        await settled()
        server.django.may_go_on.set()
        status, _, body = await other.answer()
        return status, body, server.together, len(server.django.served)

    status, body, together, served = run(scenario, threads=8)

    assert (status, body) == (200, b"/v1/events body")
    assert [sorted(each) for each in together] == [["gone", "there"]]
    # What came whole is served, as ever.
    assert served == 3


def test_who_may_keep_a_thread_keeps_no_other_waiting(known_key):
    async def scenario(server, caller, _connection):
        caller.send(a_post(b"/v1/events?wait", known_key))
        await server.wait_for_thread()
        slow, quick = [(await server.connect())[0] for _ in range(2)]
        for each, name in ((slow, b"wait"), (quick, b"quick")):
            each.send(a_post(b"/v1/events?" + name, known_key, body=name))
            await settled()
        server.django.may_go_on.set()
        await caller.answer()
        first = await quick.answer()
        await server.wait_for_thread()
        server.django.may_go_on.set()
        bodies = [body for *_, body in (first, await slow.answer())]
        await wait_until(lambda: not server.application._turns._owners)
        return bodies, server.together

    bodies, together = run(scenario, threads=8)

    assert together == [["wait", "quick"]]
    assert bodies == [b"/v1/events quick", b"/v1/events wait"]


def test_other_requests_and_other_callers_have_threads_of_their_own(known_key):
    async def scenario(server, caller, _connection):
        caller.send(a_post(b"/v1/events?wait", known_key))
        await server.wait_for_thread()
        answers = []
        for path, *lines in (
            (b"/v1/events",),
            (b"/v1/people", known_key),
            (b"/v1/hooks/any", known_key),
        ):
            other, _ = await server.connect()
            other.send(a_post(path, *lines))
            answers.append((await other.answer())[0])
        return answers, server.together

    assert run(scenario, threads=8) == ([200, 200, 200], [])


# What comes while there is no thread, and answers in pieces -------------------------


def test_a_body_is_held_once_and_not_after_its_answer():
    async def scenario(server, caller, connection):
        caller.send(a_post(b"/wait"))
        await server.wait_for_thread()
        bodies = server.application.bodies
        held = [(bodies.held_bytes, bytes(connection.cycle.body))]
        server.django.may_go_on.set()
        await caller.answer()
        held.append((bodies.held_bytes, bytes(connection.cycle.body)))
        return held, server.django.served

    held, served = run(scenario)

    assert held == [(4, b""), (0, b"")]
    assert served == [("/wait", b"body")]


def test_a_request_without_a_body_waits_for_its_thread():
    async def scenario(server, caller, _connection):
        first, _ = await server.connect()
        first.send(a_get(b"/wait"))
        await server.wait_for_thread()
        caller.send(a_get(b"/next"))
        await settled()
        server.django.may_go_on.set()
        return await caller.answer()

    status, _, body = run(scenario, threads=1)

    assert (status, body) == (200, b"/next ")


def test_who_leaves_while_waiting_is_not_served():
    async def scenario(server, caller, connection):
        first, _ = await server.connect()
        first.send(a_get(b"/wait"))
        await server.wait_for_thread()
        caller.send(a_post(b"/gone") * 2)
        await settled()
        connection.transport.abort()
        await settled()
        server.django.may_go_on.set()
        await first.answer()
        return server.django.served

    assert run(scenario, threads=1) == [("/wait", b"")]


def test_a_long_answer_comes_in_pieces_to_who_sent_no_body():
    size = 4 * request_limits.WHOLE_BYTES

    async def scenario(_server, caller, _connection):
        caller.send(a_get(b"/size/%d" % size))
        return await caller.answer()

    status, headers, body = run(scenario)

    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    assert body == b"x" * size


def test_who_takes_long_answers_slowly_leaves_threads_to_others():
    long = a_get(b"/size/%d" % (20 * request_limits.WHOLE_BYTES))

    async def scenario(server, caller, _connection):
        for _ in range(request_limits.MAX_STREAMS):
            slow, connection = await server.connect()
            slow.send(long)
            await wait_until(lambda of=connection: of.stalled_since is not None)
        caller.send(long)
        busy = await caller.answer()
        caller.send(a_get(b"/short"))
        return busy[0], busy[1]["retry-after"], (await caller.answer())[2]

    assert run(scenario, threads=4) == (503, "5", b"/short ")


def test_of_answers_that_nobody_takes_little_is_held(monkeypatch):
    monkeypatch.setattr(request_limits, "MAX_UNSENT_BYTES", 1_000_000)
    size = request_limits.WHOLE_BYTES

    async def scenario(server, _caller, _connection):
        for _ in range(10):
            caller, _ = await server.connect()
            caller.send(a_get(b"/size/%d" % size))
        await wait_until(lambda: server.state.total_requests == 10)
        await settled()
        kept = [c.transport.get_write_buffer_size() for c in server.connections]
        return sum(kept)

    assert 0 < run(scenario) <= 1_000_000


# Many requests in one packet -----------------------------------------------------------


def test_requests_in_one_packet_are_answered_in_their_order():
    async def scenario(_server, caller, _connection):
        caller.send(a_post(b"/1") + a_get(b"/2") + a_post(b"/3", body=b"more"))
        return [(await caller.answer())[2] for _ in range(3)]

    assert run(scenario) == [b"/1 body", b"/2 ", b"/3 more"]


def test_of_very_many_requests_in_one_packet_few_are_kept():
    async def scenario(server, caller, connection):
        caller.send(a_get(b"/wait") + a_get(b"/x") * 5_000)
        await server.wait_for_thread()
        kept = len(connection.pipeline)
        server.django.may_go_on.set()
        return kept, (await caller.rest()).count(b"HTTP/1.1 200 OK")

    assert run(scenario) == (
        request_limits.MAX_PIPELINED,
        1 + request_limits.MAX_PIPELINED,
    )


def test_of_a_body_that_comes_early_little_is_kept_and_nothing_lost():
    async def scenario(server, caller, connection):
        caller.send(a_get(b"/wait") + a_post(b"/x", body=b"x" * 200_000))
        await server.wait_for_thread()
        await wait_until(lambda: connection.pipeline)
        await settled()
        kept = len(connection.cycle.body)
        server.django.may_go_on.set()
        return kept, [(await caller.answer())[2] for _ in range(2)]

    kept, bodies = run(scenario)

    assert kept <= request_limits.READ_BYTES
    assert bodies == [b"/wait ", b"/x " + b"x" * 200_000]


def test_who_ends_in_the_middle_of_a_request_is_answered_the_whole_ones():
    async def scenario(_server, caller, _connection):
        caller.send(a_post(b"/1") + a_post(b"/2") + a_post(b"/3")[:-1])
        caller.writer.write_eof()
        answers = [await caller.answer() for _ in range(3)]
        return [(status, body) for status, _, body in answers], await caller.rest()

    assert run(scenario) == (
        [(200, b"/1 body"), (200, b"/2 body"), (400, b"/3 cut off")],
        b"",
    )


def test_what_is_no_http_is_refused_after_the_answers_before_it():
    async def scenario(server, caller, _connection):
        caller.send(a_get(b"/wait") + b"GARBAGE\0\r\n\r\n")
        await server.wait_for_thread()
        server.django.may_go_on.set()
        status, headers, body = await caller.answer()
        return status, headers["connection"], body, await caller.rest()

    assert run(scenario) == (200, "close", b"/wait ", b"")


@pytest.mark.parametrize("at_once", [True, False])
def test_what_comes_behind_a_body_is_no_header(at_once):
    """A proxy that watches headers need not have seen it (RFC 9110, 6.5.1)."""
    head = a_get(b"/", b"Transfer-Encoding: chunked").replace(b"GET", b"POST")
    rest = b"4\r\nbody\r\n0\r\nX-Request-Id: late\r\n\r\n"

    async def scenario(server, caller, _connection):
        for part in [head + rest] if at_once else [head, rest]:
            caller.send(part)
            await settled()
        first = await caller.answer()
        caller.send(a_post(b"/next", b"X-Request-Id: mine"))
        return [first[2], (await caller.answer())[2]], server.django.named

    bodies, named = run(scenario)

    assert bodies == [b"/ body", b"/next body"]
    assert named == [None, "mine"]


def test_a_chunk_that_is_none_cuts_the_body_off():
    chunked = b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

    async def scenario(_server, caller, _connection):
        caller.send(chunked + b"4\r\nhalf\r\nzz\r\n")
        return (await caller.answer())[::2], await caller.rest()

    assert run(scenario) == ((400, b"/x cut off"), b"")


def test_of_a_body_that_is_there_at_once_little_is_read_at_a_time(monkeypatch):
    monkeypatch.setattr(request_limits, "READ_BYTES", 1_000)
    sizes = []

    async def scenario(_server, caller, connection):
        def data_received(data, take=connection.data_received):
            sizes.append(len(data))
            take(data)

        monkeypatch.setattr(connection, "data_received", data_received)
        caller.send(a_post(b"/x", body=b"x" * 9_000))
        return (await caller.answer())[2]

    assert run(scenario) == b"/x " + b"x" * 9_000
    assert max(sizes) <= 1_000


# Heads ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\n" + b"a:b\r\n" * 20_000, 431),
        (a_get(b"/healthz", b"X: " + b"x" * 70_000), 431),
        (a_get(b"/", b"Host: other"), 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT / HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", 501),
        (a_post(b"/", b"Content-Length: 4"), 400),
        (a_post(b"/", b"Transfer-Encoding: chunked"), 400),
        (a_get(b"/", b"Transfer-Encoding: br"), 400),
        (a_get(b"/", b"Transfer-Encoding: gzip, chunked"), 400),
        (b"no http\r\n\r\n", 400),
    ],
    ids=(
        *("headers", "large", "hosts", "no host", "connect", "tunnel"),
        *("lengths", "framings", "coded", "codings", "no http"),
    ),
)
def test_a_head_that_is_refused_ends_the_connection(head, status):
    async def scenario(_server, caller, _connection):
        caller.send(head)
        return await caller.answer(), await caller.rest()

    (told, headers, body), rest = run(scenario)

    assert (told, headers["connection"], rest) == (status, "close", b"")
    assert headers["date"] == DATE.decode()
    assert body.endswith(b".\n")


@pytest.mark.parametrize("early", [b"\r\n", b"\r\n\r\n"])
def test_what_is_no_head_keeps_no_connection(early):
    async def scenario(server, caller, connection):
        caller.send(ALIVE)
        await caller.answer()
        caller.send(early)
        await wait_until(lambda: connection.head_since is not None)
        server.watch.close_overdue(
            connection.head_since + request_limits.HEAD_SECONDS + 1
        )
        return await caller.rest()

    assert run(scenario) == b""


def test_a_body_for_the_probe_is_not_waited_for():
    async def scenario(_server, caller, _connection):
        caller.send(a_post(b"/healthz", body=b"x" * 9)[:-5])
        return (await caller.answer())[0], await caller.rest()

    assert run(scenario) == (200, b"")


def test_an_answer_that_others_may_get_too_has_no_caller_s_name():
    async def scenario(server, caller, _connection):
        for path in (b"/readyz", b"/v1/status", b"/"):
            caller.send(a_get(path, b"X-Request-Id: mine"))
            await caller.answer()
        return server.django.named

    assert run(scenario) == [None, None, "mine"]


def test_half_a_head_behind_a_request_costs_nobody_the_answer():
    async def scenario(server, caller, connection):
        caller.send(a_get(b"/wait") + ALIVE[:9])
        await server.wait_for_thread()
        begun = connection.head_since
        server.watch.close_overdue(begun + request_limits.HEAD_SECONDS + 1)
        server.django.may_go_on.set()
        body = (await caller.answer())[2]
        caller.send(ALIVE[9:])
        return body, (await caller.answer())[0], connection.head_since

    assert run(scenario) == (b"/wait ", 200, None)


# Another protocol ----------------------------------------------------------------------


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("to", [b"h2c", b"websocket"])
def test_who_proposes_another_protocol_goes_on_in_this_one(to, at_once, caplog):
    proposal = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: " + to)
    inner = a_get(b"/smuggled")
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner)
    chunked = (
        b"POST /2 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
        + b"\r\n".join(proposal)
        + b"\r\n\r\n"
        + chunks
    )
    sent = [a_post(b"/1", *proposal, body=inner), chunked, a_get(b"/3", *proposal)]
    sent.append(a_post(b"/4"))

    async def scenario(server, caller, _connection):
        if at_once:
            caller.send(b"".join(sent))
        else:
            for byte in b"".join(sent):
                caller.send(bytes([byte]))
                await asyncio.sleep(0)
        bodies = [(await caller.answer())[2] for _ in sent]
        return bodies, server.django.served

    with caplog.at_level(logging.INFO):
        bodies, served = run(scenario)

    assert bodies == [b"/1 " + inner, b"/2 " + inner, b"/3 ", b"/4 body"]
    assert [path for path, _ in served] == ["/1", "/2", "/3", "/4"]
    assert caplog.messages == []


# The end of the process ----------------------------------------------------------------


def end(server):
    """Do to the connections what the process does at SIGTERM."""
    server.watch.end_soon()
    for connection in server.connections:
        connection.shutdown()


@pytest.mark.parametrize("before", [b"", ALIVE], ids=["new", "kept alive"])
def test_who_is_just_sending_when_the_process_ends_is_answered_and_told(before):
    async def scenario(server, caller, _connection):
        if before:
            caller.send(before)
            await caller.answer()
        end(server)
        await settled()
        caller.send(a_post(b"/last"))
        return await caller.answer(), await caller.rest()

    (status, headers, body), rest = run(scenario)

    assert (status, body, rest) == (200, b"/last body", b"")
    assert headers["connection"] == "close"


def test_who_is_served_when_the_process_ends_is_told_that_no_more_is_served():
    async def scenario(server, caller, _connection):
        caller.send(a_get(b"/wait"))
        await server.wait_for_thread()
        end(server)
        server.django.may_go_on.set()
        return (await caller.answer())[:2], await caller.rest()

    (status, headers), rest = run(scenario)

    assert (status, headers["connection"], rest) == (200, "close", b"")


def test_who_sends_nothing_is_let_go_before_who_has_begun(monkeypatch):
    monkeypatch.setattr(request_limits, "LAST_IDLE_SECONDS", 0.0)

    async def scenario(server, idle, _connection):
        begun, its_end = await server.connect()
        begun.send(ALIVE[:9])
        await wait_until(lambda: its_end.has_begun_head)
        end(server)
        nothing = await idle.rest()
        begun.send(ALIVE[9:])
        return nothing, (await begun.answer())[0]

    assert run(scenario) == (b"", 200)


def test_half_a_head_is_not_waited_for_for_long(monkeypatch):
    monkeypatch.setattr(request_limits, "LAST_BODY_SECONDS", 0.0)

    async def scenario(server, caller, connection):
        caller.send(ALIVE[:9])
        await wait_until(lambda: connection.has_begun_head)
        end(server)
        return await caller.rest()

    assert run(scenario) == b""
