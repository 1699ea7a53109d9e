"""Counts the values of a JSON text, which decide what it costs to read. Pure.

A value is a member of an object or an element of a list, at any depth; the outermost one
is not counted. A text of a few kilobytes can hold so many that decoding, checking and
storing them takes seconds, so they are counted before anything is made of them.
"""

import re
from typing import Final

_TOKEN: Final = re.compile(
    # A string. One that never ends is taken whole: to look for the next quote from each
    # of its quotes would take quadratic time.
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
    rb"|\[[ \t\r\n]*+\]|\{[ \t\r\n]*+\}"  # a list or an object without anything
    rb"|[\[\]{},]",
    re.DOTALL,
)
_OPENING: Final = (b"[", b"{")
_CLOSING: Final = (b"]", b"}")
#: A sound text has at most two texts, a comma and two brackets for each value.
_TOKENS_PER_VALUE: Final = 5
_MEMBER_BYTES: Final = 5
#: How deep the events of a batch lie: within an object and a list.
_BATCH_DEPTH: Final = 2


class TooMuchError(ValueError):
    """A batch has too many events, or too many values.

    `event` is the index of the first that is, or has, one too many.
    """

    def __init__(self, event: int, *, of_values: bool) -> None:
        super().__init__("too many values" if of_values else "too many events")
        self.event = event
        self.of_values = of_values


def compile_batch(name: bytes) -> re.Pattern[bytes]:
    """Return what matches the beginning of an object with a list of that name."""
    blank = rb"[ \t\r\n]*+"
    return re.compile(
        blank + rb"\{" + blank + b'"' + name + b'"' + blank + b":" + blank + rb"\["
    )


def may_have_more(text: bytes, most: int) -> bool:
    """Return False where `text` surely has at most `most` values. Costs microseconds."""
    # To leave them out and look how much is gone is faster than to count them.
    return len(text) - len(text.translate(None, b",[{")) > most


def has_few_members(text: bytes, most: int) -> bool:
    """Return whether a text surely has at most `most` values, if its list is one of events.

    It has no other list, so that all other values are members of objects. One of these takes
    five bytes at least, as in `"":1,`, and an event more than three of them. Costs less than to
    count.
    """
    return (
        len(text) <= _MEMBER_BYTES * most and text.find(b"[", text.find(b"[") + 1) < 0
    )


def count_values(text: bytes | memoryview, most: int) -> int:
    """Return how many values `text` has, or more than `most` as soon as it has more."""
    values = 0
    for tokens, match in enumerate(_TOKEN.finditer(text)):
        if match[0] == b"," or match[0] in _OPENING:
            values += 1
        if values > most or tokens > _TOKENS_PER_VALUE * (most + 1):
            return most + 1
    return values


def measure_depth(text: bytes, most: int) -> int:
    """Return how deep `text` nests objects and lists, or more than `most` once it does.

    An object or a list without anything in it counts as a value, not as a level.
    """
    depth = deepest = 0
    for match in _TOKEN.finditer(text):
        if match[0] in _OPENING:
            depth += 1
            deepest = max(deepest, depth)
            if deepest > most:
                break
        elif match[0] in _CLOSING:
            depth -= 1
    return deepest


def check_batch(batch: bytes, most_events: int, most_values: int) -> None:
    """Raise `TooMuchError` where a batch has too many events, or too many values in them.

    Stops at the first one too many: what follows may be a thousand times as much.
    """
    depth = events = values = 0
    for tokens, match in enumerate(_TOKEN.finditer(batch)):
        token = match[0]
        if token in _OPENING:
            values += depth >= _BATCH_DEPTH
            depth += 1
        elif token in _CLOSING:
            depth -= 1
        elif token == b",":
            events += depth == _BATCH_DEPTH
            values += depth > _BATCH_DEPTH
        if events >= most_events:
            raise TooMuchError(events, of_values=False)
        if values > most_values or tokens > _TOKENS_PER_VALUE * (most_values + 1):
            raise TooMuchError(events, of_values=True)
