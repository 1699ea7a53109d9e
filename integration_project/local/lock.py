"""One `manage.py up` per checkout: two would write to the same files."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_PRIVATE = 0o600


class RunningAlreadyError(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def hold_lock(path: Path) -> Iterator[None]:
    """Hold the lock at `path`; the system releases it when the process ends, however it does.

    Children do not inherit it: Python's file descriptors end with `exec`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, _PRIVATE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise RunningAlreadyError from error
    else:
        yield
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Return whether another process holds the lock at `path`."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
