"""The tables of docs/dependencies.md: each package, why it is there, and its licence.

`python -m scripts.dependencies` writes them, `--check` compares. Reasons stand in the
requirements*.in files, who asks for a package in the compiled ones. A licence is read from
the package where it is installed; where it is not, that of the same version stands.
"""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.check_repository import PINNED, ROOT
from scripts.licences import is_accepted, read_licence
from scripts.reference.parts import fill_part, write_table

PAGE: Final = ROOT / "docs/dependencies.md"
#: What the marks around the page's tables name.
SOURCE: Final = "the requirements"
#: What each file of requirements adds to those before it.
FILES: Final = {
    "requirements": "Production",
    "requirements-local": "`make run`",
    "requirements-dev": "Tests and checks",
    "requirements-audit": "`make audit` and `make sbom`",
    "requirements-docs": "`make docs`",
}
#: These install nothing beside the others.
ALONE: Final = ("requirements-audit", "requirements-docs")
_ROW: Final = re.compile(
    r"\| (?P<name>[\w.-]+) \| (?P<version>\S+) \| (?P<licence>[^|]*) \|"
)
_VIA: Final = re.compile(r"^    #(?: via)?\s+(?!via$)(?P<who>[\w.-]+)$")


class Package(NamedTuple):
    """One package that a file pins. `reason` is empty where another package asks for it."""

    name: str
    version: str
    reason: str
    needed_by: Sequence[str]


def main(arguments: Sequence[str]) -> int:
    """Write the page, or say what is not as it has to be, and return the exit status."""
    page = PAGE.read_text(encoding="utf-8")
    known = read_rows(page)
    problems = list(find_problems(known))
    if "--check" not in arguments:
        PAGE.write_text(fill_page(page, known), encoding="utf-8")
    elif fill_page(page, known) != page:
        problems.append(
            "docs/dependencies.md is not what the requirements say. Write it with: "
            "python -m scripts.dependencies"
        )
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


def find_problems(known: Mapping[tuple[str, str], str]) -> Iterator[str]:
    """Yield packages without reason or licence, and those that production may not have."""
    for stem in FILES:
        for package in list_packages(stem):
            licence = find_licence(package, known)
            where = f"{stem}.in: {package.name}"
            if not package.needed_by and not package.reason:
                yield f"{where} has no reason. Write it behind the package: name  # reason"
            if not licence:
                yield f"{where} says nothing of its licence, or is not installed here."
            elif stem == "requirements" and not is_accepted(licence):
                yield f"{where} is under {licence}: see scripts/licences.py"


def fill_page(page: str, known: Mapping[tuple[str, str], str]) -> str:
    """Return the page with the tables between its marks."""
    return fill_part(page, SOURCE, write_sections(known))


def write_sections(known: Mapping[tuple[str, str], str]) -> str:
    """Return a section for each file, without what an earlier one has."""
    sections, seen = [], set[str]()
    for stem, title in FILES.items():
        packages = [
            each
            for each in list_packages(stem)
            if stem in ALONE or each.name not in seen
        ]
        seen.update(each.name for each in packages)
        if packages:
            sections.append(f"## {title}\n\n{write_section(stem, packages, known)}")
    return "\n\n".join(sections)


def write_section(
    stem: str, packages: Sequence[Package], known: Mapping[tuple[str, str], str]
) -> str:
    """Return how many packages a file has, and its tables: the chosen ones first."""
    chosen = [(each, each.reason) for each in packages if each.reason]
    others = [(each, ", ".join(each.needed_by)) for each in packages if not each.reason]
    count = f"`{stem}.txt`: {len(packages)} packages, {len(chosen)} of them by choice."
    tables = [
        write_table(
            ("Package", "Version", "Licence", heading),
            [
                (each.name, each.version, find_licence(each, known), text)
                for each, text in rows
            ],
        )
        for heading, rows in (("Why", chosen), ("Needed by", others))
        if rows
    ]
    return "\n\n".join([count, *tables])


def list_packages(stem: str) -> list[Package]:
    """Return what `<stem>.txt` pins, by name."""
    reasons = dict(read_reasons(ROOT / f"{stem}.in"))
    found: list[Package] = []
    for line in (ROOT / f"{stem}.txt").read_text(encoding="utf-8").splitlines():
        if pin := PINNED.match(line):
            name = canonicalize_name(pin["name"])
            found.append(Package(name, pin["version"], reasons.get(name, ""), []))
        elif via := _VIA.match(line):
            found[-1] = add_asker(found[-1], canonicalize_name(via["who"]))
    return sorted(found)


def add_asker(package: Package, who: str) -> Package:
    """Return the package with one more that asks for it."""
    return package._replace(needed_by=[*package.needed_by, who])


def read_reasons(source: Path) -> Iterator[tuple[str, str]]:
    """Yield each package that a file asks for itself or by another file, and why."""
    for line in source.read_text(encoding="utf-8").splitlines():
        text, _, reason = line.partition("#")
        if text.startswith("-r "):
            yield from read_reasons(source.parent / text.removeprefix("-r ").strip())
        elif text.strip():
            yield canonicalize_name(Requirement(text).name), reason.strip()


def read_rows(page: str) -> dict[tuple[str, str], str]:
    """Return the licences that the page has, by name and version."""
    rows = filter(None, map(_ROW.match, page.splitlines()))
    return {(row["name"], row["version"]): row["licence"] for row in rows}


def find_licence(package: Package, known: Mapping[tuple[str, str], str]) -> str:
    """Return the package's licence, "" where neither it nor the page tells."""
    installed = find_distribution(package)
    if installed is not None:
        return read_licence(package.name, installed)
    return known.get((package.name, package.version), "")


def find_distribution(package: Package) -> Distribution | None:
    """Return the package where it is installed in the very version that is pinned."""
    others = map(str, ROOT.glob(".venv-*/lib/*/site-packages"))
    beside = Distribution.discover(name=package.name, path=list(others))
    found = [*beside]
    with suppress(PackageNotFoundError):
        found.append(distribution(package.name))
    return next((each for each in found if each.version == package.version), None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
