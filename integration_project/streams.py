"""Standard output and error of a command, where they are closed or their reader goes away."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

#: What a shell reports of a program that SIGPIPE ended.
STATUS: Final = 141
_GONE: Final = (
    b"What read the output has gone away, so the command ended. What it had done is kept; "
    b"run it again to see the rest.\n"
)
_FULL: Final = (
    b"There is no space left where the output goes, so the command ended. What it had done "
    b"is kept; make room, and run it again to see the rest.\n"
)


@contextmanager
def guard_streams() -> Iterator[None]:
    """Let a command run without its output, and end it quietly if nothing takes any.

    Exits with `STATUS` if its reader goes away, with 1 if its disk is full: what was not
    said may have been a failure.
    """
    _replace_closed()
    try:
        try:
            yield
        finally:
            # Otherwise it is written when Python ends, beyond everybody's reach.
            sys.stdout.flush()
            sys.stderr.flush()
    except BrokenPipeError:
        _discard_rest(_GONE)
        raise SystemExit(STATUS) from None
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        _discard_rest(_FULL)
        raise SystemExit(1) from None


def _replace_closed() -> None:
    """Put what takes everything in the place of closed streams.

    Otherwise the next thing that is opened, such as the database's connection, has the
    number of a standard stream, and is written to by whoever means that.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    # The stream of a number that was closed at the start is None.
    sys.stdout = sys.stdout or _sink()  # type: ignore[redundant-expr, unused-ignore]
    sys.stderr = sys.stderr or _sink()  # type: ignore[redundant-expr, unused-ignore]


def _sink() -> TextIO:
    return Path(os.devnull).open("w")


def _discard_rest(why: bytes) -> None:
    """Say what happened where it can be said, and drop what nobody reads."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    with suppress(OSError):
        os.write(2, why)
    with suppress(OSError):
        sys.stderr.flush()
        return
    os.dup2(sink, 2)
