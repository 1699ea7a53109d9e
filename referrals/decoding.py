"""Types that are ready before a thread decodes anything as one of them.

msgspec reads the fields of a class the first time it decodes one. A second thread that needs
the class meanwhile meets what is half made, and the process dies of SIGSEGV (msgspec 0.22,
seen of a web process whose first two calls came at once). A `msgspec.json.Decoder` that a module makes
reads them while it is imported. So does `prepare_type`, for what is decoded without one: by
`msgspec.convert`, or `msgspec.json.decode` with a type.
"""

from typing import Final, TypeVar

import msgspec

_T = TypeVar("_T")
_prepared: Final[set[object]] = set()


def prepare_type(kind: _T) -> _T:
    """Let msgspec read the fields of a class, or of all in a union, now; return it.

    A decorator of classes whose fields name nothing that is defined further down.
    """
    msgspec.json.Decoder(kind)
    _prepared.add(kind)
    return kind


def is_prepared(kind: object) -> bool:
    """Return whether `prepare_type` was called for this very class or union."""
    return kind in _prepared
