"""Connections that keep to a deadline, and know whether the request left.

`requests` and urllib3 time each connect, read and write on its own. These connections
share one `WatchedExchange` with the request that uses them: they look up, connect and shake
hands within its deadline, and the watchdog shuts them when it is over.
"""

import functools
import logging
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.response import HTTPResponse
from urllib3.util.ssl_ import create_urllib3_context

from clevertap_sync.clevertap.client.deadline import Deadline
from clevertap_sync.clevertap.client.host_lookup import Address, resolve_host
from clevertap_sync.clevertap.client.public_addresses import is_public
from clevertap_sync.clevertap.client.transport_faults import (
    CaBundleError,
    PrivateAddressError,
)

# A connection that idled longer is not used again: CleverTap might close it while we
# send, and then the upload's outcome would be unknown.
KEPT_SECONDS = 5.0

# urllib3 logs each request's address, which names an identity where a profile is read,
# and, at WARNING, an answer's broken headers, whatever they echo.
logging.getLogger("urllib3.connectionpool").setLevel(logging.WARNING)
logging.getLogger("urllib3.connection").setLevel(logging.CRITICAL)


@dataclass(slots=True)
class WatchedExchange:
    """One request under way: its deadline, and how far it came."""

    limit: Deadline
    stage: str = "connecting"
    #: The request's first bytes went out on a connection.
    sent: bool = False
    #: The connection had served a request before.
    reused: bool = False


_current: ContextVar[WatchedExchange] = ContextVar("exchange")
_public_only: ContextVar[bool] = ContextVar("public_only", default=False)


@contextmanager
def watch_exchange(limit: Deadline) -> Iterator[WatchedExchange]:
    """Give `limit` to the connections used inside, and yield how far the request came."""
    token = _current.set(WatchedExchange(limit))
    try:
        yield _current.get()
    finally:
        _current.reset(token)


@contextmanager
def require_public_addresses() -> Iterator[None]:
    """Refuse private addresses inside: for hosts that a person typed in.

    The check and the connection use the same look-up, so that a second answer of the
    resolver changes nothing. A proxy is the operator's choice, and is not checked.
    """
    token = _public_only.set(True)
    try:
        yield
    finally:
        _public_only.reset(token)


class WatchedConnection(HTTPConnection):
    """A connection that connects, sends and reads within the exchange's deadline."""

    _served = 0
    _answered_at = 0.0
    _requesting = False

    @property
    def is_connected(self) -> bool:
        """Whether the connection may be used again."""
        idle = time.monotonic() - self._answered_at
        return idle < KEPT_SECONDS and super().is_connected

    def connect(self) -> None:
        """Connect anew."""
        self._served = 0
        super().connect()

    def _new_conn(self) -> socket.socket:
        """Connect within the deadline; raise what urllib3's own would raise.

        Only urllib3's exceptions may leave this method. urllib3 takes an `OSError` for a
        request that broke off, and would read an answer from a socket that is not there.
        """
        now = _current.get()
        try:
            now.stage = "DNS"
            addresses = resolve_host(self._dns_host, self.port, now.limit)
            if _public_only.get() and self.proxy is None:
                _refuse_private(addresses)
            now.stage = "connecting"
            sock = _connect(addresses, now.limit, self.socket_options or ())
        except socket.gaierror as fault:
            raise NameResolutionError(self.host, self, fault) from fault
        except TimeoutError as fault:
            raise ConnectTimeoutError(self, "timed out") from fault
        except OSError as fault:
            raise NewConnectionError(self, "not connected") from fault
        now.stage = "proxy" if self.proxy_is_tunneling else "TLS"
        return sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, connected before its first byte."""
        now = _current.get()
        if self.sock is None:
            self.connect()
        now.reused = self._served > 0
        if now.reused:
            now.limit.watch(self.sock)
        self._served += 1
        self._requesting = True
        try:
            super().request(*args, **kwargs)
        finally:
            self._requesting = False

    def send(self, data: Any) -> None:
        """Send, and remember that the request left.

        The headers go first, in one system call on an empty buffer: all or nothing. As
        long as they have not left, the request has not.
        """
        super().send(data)
        if self._requesting:
            _current.get().sent = True

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        """Read the answer's headers."""
        response = super().getresponse()
        self._answered_at = time.monotonic()
        return response


class WatchedTLSConnection(WatchedConnection, HTTPSConnection):
    """The same, over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = WatchedConnection


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = WatchedTLSConnection


_POOLS: dict[str, type[HTTPConnectionPool]] = {"http": _Pool, "https": _TLSPool}


def _refuse_private(addresses: Sequence[Address]) -> None:
    if not all(is_public(address[4][0]) for address in addresses):
        raise PrivateAddressError


def _connect(
    addresses: Sequence[Address],
    limit: Deadline,
    options: Sequence[tuple[int, int, int | bytes]],
) -> socket.socket:
    """Return a socket connected to the first address that answers.

    Each address gets its share of the time that is left, so that one that swallows
    packets (IPv6 on a host without it) leaves some for the next.
    """
    fault = OSError()
    for tried, address in enumerate(addresses):
        share = limit.remaining() / (len(addresses) - tried)
        try:
            return _connect_one(address, share, limit, options)
        except OSError as refusal:
            fault = refusal
    raise fault


def _connect_one(
    address: Address,
    seconds: float,
    limit: Deadline,
    options: Sequence[tuple[int, int, int | bytes]],
) -> socket.socket:
    if limit.is_over:
        raise TimeoutError
    sock = socket.socket(*address[:3])
    try:
        for level, name, value in options:
            sock.setsockopt(level, name, value)
        sock.settimeout(seconds)
        limit.watch(sock)
        sock.connect(address[4])
    except BaseException:
        sock.close()
        raise
    return sock


@functools.lru_cache(maxsize=8)
def _tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a context that all connections share: to fill one takes 30 ms of CPU."""
    context = create_urllib3_context()
    bundle = ca_bundle or certifi.where()
    is_folder = Path(bundle).is_dir()
    try:
        context.load_verify_locations(**{"capath" if is_folder else "cafile": bundle})
    except OSError:
        raise CaBundleError from None
    return context


class WatchedAdapter(HTTPAdapter):
    """Makes `requests` use the connections above to one host, through a proxy as well.

    `ca_bundle` is a file or folder of certificates to trust in place of certifi's.
    """

    #: To find the pool anew takes a tenth of a request's CPU.
    _pool: Any = None

    def __init__(self, ca_bundle: str | None) -> None:
        self._ca_bundle = ca_bundle
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use our pools."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def get_connection_with_tls_context(self, *asked: Any, **named: Any) -> Any:
        """Find the host's pool once."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*asked, **named)
        return self._pool

    def close(self) -> None:
        """Close the pool. The next request opens another one."""
        self._pool = None
        super().close()

    def proxy_manager_for(self, proxy: Any, **kwargs: Any) -> Any:
        """Use our pools through a proxy, too."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager

    def build_connection_pool_key_attributes(
        self,
        request: Any,
        verify: Any,
        cert: Any = None,
    ) -> Any:
        """Use the shared TLS context: it verifies certificate and host name."""
        host, _ = super().build_connection_pool_key_attributes(request, verify=True)
        if host["scheme"] != "https":
            return host, {}
        return host, {"ssl_context": _tls_context(self._ca_bundle)}

    def cert_verify(self, *_: Any, **__: Any) -> None:
        """Leave the pool as it is: the shared context has its certificates."""
