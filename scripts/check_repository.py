"""Checks what no other tool does: that the repository stands alone and reads well.

No tracked file names somebody's machine, a package index or a secret, the compiled
requirements fit the files that they were compiled from, and no function is too long.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT: Final = Path(__file__).resolve().parent.parent
#: Whoever clones the repository has none of these, or must not have them.
FORBIDDEN: Final = {
    "a path of somebody's machine": r"(?<![\w.])/(?:home|Users|root|work)/[\w.]",
    "a package index": r"--(?:extra-)?index-url|--(?:find-links|trusted-host)\b",
    "a file URL with a host path": r"file:///(?:home|opt|root|work)\b",
    "a private key": r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----",
    "a cloud access key": r"\bAKIA[0-9A-Z]{16}\b",
    "an access token": r"\b(?:gh[pousr]_\w{36}|github_pat_\w{22,}|xox[abprs]-\w{10,})",
    "a Sentry DSN": r"https://[0-9a-f]{32}@",
    "an API key of this product": r"\brk_[A-Za-z0-9_-]{43}\b",
}
#: What is longer is read in two goes. Tests and migrations are lists, and may be.
LONGEST_FUNCTION: Final = 40
PRODUCT: Final = ("clevertap_sync", "integration_project", "referrals", "scripts")
PINNED: Final = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[[\w,-]+\])?==(?P<version>[^\s;\\]+)"
)


def main() -> int:
    """Print what is wrong, one line each, and return the exit status."""
    problems = [
        *find_foreign_text(),
        *find_stale_requirements(),
        *find_long_functions(),
    ]
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


def find_foreign_text() -> Iterator[str]:
    """Yield where a tracked file has text that belongs to one machine or person."""
    for path in list_tracked_files():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        for number, line in enumerate(lines, 1):
            for what in find_forbidden(line):
                yield f"{path.relative_to(ROOT)}:{number}: {what}"


def find_forbidden(line: str) -> list[str]:
    """Return what `line` has that no tracked file may have."""
    return [what for what, pattern in FORBIDDEN.items() if re.search(pattern, line)]


def list_tracked_files() -> list[Path]:
    """Return what git tracks; nothing where there is no git, as in a release."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return []
    listed = subprocess.run(  # noqa: S603 - a constant command
        [git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def find_stale_requirements() -> Iterator[str]:
    """Yield what the `.in` files ask for and the compiled files do not have."""
    for source in sorted(ROOT.glob("requirements*.in")):
        compiled = source.with_suffix(".txt")
        if not compiled.exists():
            yield f"{compiled.name} is missing: compile it from {source.name}."
            continue
        pins = read_pins(compiled)
        for requirement in read_requirements(source):
            version = pins.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version):
                yield f"{compiled.name} does not fit {source.name}: {requirement}"


def read_pins(compiled: Path) -> dict[str, Version]:
    """Return the version of each package in a compiled file."""
    lines = compiled.read_text(encoding="utf-8").splitlines()
    matches = filter(None, map(PINNED.match, lines))
    return {canonicalize_name(m["name"]): Version(m["version"]) for m in matches}


def read_requirements(source: Path) -> Iterator[Requirement]:
    """Yield what a file asks for, and what the files that it includes do."""
    for line in source.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            yield from read_requirements(
                source.parent / text.removeprefix("-r ").strip()
            )
        elif text:
            yield Requirement(text)


def find_long_functions() -> Iterator[str]:
    """Yield the functions of the product that are longer than a reader takes in."""
    for path in list_tracked_files():
        place = path.relative_to(ROOT)
        if place.suffix != ".py" or place.parts[0] not in PRODUCT or not path.exists():
            continue
        if "migrations" not in place.parts:
            yield from (
                f"{place}:{node.lineno}: {node.name} has {length} lines"
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and (length := count_lines(node)) > LONGEST_FUNCTION
            )


def count_lines(node: ast.stmt) -> int:
    """Return the number of lines from the first to the last."""
    return (node.end_lineno or node.lineno) - node.lineno + 1


if __name__ == "__main__":
    sys.exit(main())
