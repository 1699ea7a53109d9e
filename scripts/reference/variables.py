"""The environment: each variable's default and limits, read from the code without running it.

What is in force when it runs depends on the environment of whoever runs it.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from scripts.check_repository import ROOT
from scripts.reference.parts import fill_rows

FILES: Final = (
    "integration_project/settings.py",
    "integration_project/web/server_size.py",
)
#: Read by libraries, and by nothing of ours.
OF_LIBRARIES: Final = ("NO_COLOR", "FORCE_COLOR")
_READERS: Final = {
    "choice",
    "each",
    "flag",
    "read",
    "seconds",
    "text",
    "whole",
    "words",
}


def fill_settings(page: str) -> str:
    """Return the page with the variables, and those defaults that stand in the code."""
    rows: dict[str, tuple[str | None, ...]] = {
        name: (f"`{name}`", None, None) for name in OF_LIBRARIES
    }
    for file in FILES:
        rows |= {
            name: (f"`{name}`", default, None)
            for name, default in read_defaults(ROOT / file).items()
        }
    return fill_rows(page, "the settings", rows)


def read_defaults(file: Path) -> Mapping[str, str | None]:
    """Return the default of each variable that a file reads, as a page has it.

    None stands for one that is worked out, or that is a text: these need words.
    """
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {name: default for call in _list_calls(tree) for name, default in call}


def _list_calls(tree: ast.AST) -> Iterator[list[tuple[str, str | None]]]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="env"), attr=how),
                args=[ast.Constant(value=str(name)), *others],
            ) if how in _READERS:
                yield [(name, _write_default(how, others, node.keywords))]


def _write_default(
    how: str, others: list[ast.expr], keywords: list[ast.keyword]
) -> str | None:
    if how == "flag":
        given = [each.value for each in keywords if each.arg == "default"]
        return f"`{ast.unparse(given[0]).lower() if given else 'false'}`"
    match how, others:
        case "whole" | "seconds", [ast.Constant(value=int() | float() as number), *_]:
            return f"`{number:g}`" if number else None
        case "choice", [ast.Constant(value=str(word)), *_]:
            return f"`{word}`"
    return None
