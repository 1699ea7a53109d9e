"""What each account's reading calls show at this moment, beside what is stored."""

from collections import Counter
from typing import Any

import msgspec

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.account import Account
from clevertap_sync.sandbox.limits import normalised
from clevertap_sync.sandbox.rules import STRICT
from clevertap_sync.sandbox.state import State


def list_readback(state: State, location: Location) -> dict[str, dict[str, Any]]:
    """Return each event name with how many are stored and counted, and its status.

    `counted` is over all days, before it is rounded, sampled or of users; `status` is None
    for a name that the schema does not show.
    """
    counts = Account(state, location, "counts").counts()
    counted: Counter[str] = Counter()
    for (name, _), count in counts.items():
        counted[normalised(name)] += count
    types = Account(state, location, "schema").event_types()
    with state.world.condition:
        stored = {
            normalised(name): (name, count)
            for name, count in state.store.events[location].items()
        }
    rows = {}
    for folded in stored | types:
        name, count = stored.get(folded, ("", 0))
        known = types.get(folded)
        rows[known.name if known else name] = {
            "stored": count,
            "counted": counted[folded],
            "status": known.status if known else None,
        }
    return rows


def list_changed_rules(state: State, location: Location) -> dict[str, Any]:
    """Return the rules that are not as strict as by default, or otherwise."""
    default = msgspec.to_builtins(STRICT)
    rules = msgspec.to_builtins(state.desks[location].rules)
    return {name: value for name, value in rules.items() if value != default[name]}
