"""One request within one deadline, whatever the network and the other side do."""

import gzip
import itertools
import json
import socket
import threading
import time
import tracemalloc

import pytest

from clevertap_sync import watchdog
from clevertap_sync.client.connections import WatchedConnection
from clevertap_sync.client.transport import MAX_ANSWER_BYTES
from clevertap_sync.errors import (
    CleverTapError,
    MalformedResponseError,
    NoAnswerError,
    NotSentError,
)
from tests.certificates import Authority
from tests.wire import (
    CANARY,
    ScriptedServer,
    Step,
    a_client,
    answer,
    bytes_of,
    dribble,
    late,
    pour,
    raw,
    read_request,
    reset,
    silence,
    slowly,
)

ACCEPTED = {"status": "success", "processed": 1, "unprocessed": []}
RECORDS = [b'{"identity":"ann@example.com","type":"event"}']
BODY = b'{"d":[' + RECORDS[0] + b"]}"
OK = answer(200, ACCEPTED)
KEPT = answer(200, ACCEPTED, keep=True)


@pytest.fixture(autouse=True)
def _no_proxy_from_outside(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def clevertap():
    with ScriptedServer() as server:
        yield server


def _fails(client, body=BODY):
    """Return the error of an upload, and how long it took."""
    began = time.monotonic()
    with pytest.raises(CleverTapError) as caught:
        client.upload(body, RECORDS)
    client.close()
    return caught.value, time.monotonic() - began


class TestDeadline:
    @pytest.mark.parametrize(
        "step",
        [
            silence(),
            dribble(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000, every=0.2),
            dribble(b"HTTP/1.1 100 Continue\r\n\r\n" * 99, every=0.1),
            dribble(bytes_of(200, ACCEPTED, Content_Length="99999"), every=0.1),
            pour(
                bytes_of(200, b"[", Content_Length="99999"),
                slowly(b"1,", every=0.1),
            ),
            pour(
                b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                slowly(b"1\r\nx\r\n", every=0.1),
            ),
            pour(
                b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(ACCEPTED).encode(),
                slowly(b" ", every=0.1),
            ),
        ],
        ids=["nothing", "headers", "100s", "start", "body", "chunks", "blanks"],
    )
    def test_an_answer_that_takes_for_ever_ends_at_the_deadline(self, clevertap, step):
        clevertap.plays(step)

        error, seconds = _fails(a_client(clevertap.url, seconds=0.6))

        assert type(error) is NoAnswerError
        assert error.detail == "timed out after 0.6 s"
        assert 0.6 <= seconds < 1.5

    def test_one_byte_each_fifth_of_a_second_does_not_outlast_the_deadline(
        self, clevertap
    ):
        clevertap.plays(dribble(bytes_of(200, ACCEPTED), every=0.2))

        error, seconds = _fails(a_client(clevertap.url, seconds=1.0))

        assert type(error) is NoAnswerError
        assert 1.0 <= seconds < 1.8

    def test_a_server_that_does_not_read_ends_at_the_deadline(self, clevertap):
        clevertap.plays(Step(lambda _: time.sleep(1.5), unread=True))

        error, seconds = _fails(a_client(clevertap.url, seconds=0.5), b"x" * 20_000_000)

        assert type(error) is NoAnswerError
        assert error.detail == "timed out after 0.5 s"
        assert seconds < 1.2

    def test_an_error_with_an_endless_page_is_that_error_at_the_deadline(
        self, clevertap
    ):
        page = slowly(b"x", every=0.05)
        clevertap.plays(pour(b"HTTP/1.1 401 No\r\n\r\n", page))

        error, seconds = _fails(a_client(clevertap.url, seconds=0.5))

        assert error.status == 401
        assert seconds < 1.2

    def test_a_redirect_with_an_endless_page_is_not_read_to_its_end(self, clevertap):
        page = itertools.repeat(b"x" * 65536)
        clevertap.plays(pour(b"HTTP/1.1 302 No\r\nLocation: /there\r\n\r\n", page))

        error, seconds = _fails(a_client(clevertap.url, seconds=5))

        assert error.status == 302
        assert seconds < 2

    def test_a_slow_answer_that_ends_in_time_is_an_answer(self, clevertap):
        clevertap.plays(dribble(bytes_of(200, ACCEPTED), every=0.001))

        assert a_client(clevertap.url, seconds=5).upload(BODY, RECORDS).accepted == 1

    def test_each_request_has_a_deadline_of_its_own(self, clevertap):
        client = a_client(clevertap.url, seconds=0.5)
        for _ in range(4):
            clevertap.plays(late(bytes_of(200, ACCEPTED), after=0.25))
            assert client.upload(BODY, RECORDS).accepted == 1

    def test_a_kept_connection_keeps_to_the_deadline_as_well(self, clevertap):
        clevertap.plays(KEPT, silence())
        client = a_client(clevertap.url, seconds=0.5)
        client.upload(BODY, RECORDS)

        error, seconds = _fails(client)

        assert type(error) is NoAnswerError
        assert 0.5 <= seconds < 1.2
        assert clevertap.connections == 1


class TestAbort:
    @pytest.fixture(autouse=True)
    def _reset(self):
        yield
        watchdog.reset()

    def test_an_open_request_ends_at_once_and_its_outcome_is_unknown(self, clevertap):
        clevertap.plays(silence())
        threading.Timer(0.2, watchdog.abort_all).start()

        error, seconds = _fails(a_client(clevertap.url))

        assert type(error) is NoAnswerError
        assert error.detail == "stopped, because this worker is shutting down"
        assert seconds < 1.5

    def test_a_request_that_begins_afterwards_is_not_sent(self, clevertap):
        watchdog.abort_all()

        error, _ = _fails(a_client(clevertap.url))

        assert type(error) is NotSentError
        assert error.detail == "stopped, because this worker is shutting down"
        assert clevertap.requests == []

    def test_a_host_that_is_being_looked_up_is_not_waited_for(self, monkeypatch):
        answered = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answered.wait(10))
        threading.Timer(0.2, watchdog.abort_all).start()

        error, seconds = _fails(a_client("http://clevertap.test"))
        answered.set()

        assert type(error) is NotSentError
        assert seconds < 1.5


