"""Where in a call a value stands: `data.user.email`, `items[0].id`, `$.type`. Pure.

name            a member of the item, or of the whole body where nothing is cut up
["odd.name"]    a member whose name has a dot, a bracket or a brace in it
[0], [-1]       an element, from the front or from the back
$.name, $       of the whole body
headers.x-name  a header; its name in lower case
query.name      a parameter of the address
.               the item itself
name.*          each member, where an object is put together (`pick`)
"""

import re
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

MAX_STEPS: Final = 16
MAX_CHARACTERS: Final = 512
Start = Literal["item", "body", "headers", "query"]
_STEP: Final = re.compile(
    r'(?P<name>[^.\[\]"{}*]+)|\["(?P<odd>[^"\\]+)"\]|\[(?P<index>-?[0-9]{1,4})\]'
)


class Path(NamedTuple):
    """A path, read once. `takes_all` is the `*` at its end."""

    start: Start
    steps: tuple[str | int, ...]
    takes_all: bool = False


class PathError(ValueError):
    """A text is no path; the message says what to write."""


@lru_cache(maxsize=4096)
def parse_path(text: str) -> Path:
    """Return the path that `text` spells. Raises `PathError`."""
    if not text:
        msg = "A path is empty. Name the member that is read, such as user.email."
        raise PathError(msg)
    if len(text) > MAX_CHARACTERS:
        msg = f"A path is longer than {MAX_CHARACTERS} characters."
        raise PathError(msg)
    if text == ".":
        return Path("item", ())
    text, takes_all = _cut_star(text)
    start, rest = _cut_start(text)
    steps = _parse_steps(rest)
    if len(steps) > MAX_STEPS:
        msg = f"A path has more than {MAX_STEPS} steps."
        raise PathError(msg)
    return Path(start, steps, takes_all)


def is_path(text: str) -> bool:
    """Return whether `text` spells a path."""
    try:
        parse_path(text)
    except PathError:
        return False
    return True


def name_path(text: str) -> str:
    """Return the name that the value at a path has by itself: its last."""
    path = parse_path(text)
    names = [step for step in path.steps if isinstance(step, str)]
    return names[-1] if names else "value"


def follow_steps(value: Any, steps: tuple[str | int, ...]) -> Any:  # noqa: ANN401 - JSON is any value
    """Return what `steps` lead to from `value`, or None."""
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif (
            isinstance(value, list)
            and isinstance(step, int)
            and -len(value) <= step < len(value)
        ):
            value = value[step]
        else:
            return None
    return value


def _cut_star(text: str) -> tuple[str, bool]:
    if text == "*":
        return "", True
    return (text[:-2], True) if text.endswith(".*") else (text, False)


def _cut_start(text: str) -> tuple[Start, str]:
    if text == "$" or text.startswith(("$.", "$[")):
        return "body", text[1:].removeprefix(".")
    if text.startswith("headers."):
        return "headers", text.removeprefix("headers.").lower()
    if text.startswith("query."):
        return "query", text.removeprefix("query.")
    return "item", text


def _parse_steps(text: str) -> tuple[str | int, ...]:
    steps: list[str | int] = []
    at = 0
    while at < len(text):
        is_dot = text[at] == "."
        if is_dot == (at == 0 or text[at] == "["):
            break
        found = _STEP.match(text, at + is_dot)
        if found is None or (is_dot and found["name"] is None):
            break
        at = found.end()
        steps.append(
            int(found["index"]) if found["index"] else found["name"] or found["odd"]
        )
    if at < len(text):
        msg = (
            "This is no path. Write names with dots between them, [0] for an element, "
            'and ["odd.name"] for a name with a dot or a bracket in it.'
        )
        raise PathError(msg)
    return tuple(steps)


@lru_cache(maxsize=1024)
def parse_template(text: str) -> tuple[str, ...]:
    """Return the pieces of `{a}-{b}`: texts at even places, paths at odd ones.

    Raises `PathError`.
    """
    pieces = tuple(re.split(r"\{([^{}]*)\}", text))
    for index, piece in enumerate(pieces):
        if index % 2:
            parse_path(piece)
        elif "{" in piece or "}" in piece:
            msg = "A brace of this template has no partner. Write {path} for a value."
            raise PathError(msg)
    if len(pieces) == 1:
        msg = "This template has no {path} in it. Use const for a text that stays."
        raise PathError(msg)
    return pieces
