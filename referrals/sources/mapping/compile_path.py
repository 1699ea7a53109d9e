"""A path as a function of one item. Pure."""

from collections.abc import Callable
from typing import Any, Final

from referrals.sources.mapping.paths import follow_steps, parse_path
from referrals.sources.mapping.reader import Reader
from referrals.sources.mapping.words import is_nothing

#: Reads one value of an item, or None where it is not there.
Read = Callable[[Reader], Any]
_ITEM: Final = "item"


def read_nothing(_: Reader) -> None:
    """Return what no rule says."""


def compile_path(text: str) -> Read:
    """Return what reads the value at a path. Raises `PathError`."""
    path = parse_path(text)
    if path.start == _ITEM and len(path.steps) == 1 and isinstance(path.steps[0], str):
        return _compile_member(path.steps[0])
    start, steps, cost = path.start, path.steps, len(path.steps) + 1

    def read(reader: Reader) -> Any:  # noqa: ANN401 - JSON is any value
        value = follow_steps(reader.starts[start], steps)
        if type(value) is not str:
            reader.work.charge(cost)
            return value
        # A text is counted whole: whoever asked for it goes through it.
        reader.work.charge(cost + len(value))
        return None if is_nothing(value) else value

    return read


def _compile_member(name: str) -> Read:
    """Return what reads a member of the item: most paths are no longer than that."""

    def read(reader: Reader) -> Any:  # noqa: ANN401 - JSON is any value
        item = reader.item
        value = item.get(name) if isinstance(item, dict) else None
        if type(value) is not str:
            reader.work.charge(2)
            return value
        reader.work.charge(2 + len(value))
        return None if is_nothing(value) else value

    return read