class TestNotSent:
    def test_connection_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]

        error, _ = _fails(a_client(f"http://127.0.0.1:{port}"))

        assert type(error) is NotSentError
        assert error.detail == "connection refused"

    def test_a_host_that_does_not_exist(self, monkeypatch):
        def nowhere(*_):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", nowhere)

        error, _ = _fails(a_client("https://clevertap.test"))

        assert type(error) is NotSentError
        assert error.detail == "DNS: host not found"

    def test_a_resolver_that_hangs_ends_at_the_deadline_and_costs_one_thread(
        self, monkeypatch
    ):
        answered = threading.Event()

        def hang(*_):
            answered.wait(10)
            raise socket.gaierror(socket.EAI_AGAIN, "Try again")

        monkeypatch.setattr(socket, "getaddrinfo", hang)
        client = a_client("http://clevertap.test", seconds=0.3)

        for _ in range(3):
            error, seconds = _fails(client)
            assert type(error) is NotSentError
            assert error.detail == "DNS: timed out after 0.3 s"
            assert 0.3 <= seconds < 1.0
        lookups = [t for t in threading.enumerate() if t.name == "lookup"]
        assert len(lookups) == 1

        answered.set()
        lookups[0].join(timeout=5)
        assert _fails(client)[0].detail == "DNS: no answer"

    def test_a_host_that_swallows_packets_ends_at_the_deadline(self, swallowing):
        error, seconds = _fails(a_client(f"http://127.0.0.1:{swallowing}", seconds=0.5))

        assert type(error) is NotSentError
        assert error.detail == "connecting: timed out after 0.5 s"
        assert 0.4 <= seconds < 1.2

    def test_a_second_address_answers_where_the_first_one_swallows_packets(
        self, clevertap, swallowing, monkeypatch
    ):
        clevertap.plays(OK)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [
            (*kind, ("127.0.0.1", swallowing)),
            (*kind, ("127.0.0.1", clevertap.port)),
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: addresses)

        client = a_client("http://clevertap.test", seconds=1.0)

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

        error, _ = _fails(a_client(clevertap.url))

        assert type(error) is NoAnswerError
        assert error.detail == detail
        assert len(clevertap.requests) == 1


