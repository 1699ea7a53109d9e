"""The list of decisions, by their titles. Pure but for the files that it reads."""

import re
from typing import Final

from scripts.check_repository import ROOT
from scripts.reference.parts import fill_part

_TITLE: Final = re.compile(r"# (?P<number>\d+)\. (?P<title>.+)")


def fill_decisions(page: str) -> str:
    """Return the page with a link to each decision, in order."""
    lines = []
    for path in sorted((ROOT / "docs/adr").glob("[0-9]*.md")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        if (match := _TITLE.fullmatch(first)) is None:
            message = f"docs/adr/{path.name} does not begin with `# NUMBER. Title`."
            raise ValueError(message)
        lines.append(f"{match['number']}. [{match['title']}]({path.name})")
    return fill_part(page, "the decisions", "\n".join(lines))
