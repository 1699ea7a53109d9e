"""JSON that a strict decoder refuses, and that writers of JSON do emit. Pure.

They write NaN and Infinity, and halves of surrogate pairs as escapes. Either makes a whole
text unreadable. In a copy of the same length something harmless stands in their place, so
that it shows where each of its parts stands.
"""

import json
import re
from itertools import islice
from typing import Any, Final

import msgspec

#: The first two are no halves: escaped backslashes, with what is between them, and a pair.
_HALF: Final = re.compile(
    rb"\\(?:\\[^\\]*+(?:\\\\[^\\]*+)*+|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2}))"
)
#: The first is a string, and no constant.
_CONSTANT: Final = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|(NaN|Infinity)', re.DOTALL
)
#: A text with more halves is no mistake of its writer's, and one with more strings and
#: constants has more values than a request may have.
_MOST_HALVES: Final = 100_000
_MOST_STRINGS: Final = 250_000


class LenientText(msgspec.Struct, frozen=True):
    """JSON that is strict but for such constants and halves."""

    text: bytes | memoryview

    def load(self) -> Any:  # noqa: ANN401 - any JSON
        """Return what it says. Raises `ValueError` and `RecursionError` where it is no JSON.

        A number with a point stays text: a float would have lost what it says beyond one.
        """
        return json.loads(
            bytes(self.text).decode(),
            parse_float=lambda number: msgspec.Raw(number.encode()),
        )


def replace_halves(text: bytes) -> bytearray:
    """Return a copy in which each half of a surrogate pair is a blank."""
    copy = bytearray(text)
    halves = (match for match in _HALF.finditer(text) if match[1])
    for half in islice(halves, _MOST_HALVES):
        copy[slice(*half.span(1))] = b"u0020"
    return copy


def replace_constants(text: bytes | bytearray) -> bytearray:
    """Return a copy in which each NaN and Infinity is a number."""
    copy = bytearray(text)
    if b"NaN" in text or b"Infinity" in text:
        for match in islice(_CONSTANT.finditer(text), _MOST_STRINGS):
            if match[1]:
                copy[slice(*match.span(1))] = b"1" * len(match[1])
    return copy
