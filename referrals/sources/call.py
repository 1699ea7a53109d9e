"""What a platform sent, byte for byte. Pure.

Nothing is read out of a call before it is verified, so that making one never fails:
`read_document` is what says no.
"""

from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qsl

import msgspec

#: The parameters that are read. Adjust knows some 150 placeholders.
MAX_PARAMETERS: Final = 300
FORM: Final = "application/x-www-form-urlencoded"
#: Methods whose body means nothing (RFC 9110, 9.3.1).
WITHOUT_BODY: Final = ("GET", "HEAD")

Pairs = tuple[tuple[str, str], ...]


class Call(msgspec.Struct, frozen=True):
    """One call of a platform. Made by `make_call`.

    `headers` have lower-case names, in the order in which they came, each as often as it
    came. `query` has at most `MAX_PARAMETERS`; `is_cut` says that there were more.
    `body` is decompressed and otherwise untouched: signatures are over its bytes.
    `path_secret` is the last segment of the address, where a platform carries it there.
    """

    method: str
    headers: Pairs
    query: Pairs
    body: bytes
    path_secret: str = ""
    is_cut: bool = False

    def __repr__(self) -> str:
        """Show the method alone: all else holds secrets and people."""
        return f"Call({self.method!r})"

    @property
    def media_type(self) -> str:
        """The media type in lower case without its parameters, or ""."""
        (first, *_) = self.find_headers("content-type") or ("",)
        return first.partition(";")[0].strip().lower()

    @property
    def has_body(self) -> bool:
        """Whether the method carries what the platform says in the body."""
        return self.method not in WITHOUT_BODY

    def find_headers(self, name: str) -> tuple[str, ...]:
        """Return each value of the header `name`, whose case does not count."""
        wanted = name.lower()
        return tuple(value for key, value in self.headers if key == wanted)

    def find_parameters(self, name: str) -> tuple[str, ...]:
        """Return each value of the query parameter `name`."""
        return tuple(value for key, value in self.query if key == name)


def make_call(
    method: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    query_string: str = "",
    body: bytes = b"",
    path_secret: str = "",
) -> Call:
    """Return a call as it came: `query_string` without its question mark, still encoded.

    Never raises. What is no UTF-8 in the query becomes a mark for each bad byte.
    """
    query, is_cut = parse_pairs(query_string)
    return Call(
        method=method.upper(),
        headers=tuple((name.lower(), value) for name, value in headers),
        query=query,
        body=body,
        path_secret=path_secret,
        is_cut=is_cut,
    )


def parse_pairs(encoded: str) -> tuple[Pairs, bool]:
    """Return the pairs of a query string or a form, and whether some were left out.

    One that is empty counts as well: a name without a value is a pair.
    """
    # Cut before it is split: 8 KB of "&" would otherwise be as many strings.
    pieces = encoded.split("&", MAX_PARAMETERS)
    is_cut = len(pieces) > MAX_PARAMETERS
    kept = "&".join(pieces[:MAX_PARAMETERS])
    return tuple(parse_qsl(kept, keep_blank_values=True, errors="replace")), is_cut
