"""Below which upload ID an integration has nothing open: a hint that each process keeps.

While some transaction stays open, PostgreSQL keeps every version of a row, and an index
of what is open leads to all that was. Each claim would then look at thousands of settled
uploads to find the one that is not; from the floor on there are only few.

An ID is given under the account's lock, or to a part whose parent is open until then: so
what is opened later lies above what was open, or was opened last. Callers hold the lock.
A database that was restored gives its IDs again, so the hint does not last.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

LOOK_AGAIN_SECONDS = 5.0


@dataclass(slots=True)
class _Account:
    until: float
    floors: dict[int, int] = field(default_factory=dict)
    idle: set[int] = field(default_factory=set)


_accounts: dict[int, _Account] = {}


def read_floors(account_id: int) -> Mapping[int, int]:
    """Return, by integration, the ID from which on its open uploads are found."""
    known = _accounts.get(account_id)
    if known is None or time.monotonic() >= known.until:
        known = _accounts[account_id] = _Account(time.monotonic() + LOOK_AGAIN_SECONDS)
    return known.floors


def learn_first_open(account_id: int, first_open: Mapping[int, int | None]) -> None:
    """Learn the first open upload of each of the account's integrations, if any."""
    known = _accounts[account_id]
    known.floors |= {key: first for key, first in first_open.items() if first}
    known.idle = {key for key, first in first_open.items() if not first}


def learn_new_upload(account_id: int, integration_id: int, upload_id: int) -> None:
    """Learn of a new upload: the first that is open, if the last look found none."""
    known = _accounts.get(account_id)
    if known is not None and integration_id in known.idle:
        known.idle.remove(integration_id)
        known.floors[integration_id] = upload_id


def clear_floors() -> None:
    """Look at everything again: for a process that begins anew, such as a test."""
    _accounts.clear()
