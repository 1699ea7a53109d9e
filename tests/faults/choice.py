"""Which of many alike scenarios every run has; the others are for the thorough ones."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest


def is_thorough_twice(item: pytest.Item) -> bool:
    """Say whether a test only shows more in two ways, as a further value on the other database.

    The two do not meet, so it is left to whoever names it.
    """
    return len(list(item.iter_markers("thorough"))) > 1


def choice(values: Iterable[Any], *chosen: Any) -> Sequence[Any]:
    """Return all values as parameters, those that are not `chosen` marked `thorough`.

    Raises `ValueError` where one was chosen that is not there.
    """
    values = list(values)
    if strangers := [each for each in chosen if each not in values]:
        message = f"These are not among the values: {strangers}"
        raise ValueError(message)
    return [
        each if each in chosen else pytest.param(each, marks=pytest.mark.thorough)
        for each in values
    ]
