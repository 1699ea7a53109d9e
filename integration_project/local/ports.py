"""Ports of this machine, on 127.0.0.1 only, for servers that start a moment later."""

import socket
import sys

HOST = "127.0.0.1"
#: What this process has taken, until it ends.
_taken: set[int] = set()


def take_port(port: int) -> bool:
    """Take `port` for a server of ours; return False where it is another's.

    No program listens on a port that was taken, and no other process took it in this way.
    The second check is needed because a server that is about to start does not listen
    yet: two that start at once would choose the same port.
    """
    if port in _taken:
        return True
    if not _can_be_bound(port):
        return False
    try:
        _mark(port)
    except OSError:
        return False
    _taken.add(port)
    return True


def find_free_port() -> int:
    """Take a port that nothing listens on, and return it."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if take_port(port):
            return port


def prefer_port(port: int) -> int:
    """Take `port`, or where it is another's one that is free, and return it."""
    return port if take_port(port) else find_free_port()


def _can_be_bound(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _mark(port: int) -> None:
    """Hold a name that stands for the port; it goes with this process, however that ends.

    Only Linux has such names. Raises `OSError` where another process holds it.
    Reference: https://man7.org/linux/man-pages/man7/unix.7.html
    """
    if sys.platform != "linux":
        return
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0referrals-port-{port}")
    except OSError:
        mark.close()
        raise
    # Open for as long as the process lives.
    mark.detach()