class TestSize:
    def test_an_answer_without_an_end_is_not_read_for_long(self, clevertap):
        clevertap.plays(
            pour(b"HTTP/1.1 200 OK\r\n\r\n", itertools.repeat(b"x" * 65536))
        )

        error, seconds = _fails(a_client(clevertap.url, seconds=10))

        assert type(error) is MalformedResponseError
        assert error.detail == "it is too long"
        assert seconds < 3

    def test_the_longest_answer_is_read(self, clevertap):
        room = MAX_ANSWER_BYTES + 3 * len(BODY)
        whole = json.dumps(ACCEPTED).encode().ljust(room)
        clevertap.answers(200, whole)
        clevertap.answers(200, whole + b" ")
        client = a_client(clevertap.url)

        assert client.upload(BODY, RECORDS).accepted == 1
        assert type(_fails(client)[0]) is MalformedResponseError

    def test_a_gzip_bomb_stops_where_any_long_answer_does(self, clevertap):
        bomb = gzip.compress(b" " * 100_000_000, compresslevel=1)
        clevertap.answers(200, bomb, Content_Encoding="gzip")
        client = a_client(clevertap.url)

        tracemalloc.start()
        error, seconds = _fails(client)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert type(error) is MalformedResponseError
        assert error.detail == "it is too long"
        assert peak < 20_000_000
        assert seconds < 3

    def test_a_gzip_bomb_in_an_error_stops_too(self, clevertap):
        bomb = gzip.compress(b" " * 100_000_000, compresslevel=1)
        clevertap.answers(503, bomb, Content_Encoding="gzip")
        client = a_client(clevertap.url)

        tracemalloc.start()
        error, _ = _fails(client)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

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

        error, _ = _fails(a_client(clevertap.url))

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

    def test_a_connection_that_the_server_closed_is_replaced(self, clevertap):
        clevertap.plays(KEPT, raw(b"", unread=True), OK)
        client = a_client(clevertap.url)
        client.upload(BODY, RECORDS)
        time.sleep(0.1)

        assert client.upload(BODY, RECORDS).accepted == 1
        assert [seen.connection for seen in clevertap.requests] == [1, 2]

    def test_a_connection_that_idled_is_not_trusted(self, clevertap, monkeypatch):
        monkeypatch.setattr("clevertap_sync.client.connections.KEPT_SECONDS", 0.1)
        clevertap.plays(KEPT, KEPT)
        client = a_client(clevertap.url)
        client.upload(BODY, RECORDS)
        time.sleep(0.2)
        # The first connection still waits for its step: let it have this one.
        clevertap.plays(OK)

        client.upload(BODY, RECORDS)

        assert [seen.connection for seen in clevertap.requests] == [1, 2]

    def test_a_kept_connection_that_breaks_before_the_first_byte_is_replaced_once(
        self, clevertap, monkeypatch
    ):
        clevertap.plays(KEPT, reset(unread=True), OK)
        client = a_client(clevertap.url)
        client.upload(BODY, RECORDS)
        time.sleep(0.1)
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

        error, _ = _fails(client)

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
            error, _ = _fails(a_client(clevertap.url))

            assert type(error) is NotSentError
            assert error.detail == detail
            assert clevertap.requests == []

    def test_a_server_of_an_unknown_authority_gets_nothing(
        self, authority, monkeypatch
    ):
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
        with ScriptedServer(authority.server()) as clevertap:
            error, _ = _fails(a_client(clevertap.url))

            assert type(error) is NotSentError
            assert error.detail == "TLS: unable to get local issuer certificate"
            assert clevertap.requests == []

    def test_a_server_that_speaks_no_tls_gets_nothing(self, clevertap):
        clevertap.plays(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", unread=True))

        error, _ = _fails(a_client(clevertap.url.replace("http:", "https:")))

        assert type(error) is NotSentError
        assert error.detail in {
            "TLS: wrong version number",
            "TLS: record layer failure",
        }
        assert clevertap.requests == []

    def test_a_handshake_that_hangs_ends_at_the_deadline(self, clevertap):
        clevertap.plays(silence(unread=True))
        client = a_client(clevertap.url.replace("http:", "https:"), seconds=0.5)

        error, seconds = _fails(client)

        assert type(error) is NotSentError
        assert error.detail == "TLS: timed out after 0.5 s"
        assert 0.5 <= seconds < 1.2

    def test_a_slow_answer_over_tls_ends_at_the_deadline(self, authority):
        with ScriptedServer(authority.server()) as clevertap:
            clevertap.plays(KEPT, dribble(bytes_of(200, ACCEPTED), every=0.1))
            client = a_client(clevertap.url, seconds=0.5)
            client.upload(BODY, RECORDS)

            error, seconds = _fails(client)

            assert type(error) is NoAnswerError
            assert 0.5 <= seconds < 1.2

    def test_certificates_that_cannot_be_read_say_so(self, clevertap, monkeypatch):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/at/all.pem")

        error, _ = _fails(a_client(clevertap.url.replace("http:", "https:")))

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

        assert _fails(a_client("http://clevertap.test"))[0].detail == (
            "DNS: host not found"
        )

    def test_a_proxy_that_refuses_the_tunnel_sees_no_passcode(
        self, clevertap, monkeypatch
    ):
        address = clevertap.url.replace("http://", "http://user:proxy-canary@")
        monkeypatch.setenv("HTTPS_PROXY", address)
        clevertap.answers(407)

        error, _ = _fails(a_client("https://clevertap.test"))

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
                "clevertap_sync.client.transport._is_this_machine", lambda _: False
            )
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            proxy.plays(Step(tunnel))

            result = a_client("https://127.0.0.3").upload(BODY, RECORDS)

        assert result.accepted == 1
        assert proxy.requests[0].method == "CONNECT"

    def test_a_proxy_that_hangs_ends_at_the_deadline(self, clevertap, monkeypatch):
        monkeypatch.setenv("HTTPS_PROXY", clevertap.url)
        clevertap.plays(silence())

        error, seconds = _fails(a_client("https://clevertap.test", seconds=0.5))

        assert type(error) is NotSentError
        assert error.detail == "proxy: timed out after 0.5 s"
        assert 0.5 <= seconds < 1.2

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

        error, _ = _fails(a_client("https://clevertap.test"))

        assert type(error) is NotSentError
        assert error.detail == detail


def test_many_requests_leave_no_descriptor_behind(clevertap):
    client = a_client(clevertap.url, seconds=0.2)
    steps = [OK, KEPT, reset(), raw(b"?"), silence(), answer(503)]
    descriptors = []
    for _ in range(3):
        for step in steps:
            clevertap.plays(step)
            try:
                client.upload(BODY, RECORDS)
            except CleverTapError:
                continue
        client.close()
        time.sleep(0.05)
        probe = socket.socket()
        descriptors.append(probe.fileno())
        probe.close()

    assert descriptors[2] <= descriptors[0] + 3
