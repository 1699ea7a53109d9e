"""The network that fails on order does exactly what was ordered."""

import contextlib
import socket
import threading
import time

import pytest

from tests.harness.process import PATIENCE_SECONDS
from tests.harness.proxy import Proxy


@pytest.fixture
def echo():
    """The port of a server that sends back what it gets."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection):
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.fixture
def proxy(echo):
    with Proxy(echo) as running:
        yield running


@pytest.fixture
def connect(proxy):
    with contextlib.ExitStack() as stack:

        def connect():
            address = ("127.0.0.1", proxy.port)
            return stack.enter_context(
                socket.create_connection(address, timeout=PATIENCE_SECONDS)
            )

        yield connect


def read(client, count):
    data = b""
    while len(data) < count and (piece := client.recv(count - len(data))):
        data += piece
    return data


def assert_reset(connect):
    """Assert that a new connection is reset: while it is read, or so soon as connecting."""
    with pytest.raises(ConnectionResetError), connect() as client:
        client.recv(1)


def test_everything_passes_in_both_directions(connect):
    client = connect()
    sent = bytes(range(256)) * 4096

    threading.Thread(target=client.sendall, args=(sent,), daemon=True).start()

    assert read(client, len(sent)) == sent


def test_the_end_of_one_side_reaches_the_other(connect):
    client = connect()

    client.sendall(b"all")
    client.shutdown(socket.SHUT_WR)

    assert read(client, 100) == b"all"


def test_who_is_refused_finds_nobody_until_it_behaves_again(proxy, connect):
    client = connect()
    proxy.refuse()

    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with pytest.raises(ConnectionRefusedError):
        connect()
    proxy.behave()
    client = connect()
    client.sendall(b"back")

    assert read(client, 4) == b"back"


def test_a_black_hole_swallows_what_is_open_and_what_comes(proxy, connect):
    old = connect()
    old.sendall(b"1")
    assert read(old, 1) == b"1"
    proxy.black_hole()
    new = connect()
    for client in (old, new):
        client.sendall(b"2")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(PATIENCE_SECONDS)

    proxy.behave()

    assert [read(old, 1), read(new, 1)] == [b"2", b"2"]


def test_a_reset_breaks_what_is_open_and_what_comes(proxy, connect):
    old = connect()
    old.sendall(b"1")
    assert read(old, 1) == b"1"

    proxy.reset()

    with pytest.raises(ConnectionResetError):
        old.recv(1)
    assert_reset(connect)


def test_a_connection_is_cut_within_an_answer(proxy, connect):
    proxy.cut(after=3)
    client = connect()

    client.sendall(b"answer")

    assert read(client, 3) == b"ans"
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_an_answer_drips_until_it_behaves_again(proxy, connect):
    proxy.drip(every=0.05)
    client = connect()
    began = time.monotonic()

    client.sendall(b"drop" + b"s" * 10_000)
    dripped = read(client, 4)
    took = time.monotonic() - began
    proxy.behave()

    assert dripped == b"drop"
    assert took >= 0.2
    assert read(client, 10_000) == b"s" * 10_000


def test_an_answer_is_delayed(proxy, connect):
    proxy.delay(0.3)
    client = connect()
    began = time.monotonic()

    client.sendall(b"late")

    assert read(client, 4) == b"late"
    assert time.monotonic() - began >= 0.3


def test_many_connections_are_served_by_one_thread(proxy, connect):
    threads = threading.active_count()
    clients = [connect() for _ in range(50)]

    for number, client in enumerate(clients):
        client.sendall(str(number).encode())

    assert [read(c, len(str(n))) for n, c in enumerate(clients)] == [
        str(number).encode() for number in range(50)
    ]
    # The echo's own threads are the only new ones.
    assert threading.active_count() <= threads + 50
    assert proxy.connections == 50


def test_a_url_leads_through_the_proxy(proxy):
    urls = ["postgresql://me:word@127.0.0.1:5432/name?x=1", "redis://127.0.0.1:6379/0"]
    urls += ["http://127.0.0.1:9100/{location}"]

    assert [proxy.url_of(url) for url in urls] == [
        f"postgresql://me:word@127.0.0.1:{proxy.port}/name?x=1",
        f"redis://127.0.0.1:{proxy.port}/0",
        f"http://127.0.0.1:{proxy.port}/{{location}}",
    ]


def test_a_server_that_is_gone_ends_the_connection(echo, connect):
    # Nobody listens on the port of a closed listener.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with Proxy(port) as proxy:
        address = ("127.0.0.1", proxy.port)
        assert_reset(
            lambda: socket.create_connection(address, timeout=PATIENCE_SECONDS)
        )
