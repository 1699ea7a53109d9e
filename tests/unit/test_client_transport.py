"""One request within one deadline, whatever the network and the other side do."""

import contextlib
import gzip
import itertools
import json
import select
import socket
import threading
import time
from concurrent.futures import Future

import pytest

from clevertap_sync.clevertap.client import deadline
from clevertap_sync.clevertap.client.transport import MAX_ANSWER_BYTES
from clevertap_sync.clevertap.client.watched_connections import WatchedConnection
from clevertap_sync.clevertap.errors import (
    CleverTapError,
    MalformedResponseError,
    NoAnswerError,
    NotSentError,
)
from tests.certificates import Authority
from tests.harness.memory import measure_peak
from tests.harness.process import PATIENCE_SECONDS, wait_until
from tests.unit.bombs import a_bomb
from tests.unit.clock import Clock
from tests.wire import (
    CANARY,
    ScriptedServer,
    Step,
    a_client,
    answer,
    bytes_of,
    dribble,
    pour,
    raw,
    read_request,
    reset,
    silence,
)

ACCEPTED = {"status": "success", "processed": 1, "unprocessed": []}
RECORDS = [b'{"identity":"ann@example.com","type":"event"}']
BODY = b'{"d":[' + RECORDS[0] + b"]}"
OK = answer(200, ACCEPTED)
KEPT = answer(200, ACCEPTED, keep=True)
#: What a test's own clock has to end.
LONG = 60
#: What ends by itself, and in vain.
SHORT = 0.2
TIMED_OUT = f"timed out after {LONG} s"


