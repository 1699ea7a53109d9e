"""What quickstarts and how-tos tell people to type, and what they say comes of it."""

import json
import re
from dataclasses import dataclass

from tests.harness.commands import ROOT

#: The pages whose blocks of shell and Python are executed, in this order.
PAGES = [
    "quickstart",
    *(
        str(path.relative_to(ROOT / "docs").with_suffix(""))
        for folder in ("quickstart", "howto")
        for path in sorted((ROOT / "docs" / folder).glob("*.md"))
    ),
]
EXECUTED = ("sh", "python")
#: What is printed. `…` stands for anything.
PRINTED = ("json", "text")
_BLOCK = re.compile(
    r"^(?:<!-- not executed: (?P<why>[^\n]+) -->\n)?"
    r"(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass
class Snippet:
    """One block that is typed. `printed` is what follows it, None where nothing does."""

    language: str
    text: str
    #: Why it is not executed; "" for one that is.
    why: str
    printed: str | None = None


def list_snippets(page):
    """Return the blocks of a page that are typed; what is printed belongs to the one before.

    Raises `ValueError` for a block that is neither.
    """
    snippets = []
    for match in _BLOCK.finditer(page):
        text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        if match["language"] in EXECUTED:
            snippets.append(Snippet(match["language"], text, match["why"] or ""))
        elif match["language"] in PRINTED and snippets and not snippets[-1].printed:
            snippets[-1].printed = text
        else:
            message = f"A block is neither typed nor printed by one that is:\n{text}"
            raise ValueError(message)
    return snippets


def is_printed(expected, actual):
    """Say whether a command printed what the page says: as JSON where it is some."""
    if expected.startswith("{"):
        return is_alike(json.loads(expected), json.loads(actual))
    return is_alike(expected.strip(), actual.strip())


def is_alike(expected, actual):
    """Say whether two values are the same, where `…` in a text stands for anything."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        return expected.keys() == actual.keys() and all(
            is_alike(value, actual[key]) for key, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(expected) == len(actual) and all(map(is_alike, expected, actual))
    if isinstance(expected, str) and isinstance(actual, str):
        pattern = ".+".join(map(re.escape, expected.split("…")))
        return re.fullmatch(pattern, actual, re.DOTALL) is not None
    return expected == actual
