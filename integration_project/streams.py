"""Standard output and error of a command, where they are closed or their reader goes away."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

#: What a shell reports of a program that SIGPIPE ended.
STATUS: Final = 141


@contextmanager
def guarded() -> Iterator[None]:
    """Let a command run without its output, and end it quietly if its reader goes away.

    Exits with `STATUS` then: what was not said may have been a failure.
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
        _discard_rest()
        raise SystemExit(STATUS) from None


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


def _discard_rest() -> None:
    """Say what happened where it can be said, and drop what nobody reads."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    with suppress(BrokenPipeError):
        os.write(
            2,
            b"What read the output has gone away, so the command ended. What it had done is "
            b"kept; run it again to see the rest.\n",
        )
    with suppress(BrokenPipeError):
        sys.stderr.flush()
        return
    os.dup2(sink, 2)
