"""A mistake in a mapping, and those that a path can have. Pure."""

from collections.abc import Iterator

import msgspec

from referrals.sources.mapping.paths import PathError, parse_path, parse_template


class Mistake(msgspec.Struct, frozen=True):
    """What is wrong at a JSON pointer into the mapping, and what to write there."""

    pointer: str
    detail: str


def find_path_mistakes(
    pointer: str, text: str, *, may_take_all: bool = False
) -> Iterator[Mistake]:
    """Yield what is wrong with a path. A `*` at its end is for `pick` alone."""
    try:
        path = parse_path(text)
    except PathError as error:
        yield Mistake(pointer, str(error))
        return
    if path.takes_all and not may_take_all:
        yield Mistake(pointer, "A * takes all members, which only pick can do.")


def find_template_mistakes(pointer: str, text: str) -> Iterator[Mistake]:
    """Yield what is wrong with a template."""
    try:
        parse_template(text)
    except PathError as error:
        yield Mistake(pointer, str(error))
