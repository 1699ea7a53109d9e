"""The page about the doctor lists every check that there is, and no other."""

import ast
import re
from collections.abc import Iterator

from tests.documented import page
from tests.harness.commands import ROOT

DOCTOR = ROOT / "integration_project" / "doctor"


def codes_in(source: str) -> Iterator[str]:
    """Yield each code that a check is made with."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "code":
            for part in ast.walk(node.value):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def test_every_check_is_on_the_page_and_no_other():
    made = {code for path in DOCTOR.glob("*.py") for code in codes_in(path.read_text())}
    _, _, checks = page("doctor").partition("\n## Checks\n")
    listed = re.findall(r"^\| `(\w+)` \|", checks, re.MULTILINE)

    assert len(listed) == len(set(listed))
    assert set(listed) == made, "List every check of the doctor in docs/doctor.md."
