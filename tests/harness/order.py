"""In which order tests run where several processes share them."""

from collections.abc import Sequence
from pathlib import Path

import pytest


def begin_with(stems: Sequence[str], folder: Path, items: list[pytest.Item]) -> None:
    """Move the tests of these files below a folder to the front; the others keep their order."""

    def place_of(item: pytest.Item) -> int:
        is_first = item.path.is_relative_to(folder) and item.path.stem in stems
        return stems.index(item.path.stem) if is_first else len(stems)

    items.sort(key=place_of)
