"""Which pages have a generated part, and what fills it. Needs Django."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from django.conf import settings
from django.core.management import call_command

from referrals.sources.presets import PLATFORMS
from scripts import source_pages
from scripts.check_repository import ROOT
from scripts.reference.codes import fill_api, fill_findings, fill_reasons
from scripts.reference.commands import fill_commands
from scripts.reference.decisions import fill_decisions
from scripts.reference.metrics import fill_metrics
from scripts.reference.parts import find_empty
from scripts.reference.set_up_file import fill_set_up_file
from scripts.reference.variables import fill_settings

DOCS: Final = ROOT / "docs"
PAGES: Final[Mapping[str, Callable[[str], str]]] = {
    "adr/README": fill_decisions,
    "reference/commands": fill_commands,
    "reference/environment": fill_settings,
    "reference/findings": fill_findings,
    "reference/http-api": fill_api,
    "reference/logs-and-metrics": fill_metrics,
    "reference/reasons": fill_reasons,
    "reference/set-up-file": fill_set_up_file,
    **{
        f"sources/{name}": partial(source_pages.fill_page, name)
        for name in (source_pages.INDEX, *PLATFORMS)
    },
}


def write_pages() -> None:
    """Write the generated part of every page."""
    make_tables()
    for name, fill in PAGES.items():
        path = find_page(name)
        path.write_text(fill(path.read_text(encoding="utf-8")), encoding="utf-8")


def find_problems() -> Iterator[str]:
    """Yield each page that is not what the code says, and each cell that a person has to write."""
    make_tables()
    for name, fill in PAGES.items():
        page = find_page(name).read_text(encoding="utf-8")
        if fill(page) != page:
            yield f"docs/{name}.md is not what the code says: python -m scripts.reference"
        yield from (
            f"docs/{name}.md says nothing of {key}: write it behind"
            for key in find_empty(page)
        )


def find_page(name: str) -> Path:
    """Return the file of a page below docs/."""
    return DOCS / f"{name}.md"


def make_tables() -> None:
    """Make the tables of an empty database in memory, as models have them."""
    settings.MIGRATION_MODULES = _NoMigrations()
    call_command("migrate", run_syncdb=True, verbosity=0)


class _NoMigrations:
    """Tells Django that no app has migrations: tables then come from the models."""

    def __contains__(self, _app: str) -> bool:
        return True

    def __getitem__(self, _app: str) -> None:
        return None
