"""Where code is broken: the modules that decide. What only shows or stores is left out."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.harness.commands import ROOT

#: What says who may see or do something, as a function's name or in a line.
PERMISSIONS: Final = (
    r"has_\w*perm\w*|get_queryset|lookup_allowed|PermissionDenied"
    r"|\b(has_permission|list_apps|limit_to_apps|list_permissions|_permitted)\("
)


@dataclass(frozen=True)
class Place:
    """Modules of one folder; `*` is all of them. `only` narrows what is broken there.

    It is a pattern for the first line of a function, or for a line in one.
    """

    folder: str
    names: str = "*"
    only: str = ""


PLACES: Final = (
    Place("clevertap_sync/delivery"),
    Place("clevertap_sync/delivery/sql"),
    Place("clevertap_sync/delivery/upkeep"),
    Place(
        "clevertap_sync/delivery/erasure",
        "erasure_orders profile_deletion uploads_under_way",
    ),
    Place("clevertap_sync/alerting"),
    Place("clevertap_sync/worker", "due restored_backup steps"),
    *(
        Place(f"clevertap_sync/admin/{room}", only=PERMISSIONS)
        for room in (
            *("alerts", "deliveries", "erasures", "events", "integration", "overview"),
            "try_out",
        )
    ),
    Place("referrals", "access suppression"),
    Place("referrals/admin", "app_admin key_admin person_admin", only=PERMISSIONS),
    Place("referrals/admin/kit", "base", only=PERMISSIONS),
    Place("referrals/log", "drafts grouping removal rows sqlite storing strict writer"),
)


@dataclass(frozen=True)
class Module:
    """One module, named by its path in the repository."""

    name: str
    only: re.Pattern[str]

    @property
    def path(self) -> Path:
        """Where the file is."""
        return ROOT / self.name


def modules(wanted: str = "") -> Iterator[Module]:
    """Yield the modules to break; with `wanted`, that one alone.

    Raises `LookupError` where the table names what is not there (any more), or lacks what
    is wanted.
    """
    found = [module for place in PLACES for module in _modules_of(place)]
    chosen = [module for module in found if wanted in ("", module.name)]
    if not chosen:
        message = f"{wanted} is not among the PLACES of tests/mutants/places.py."
        raise LookupError(message)
    yield from chosen


def _modules_of(place: Place) -> Iterator[Module]:
    folder = ROOT / place.folder
    everything = sorted(
        path.stem for path in folder.glob("*.py") if path.stem != "__init__"
    )
    for name in everything if place.names == "*" else place.names.split():
        if name not in everything:
            message = (
                f"{place.folder}/{name}.py is not there: say in the PLACES of "
                "tests/mutants/places.py what has become of it."
            )
            raise LookupError(message)
        yield Module(f"{place.folder}/{name}.py", re.compile(place.only))
