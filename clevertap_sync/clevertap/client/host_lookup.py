"""Host names, without waiting for a resolver that hangs.

`getaddrinfo` takes no timeout and cannot be interrupted, so it runs in a thread of its
own. All requests for one host wait for the same thread: a resolver that hangs costs one
thread per host, not one per request.
"""

import os
import socket
import threading
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeAlias

from urllib3.util.connection import allowed_gai_family

from clevertap_sync.clevertap.client.deadline import Deadline

Address: TypeAlias = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]
]

_lock = threading.Lock()
_under_way: dict[tuple[str, int], Future[object]] = {}


def resolve_host(host: str, port: int, limit: Deadline) -> list[Address]:
    """Return the addresses of `host`; raise TimeoutError when `limit` is over first."""
    lookup = _join(host, port)
    wait({lookup, limit.over}, limit.remaining(), return_when=FIRST_COMPLETED)
    if not lookup.done():
        raise TimeoutError
    addresses: list[Address] = lookup.result()  # type: ignore[assignment]  # a Future shares a set with `over`
    return addresses


def _join(host: str, port: int) -> Future[object]:
    with _lock:
        lookup = _under_way.get((host, port))
        if lookup is None:
            lookup = _under_way[host, port] = Future()
            arguments = (host, port, lookup)
            threading.Thread(
                target=_look_up, args=arguments, name="lookup", daemon=True
            ).start()
        return lookup


def _look_up(host: str, port: int, lookup: Future[object]) -> None:
    family = allowed_gai_family()
    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except (OSError, UnicodeError) as fault:
        _leave(host, port)
        lookup.set_exception(fault)
    else:
        _leave(host, port)
        lookup.set_result(found)


def _leave(host: str, port: int) -> None:
    with _lock:
        _under_way.pop((host, port), None)


def _reset_after_fork() -> None:
    """Start over after a fork: the child has none of the threads."""
    global _lock  # noqa: PLW0603 - a lock that a thread of the parent held stays locked
    _lock = threading.Lock()
    _under_way.clear()


os.register_at_fork(after_in_child=_reset_after_fork)
