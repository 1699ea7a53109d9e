"""Gzip data, unpacked up to a cap."""

import zlib
from collections.abc import Iterator
from typing import Final

from referrals.api.problems import BAD_GZIP, TOO_LARGE, ProblemError

MAX_DECOMPRESSED_BYTES: Final = 8 * 1024 * 1024
# Small, since what follows a gzip member is copied once per member.
STEP_BYTES: Final = 16 * 1024
# zlib's window bits for a gzip header and trailer: https://zlib.net/manual.html
WBITS: Final = 16 + zlib.MAX_WBITS


def gunzip(data: bytes, most: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """Return gzip data decompressed, all of its members; stops at `most` bytes.

    Raises `ProblemError`: 400 when it is no gzip data or is cut off, 413 at the cap.
    """
    parts = []
    size = 0
    try:
        for part in _unpacked(data, most):
            parts.append(part)
            size += len(part)
            if size > most:
                raise ProblemError(
                    TOO_LARGE,
                    f"The body is more than {most:,} bytes when it is "
                    "decompressed. Nothing was stored. Send the events in several "
                    "requests.",
                )
    except (zlib.error, EOFError) as error:
        raise ProblemError(
            BAD_GZIP,
            "The body is announced as gzip, and is damaged, cut off or something else. "
            "Nothing was stored. Compress it with gzip, or leave Content-Encoding out.",
        ) from error
    return b"".join(parts)


def _unpacked(data: bytes, most: int) -> Iterator[bytes]:
    """Yield the contents of the gzip members in `data`, hardly more than `most` at once.

    Reference: https://www.rfc-editor.org/rfc/rfc1952#section-2.2
    """
    decompressor = zlib.decompressobj(WBITS)
    for start in range(0, len(data), STEP_BYTES):
        rest = data[start : start + STEP_BYTES]
        while rest:
            if decompressor.eof:
                decompressor = zlib.decompressobj(WBITS)
            yield decompressor.decompress(rest, most + 1)
            rest = decompressor.unused_data
    if not decompressor.eof:
        raise EOFError
