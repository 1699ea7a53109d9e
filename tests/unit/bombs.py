"""Gzip data that is small, and large where it is unpacked."""

import zlib
from typing import Final

MEGABYTE: Final = 1024 * 1024
#: zlib's window bits for a gzip header and trailer: https://zlib.net/manual.html
WBITS: Final = 16 + zlib.MAX_WBITS


def a_bomb(megabytes: int) -> bytes:
    """Return one gzip member that unpacks to so many megabytes of blanks.

    After a full flush, the same input is the same output again.
    """
    packer = zlib.compressobj(wbits=WBITS)
    head, once = (
        packer.compress(b" " * MEGABYTE) + packer.flush(zlib.Z_FULL_FLUSH)
        for _ in range(2)
    )
    return head + once * (megabytes - 1) + packer.flush()
