"""A condition as a function of one item. Pure."""

from collections.abc import Callable

from referrals.sources.mapping.compile_path import compile_path
from referrals.sources.mapping.reader import Reader
from referrals.sources.mapping.rules import Condition
from referrals.sources.mapping.words import fold_word, write_text

#: Says of an item whether a condition holds.
Holds = Callable[[Reader], bool]


def compile_condition(condition: Condition) -> Holds:
    """Return what says whether the value at the condition's path is what it asks for."""
    read, exists = compile_path(condition.path), condition.exists
    is_in, not_in = condition.is_in, condition.not_in

    def holds(reader: Reader) -> bool:
        value = read(reader)
        if not value and isinstance(value, dict | list):
            value = None
        if exists is not None and exists is (value is None):
            return False
        if is_in is None and not_in is None:
            return True
        text = write_text(value)
        word = None if text is None else fold_word(text)
        if is_in is not None and word not in is_in:
            return False
        return not_in is None or word not in not_in

    return holds
