"""Memory that nobody uses any more, given back to the system. Pure but for that."""

import ctypes
from contextlib import suppress
from typing import Final

#: What is made of a longer text does not fit between what earlier ones have left.
LARGE_BYTES: Final = 1024 * 1024


def make_room(text: bytes) -> None:
    """Before much is made of a large text, give back what lies unused between pieces in use.

    Only glibc has to be told. It takes some milliseconds, in which no other thread gets memory.
    Reference: https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    if len(text) > LARGE_BYTES:
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)
