"""The floor: below this upload ID an integration has no open upload. Each process keeps it.

While some transaction stays open, PostgreSQL keeps every version of a row, and the index of
open uploads still leads to all that were open once. Without the floor, each claim would read
thousands of settled uploads to find the open one.

An upload gets its ID under the account's lock, or is a part whose parent is open until then.
So an upload that opens later has a higher ID than the first open one. Callers hold the lock.
A restored database gives the same IDs again, so a floor lasts only a few seconds.
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
    return _recall_account(account_id).floors


def learn_first_open(account_id: int, first_open: Mapping[int, int | None]) -> None:
    """Remember the ID of the first open upload of each of the account's integrations."""
    known = _recall_account(account_id)
    known.floors |= {key: first for key, first in first_open.items() if first}
    known.idle = {key for key, first in first_open.items() if not first}


def learn_new_upload(account_id: int, integration_id: int, upload_id: int) -> None:
    """Remember a new upload as the first open one, if the last query found none."""
    known = _accounts.get(account_id)
    if known is not None and integration_id in known.idle:
        known.idle.remove(integration_id)
        known.floors[integration_id] = upload_id


def learn_begun_upload(account_id: int, integration_id: int, first: int) -> None:
    """Remember the ID of the integration's first open upload, seen under the lock before.

    For a caller who has opened one itself and holds the lock no more. Of other integrations it
    may know less by now than another thread.
    """
    known = _accounts.get(account_id)
    if known is not None:
        known.idle.discard(integration_id)
        known.floors[integration_id] = first


def clear_floors() -> None:
    """Drop all floors: for a process that begins anew, such as a test."""
    _accounts.clear()


def _recall_account(account_id: int) -> _Account:
    """Return what is known of the account: nothing yet, or nothing any more, at first."""
    known = _accounts.get(account_id)
    if known is None or time.monotonic() >= known.until:
        known = _accounts[account_id] = _Account(time.monotonic() + LOOK_AGAIN_SECONDS)
    return known