@pytest.fixture(autouse=True)
def _no_proxy_from_outside(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def clevertap():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def clock(monkeypatch):
    """The clock that deadlines go by."""
    clock = Clock()
    monkeypatch.setattr(deadline, "time", clock)
    return clock


@pytest.fixture
def connections(monkeypatch):
    """Every connection that a client makes."""
    made = []

    def connect(self):
        made.append(self)
        original(self)

    original = WatchedConnection.connect
    monkeypatch.setattr(WatchedConnection, "connect", connect)
    return made


def _fails(client, body=BODY):
    """Return the error of an upload."""
    with pytest.raises(CleverTapError) as caught:
        client.upload(body, RECORDS)
    client.close()
    return caught.value


class _Endless:
    """A server that sends a head and drip after drip, and something happens meanwhile.

    It has an end: a client that does not give up hears from it for half a minute.
    """

    def __init__(self, happens, head=b"", drips=()):
        self._happens = happens
        self._head = head
        self._drips = itertools.chain(drips, itertools.repeat(b""))
        self._gave_up = Future()
        self.step = Step(self._play)

    def was_given_up(self):
        """Return whether the client closed the connection before the end."""
        return self._gave_up.result(PATIENCE_SECONDS)

    def _play(self, sock):
        sock.sendall(self._head)
        for sent, drip in enumerate(itertools.islice(self._drips, 1_500)):
            if sent == 3:
                self._happens()
            with contextlib.suppress(OSError):
                sock.sendall(drip)
            if _is_closed(sock):
                self._gave_up.set_result(True)
                return
        self._gave_up.set_result(False)


def _is_closed(sock):
    """Return whether the client has closed its end: it has nothing more to send."""
    return bool(select.select([sock], [], [], 0.02)[0])


def _mute(clock, *, unread=False):
    """Let the time run out as soon as anything has come, and say nothing."""

    def play(sock):
        if unread:
            sock.recv(1)
        clock.forward()
        silence().play(sock)

    return Step(play, unread=unread)


class _Blocks:
    """A long page: far more than the buffers between the two hold."""

    def __init__(self):
        self.left = 4_000

    def __iter__(self):
        while self.left:
            self.left -= 1
            yield b"x" * 65536


def _one_by_one(data):
    return (data[n : n + 1] for n in range(len(data)))


class TestDeadline:
    @pytest.mark.parametrize(
        ("head", "drips"),
        [
            (b"", itertools.repeat(b"")),
            (b"HTTP/1.1 200 OK\r\nX-Long: ", itertools.repeat(b"x")),
            (b"", itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")),
            (b"", [*_one_by_one(bytes_of(200, ACCEPTED, Content_Length="99999"))]),
            (bytes_of(200, b"[", Content_Length="99999"), itertools.repeat(b"1,")),
            (
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                itertools.repeat(b"1\r\nx\r\n"),
            ),
            (
                b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(ACCEPTED).encode(),
                itertools.repeat(b" "),
            ),
        ],
        ids=["nothing", "headers", "100s", "start", "body", "chunks", "blanks"],
    )
    def test_an_answer_that_takes_for_ever_ends_at_the_deadline(
        self, clevertap, clock, head, drips
    ):
        server = _Endless(clock.forward, head, drips)
        clevertap.plays(server.step)

        error = _fails(a_client(clevertap.url, seconds=LONG))

        assert server.was_given_up()
        assert type(error) is NoAnswerError
        assert error.detail == TIMED_OUT
        assert error.unknown_cause == "deadline"

    def test_one_byte_every_few_seconds_does_not_outlast_the_deadline(
        self, clevertap, clock
    ):
        sent, ended = [], Future()

        def play(sock):
            with contextlib.suppress(OSError):
                for byte in _one_by_one(bytes_of(200, ACCEPTED)):
                    sock.sendall(byte)
                    sent.append(byte)
                    clock.forward(LONG / 10)
                    if _is_closed(sock):
                        break
            ended.set_result(len(sent))

        clevertap.plays(Step(play))
        clock.stand_still()

        error = _fails(a_client(clevertap.url, seconds=LONG))

        assert 10 <= ended.result(PATIENCE_SECONDS) <= 20
        assert type(error) is NoAnswerError
        assert error.detail == TIMED_OUT

    def test_a_server_that_does_not_read_ends_at_the_deadline(self, clevertap, clock):
        ended = threading.Event()

        def play(sock):
            sock.recv(1, socket.MSG_PEEK)
            clock.forward()
            ended.wait(PATIENCE_SECONDS)

        clevertap.plays(Step(play, unread=True))

        error = _fails(a_client(clevertap.url, seconds=LONG), b"x" * 20_000_000)
        ended.set()

        assert type(error) is NoAnswerError
        assert error.detail == TIMED_OUT

    def test_an_error_with_an_endless_page_is_that_error_at_the_deadline(
        self, clevertap, clock
    ):
        head = b"HTTP/1.1 401 No\r\n\r\n"
        server = _Endless(clock.forward, head, itertools.repeat(b"x"))
        clevertap.plays(server.step)

        error = _fails(a_client(clevertap.url, seconds=LONG))

        assert server.was_given_up()
        assert error.status == 401

    def test_a_redirect_with_an_endless_page_is_not_read_to_its_end(self, clevertap):
        # More than the buffers between the two hold, and no end before the deadline.
        blocks = _Blocks()
        clevertap.plays(
            pour(b"HTTP/1.1 302 No\r\nLocation: /there\r\n\r\n", iter(blocks))
        )

        error = _fails(a_client(clevertap.url, seconds=LONG))

        assert error.status == 302
        assert blocks.left > 2_000

    def test_a_slow_answer_that_ends_in_time_is_an_answer(self, clevertap):
        clevertap.plays(dribble(bytes_of(200, ACCEPTED), every=0.001))

        assert a_client(clevertap.url, seconds=LONG).upload(BODY, RECORDS).accepted == 1

    def test_each_request_has_a_deadline_of_its_own(self, clevertap, clock):
        def late(sock):
            clock.forward(0.6 * LONG)
            OK.play(sock)

        client = a_client(clevertap.url, seconds=LONG)
        clock.stand_still()
        for _ in range(4):
            clevertap.plays(Step(late))
            assert client.upload(BODY, RECORDS).accepted == 1

    def test_a_kept_connection_keeps_to_the_deadline_as_well(self, clevertap, clock):
        head = b"HTTP/1.1 200 OK\r\nX-Long: "
        server = _Endless(clock.forward, head, itertools.repeat(b"x"))
        clevertap.plays(KEPT, server.step)
        client = a_client(clevertap.url, seconds=LONG)
        client.upload(BODY, RECORDS)

        error = _fails(client)

        assert server.was_given_up()
        assert type(error) is NoAnswerError
        assert error.detail == TIMED_OUT
        assert clevertap.connections == 1


class TestAbort:
    @pytest.fixture(autouse=True)
    def _reset(self):
        yield
        deadline.reset()

    def test_an_open_request_ends_at_once_and_its_outcome_is_unknown(self, clevertap):
        server = _Endless(deadline.abort_all)
        clevertap.plays(server.step)

        error = _fails(a_client(clevertap.url, seconds=LONG))

        assert server.was_given_up()
        assert type(error) is NoAnswerError
        assert error.detail == "stopped, because this worker is shutting down"
        assert error.unknown_cause == "worker_stopped"

    def test_a_request_that_begins_afterwards_is_not_sent(self, clevertap):
        deadline.abort_all()

        error = _fails(a_client(clevertap.url))

        assert type(error) is NotSentError
        assert error.detail == "stopped, because this worker is shutting down"
        assert clevertap.requests == []

    def test_a_host_that_is_being_looked_up_is_not_waited_for(self, monkeypatch):
        answered, found = threading.Event(), threading.Event()

        def look_up(*_):
            deadline.abort_all()
            answered.wait(LONG)
            found.set()
            raise socket.gaierror(socket.EAI_AGAIN, "Try again")

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

        error = _fails(a_client("http://clevertap.test", seconds=LONG))

        assert not found.is_set()
        answered.set()
        assert type(error) is NotSentError
        assert error.detail == "stopped, because this worker is shutting down"


class TestNotSent:
    def test_connection_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        error = _fails(a_client(f"http://127.0.0.1:{port}"))

        assert type(error) is NotSentError
        assert error.detail == "connection refused"

    def test_a_host_that_does_not_exist(self, monkeypatch):
        def nowhere(*_):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", nowhere)

        error = _fails(a_client("https://clevertap.test"))

        assert type(error) is NotSentError
        assert error.detail == "DNS: host not found"

    def test_a_resolver_that_hangs_ends_at_the_deadline_and_costs_one_thread(
        self, monkeypatch
    ):
        answered = threading.Event()

        def hang(*_):
            answered.wait(PATIENCE_SECONDS)
            raise socket.gaierror(socket.EAI_AGAIN, "Try again")

        monkeypatch.setattr(socket, "getaddrinfo", hang)
        client = a_client("http://clevertap.test", seconds=SHORT)
        others = set(threading.enumerate())

        for _ in range(3):
            began = time.monotonic()
            error = _fails(client)
            assert time.monotonic() - began >= SHORT
            assert type(error) is NotSentError
            assert error.detail == f"DNS: timed out after {SHORT} s"
        new = {*threading.enumerate()} - others
        [lookup] = [thread for thread in new if thread.name == "lookup"]

        answered.set()
        lookup.join(PATIENCE_SECONDS)
        client = a_client("http://clevertap.test", seconds=LONG)
        assert _fails(client).detail == "DNS: no answer"

    def test_a_host_that_swallows_packets_ends_at_the_deadline(self, swallowing, clock):
        # All of the time is left when it connects, however slow this machine is.
        clock.stand_still()
        began = time.monotonic()

        error = _fails(a_client(f"http://127.0.0.1:{swallowing}", seconds=SHORT))

        assert type(error) is NotSentError
        assert error.detail == f"connecting: timed out after {SHORT} s"
        assert time.monotonic() - began >= 0.9 * SHORT

    def test_a_second_address_answers_where_the_first_one_swallows_packets(
        self, clevertap, swallowing, monkeypatch
    ):
        clevertap.plays(OK)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        # The first one's share is short, and long is what it leaves for the second.
        addresses = [
            (*kind, ("127.0.0.1", swallowing)),
            *[(*kind, ("127.0.0.1", clevertap.port))] * 200,
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: addresses)

        client = a_client("http://clevertap.test", seconds=LONG)

        assert client.upload(BODY, RECORDS).accepted == 1

    @pytest.fixture
    def swallowing(self):
        """A port whose backlog is full: further connections hang."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            address = full.getsockname()
            waiting = [socket.socket() for _ in range(4)]
            for sock in waiting:
                sock.setblocking(False)  # noqa: FBT003 - the socket's own signature
                sock.connect_ex(address)
            yield address[1]
            for sock in waiting:
                sock.close()


class TestNoAnswer:
    @pytest.mark.parametrize(
        ("step", "detail"),
        [
            (reset(), "the connection was reset"),
            (raw(b""), "the connection was closed without an answer"),
            (reset(after=b"HTTP/1.1 200 OK\r\nContent-Le"), "the connection was reset"),
            (
                reset(after=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
                "the connection was reset",
            ),
            (raw(bytes_of(200, b"{", Content_Length="99")), "the answer broke off"),
            (
                raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
                "the answer broke off",
            ),
            (
                raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n{"),
                "the answer broke off",
            ),
            (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "the answer is not HTTP"),
            (raw(b"\x16\x03\x01\x02\x00" * 9), "the answer is not HTTP"),
            (raw(b"HTTP/1.1 OK\r\n\r\n"), "the answer is not HTTP"),
            (raw(b"HTTP/1.1 " + b"2" * 70_000), "the answer is not HTTP"),
            (
                raw(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n"),
                "the answer is not HTTP",
            ),
            (raw(bytes_of(200, b"{}", Content_Length="2, 3")), "a header is not valid"),
        ],
    )
    def test_a_broken_answer_leaves_the_outcome_unknown(self, clevertap, step, detail):
        clevertap.plays(step)

        error = _fails(a_client(clevertap.url))

        assert type(error) is NoAnswerError
        assert error.detail == detail
        assert error.unknown_cause == "connection_cut"
        assert len(clevertap.requests) == 1


class TestSize:
    def test_an_answer_without_an_end_is_not_read_for_long(self, clevertap):
        blocks = _Blocks()
        clevertap.plays(pour(b"HTTP/1.1 200 OK\r\n\r\n", iter(blocks)))

        error = _fails(a_client(clevertap.url, seconds=LONG))

        assert type(error) is MalformedResponseError
        assert error.detail == "it is too long"
        assert blocks.left > 2_000

    def test_the_longest_answer_is_read(self, clevertap):
        room = MAX_ANSWER_BYTES + 3 * len(BODY)
        whole = json.dumps(ACCEPTED).encode().ljust(room)
        clevertap.answers(200, whole)
        clevertap.answers(200, whole + b" ")
        client = a_client(clevertap.url)

        assert client.upload(BODY, RECORDS).accepted == 1
        assert type(_fails(client)) is MalformedResponseError

    def test_a_gzip_bomb_stops_where_any_long_answer_does(self, clevertap):
        clevertap.answers(200, a_bomb(100), Content_Encoding="gzip")
        client = a_client(clevertap.url, seconds=LONG)

        error, peak = measure_peak(lambda: _fails(client))

        assert type(error) is MalformedResponseError
        assert error.detail == "it is too long"
        assert peak < 20_000_000

    def test_a_gzip_bomb_in_an_error_stops_too(self, clevertap):
        clevertap.answers(503, a_bomb(100), Content_Encoding="gzip")
        client = a_client(clevertap.url, seconds=LONG)

        error, peak = measure_peak(lambda: _fails(client))

        assert error.status == 503
        assert peak < 30_000_000

    def test_a_gzip_answer_is_read(self, clevertap):
        body = gzip.compress(json.dumps(ACCEPTED).encode())
        clevertap.answers(200, body, Content_Encoding="gzip")

        assert a_client(clevertap.url).upload(BODY, RECORDS).accepted == 1

    @pytest.mark.parametrize(
        ("body", "encoding"),
        [
            (b"this is no gzip", "gzip"),
            (b"\x1f\x8b" + b"\xff" * 50, "gzip"),
            (gzip.compress(json.dumps(ACCEPTED).encode())[:-20], "gzip"),
            (b"x", ", ".join(["gzip"] * 50)),
        ],
        ids=["none", "broken", "half", "chained"],
    )
    def test_an_answer_that_cannot_be_decompressed_is_malformed(
        self, clevertap, body, encoding
    ):
        clevertap.answers(200, body, Content_Encoding=encoding)

        error = _fails(a_client(clevertap.url))

        assert type(error) is MalformedResponseError
        assert error.status == 200


class TestKeepAlive:
    def test_a_connection_is_used_again_where_the_server_keeps_it(self, clevertap):
        clevertap.plays(KEPT, KEPT, KEPT)
        client = a_client(clevertap.url)
        for _ in range(3):
            client.upload(BODY, RECORDS)

        assert [seen.connection for seen in clevertap.requests] == [1, 1, 1]

    def test_a_connection_is_used_again_after_an_error(self, clevertap):
        clevertap.plays(answer(503, {"error": "x"}, keep=True), KEPT)
        client = a_client(clevertap.url)
        with pytest.raises(CleverTapError):
            client.upload(BODY, RECORDS)
        client.upload(BODY, RECORDS)

        assert clevertap.connections == 1

    def test_a_connection_that_the_server_closed_is_replaced(
        self, clevertap, connections
    ):
        clevertap.plays(KEPT, raw(b"", unread=True), OK)
        client = a_client(clevertap.url)
        client.upload(BODY, RECORDS)
        wait_until(lambda: not connections[0].is_connected)

        assert client.upload(BODY, RECORDS).accepted == 1
        assert [seen.connection for seen in clevertap.requests] == [1, 2]

    def test_a_connection_that_idled_is_not_trusted(self, clevertap, monkeypatch):
        monkeypatch.setattr(
            "clevertap_sync.clevertap.client.watched_connections.KEPT_SECONDS", 0.01
        )
        clevertap.plays(KEPT, KEPT)
        client = a_client(clevertap.url)
        client.upload(BODY, RECORDS)
        time.sleep(0.02)
        # The first connection still waits for its step: let it have this one.
        clevertap.plays(OK)

        client.upload(BODY, RECORDS)

        assert [seen.connection for seen in clevertap.requests] == [1, 2]

    def test_a_kept_connection_that_breaks_before_the_first_byte_is_replaced_once(
        self, clevertap, connections, monkeypatch
    ):
        clevertap.plays(KEPT, reset(unread=True), OK)
        client = a_client(clevertap.url)
        client.upload(BODY, RECORDS)
        wait_until(lambda: not connections[0].is_connected)
        # The reset comes in the instant after the check.
        monkeypatch.setattr(WatchedConnection, "is_connected", True)

        assert client.upload(BODY, RECORDS).accepted == 1
        assert [seen.connection for seen in clevertap.requests] == [1, 2]

    def test_a_kept_connection_that_breaks_after_the_request_left_is_not_tried_again(
        self, clevertap
    ):
        clevertap.plays(KEPT, reset(), OK)
        client = a_client(clevertap.url)
        client.upload(BODY, RECORDS)

        error = _fails(client)

        assert type(error) is NoAnswerError
        assert [seen.connection for seen in clevertap.requests] == [1, 1]

    def test_a_closed_client_can_be_used_again(self, clevertap):
        clevertap.plays(KEPT, OK, OK)
        client = a_client(clevertap.url)
        client.upload(BODY, RECORDS)
        client.close()

        assert client.upload(BODY, RECORDS).accepted == 1


class TestTLS:
    @pytest.fixture
    def authority(self, tmp_path, monkeypatch):
        authority = Authority(tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        return authority

    def test_a_trusted_server_gets_the_upload(self, authority):
        with ScriptedServer(authority.server()) as clevertap:
            clevertap.plays(KEPT, KEPT)
            client = a_client(clevertap.url)

            assert client.upload(BODY, RECORDS).accepted == 1
            assert client.upload(BODY, RECORDS).accepted == 1
            assert clevertap.connections == 1
            client.close()

    @pytest.mark.parametrize(
        ("options", "detail"),
        [
            ({"expired": True}, "TLS: certificate has expired"),
            ({"address": "127.0.0.2"}, "TLS: IP address mismatch"),
        ],
        ids=["expired", "other host"],
    )
    def test_a_server_with_a_wrong_certificate_gets_nothing(
        self, authority, options, detail
    ):
        with ScriptedServer(authority.server(**options)) as clevertap:
            error = _fails(a_client(clevertap.url))

            assert type(error) is NotSentError
            assert error.detail == detail
            assert clevertap.requests == []

    def test_a_server_of_an_unknown_authority_gets_nothing(
        self, authority, monkeypatch
    ):
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        with ScriptedServer(authority.server()) as clevertap:
            error = _fails(a_client(clevertap.url))

            assert type(error) is NotSentError
            assert error.detail == "TLS: unable to get local issuer certificate"
            assert clevertap.requests == []

    def test_a_server_that_speaks_no_tls_gets_nothing(self, clevertap):
        clevertap.plays(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", unread=True))

        error = _fails(a_client(clevertap.url.replace("http:", "https:")))

        assert type(error) is NotSentError
        assert error.detail in {
            "TLS: wrong version number",
            "TLS: record layer failure",
        }
        assert clevertap.requests == []

    def test_a_handshake_that_hangs_ends_at_the_deadline(self, clevertap, clock):
        clevertap.plays(_mute(clock, unread=True))
        client = a_client(clevertap.url.replace("http:", "https:"), seconds=LONG)

        error = _fails(client)

        assert type(error) is NotSentError
        assert error.detail == f"TLS: {TIMED_OUT}"

    def test_a_slow_answer_over_tls_ends_at_the_deadline(self, authority, clock):
        drips = _one_by_one(bytes_of(200, ACCEPTED, Content_Length="99999"))
        with ScriptedServer(authority.server()) as clevertap:
            server = _Endless(clock.forward, b"", drips)
            clevertap.plays(KEPT, server.step)
            client = a_client(clevertap.url, seconds=LONG)
            client.upload(BODY, RECORDS)

            error = _fails(client)

            assert server.was_given_up()
            assert type(error) is NoAnswerError
            assert error.detail == TIMED_OUT

    def test_certificates_that_cannot_be_read_say_so(self, clevertap, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/at/all.pem")

        error = _fails(a_client(clevertap.url.replace("http:", "https:")))

        assert type(error) is NotSentError
        assert error.detail == (
            "the certificates that REQUESTS_CA_BUNDLE names cannot be read"
        )


class TestProxy:
    def test_a_proxy_from_the_environment_is_used(self, clevertap, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", clevertap.url)
        clevertap.plays(OK)

        a_client("http://clevertap.test").upload(BODY, RECORDS)

        assert clevertap.requests[0].target == "http://clevertap.test/1/upload"

    def test_this_machine_needs_no_proxy(self, clevertap, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        clevertap.plays(OK)

        assert a_client(clevertap.url).upload(BODY, RECORDS).accepted == 1

    def test_no_proxy_is_honoured(self, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("NO_PROXY", "clevertap.test")

        def nowhere(host, *_):
            assert host == "clevertap.test"
            raise socket.gaierror(socket.EAI_NONAME, "unknown")

        monkeypatch.setattr(socket, "getaddrinfo", nowhere)

        assert _fails(a_client("http://clevertap.test")).detail == (
            "DNS: host not found"
        )

    def test_a_proxy_that_refuses_the_tunnel_sees_no_passcode(
        self, clevertap, monkeypatch
    ):
        address = clevertap.url.replace("http://", "http://user:proxy-canary@")
        monkeypatch.setenv("HTTPS_PROXY", address)
        clevertap.answers(407)

        error = _fails(a_client("https://clevertap.test"))

        assert type(error) is NotSentError
        assert error.detail == "proxy: it answered 407"
        [connect] = clevertap.requests
        assert (connect.method, connect.target) == ("CONNECT", "clevertap.test:443")
        assert CANARY not in str(connect.headers)

    def test_an_upload_goes_through_a_tunnel(self, tmp_path, monkeypatch):
        authority = Authority(tmp_path)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.bundle))
        context = authority.server("127.0.0.3")

        def tunnel(sock):
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            with context.wrap_socket(sock, server_side=True) as inner:
                read_request(inner, 1)
                inner.sendall(bytes_of(200, ACCEPTED))

        with ScriptedServer() as proxy:
            monkeypatch.setattr(
                "clevertap_sync.clevertap.client.transport._is_this_machine",
                lambda _: False,
            )
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            proxy.plays(Step(tunnel))

            result = a_client("https://127.0.0.3").upload(BODY, RECORDS)

        assert result.accepted == 1
        assert proxy.requests[0].method == "CONNECT"

    def test_a_proxy_that_hangs_ends_at_the_deadline(
        self, clevertap, clock, monkeypatch
    ):
        monkeypatch.setenv("HTTPS_PROXY", clevertap.url)
        clevertap.plays(_mute(clock))

        error = _fails(a_client("https://clevertap.test", seconds=LONG))

        assert type(error) is NotSentError
        assert error.detail == f"proxy: {TIMED_OUT}"

    @pytest.mark.parametrize(
        ("address", "detail"),
        [
            ("http://127.0.0.1:1", "proxy: connection refused"),
            ("http://", "proxy: its address is not valid"),
            ("ftp://127.0.0.1:1", "proxy: its kind of address is not supported"),
        ],
    )
    def test_a_proxy_that_is_none_says_so(self, monkeypatch, address, detail):
        monkeypatch.setenv("HTTPS_PROXY", address)

        error = _fails(a_client("https://clevertap.test"))

        assert type(error) is NotSentError
        assert error.detail == detail


def test_many_requests_leave_no_descriptor_behind(clevertap, clock):
    client = a_client(clevertap.url, seconds=LONG)
    steps = [OK, KEPT, reset(), raw(b"?"), _mute(clock), answer(503)]
    descriptors = []
    for _ in range(3):
        for step in steps:
            clevertap.plays(step)
            try:
                client.upload(BODY, RECORDS)
            except CleverTapError:
                continue
        client.close()
        wait_until(lambda: all(sock.fileno() < 0 for sock in clevertap._open))
        probe = socket.socket()
        descriptors.append(probe.fileno())
        probe.close()

    assert descriptors[2] <= descriptors[0] + 3
