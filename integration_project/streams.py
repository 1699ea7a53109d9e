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

    Exits with `STATUS` if the output's reader goes away, with 1 if the disk is full: the
    lines that are lost may have reported a failure.
    """
    _replace_closed()
    try:
        try:
            yield
        finally:
            # Otherwise Python flushes at its end, where no handler can catch the error.
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
    """Open /dev/null in the place of each closed standard stream.

    Otherwise the next file that is opened, such as the database's connection, gets the
    number of a standard stream, and receives what is written to that stream.
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
    """Write the reason to standard error if that works, and discard all other output."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    with suppress(OSError):
        os.write(2, why)
    with suppress(OSError):
        sys.stderr.flush()
        return
    os.dup2(sink, 2)
