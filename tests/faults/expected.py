"""What CleverTap has to get for the events that the fault tests send.

Written down once more, apart from the product's own mapping: one mistake is then not
made twice, where neither finds the other.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

TITLES: Final = {"app_install": "App Install", "link_click": "Link Click"}


def records_of(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (side, record as canonical JSON) for each record of an event as it was sent."""
    title = TITLES.get(event["type"]) or event["name"]
    occurred_at = datetime.fromisoformat(event["occurred_at"])
    for side, word, who in (
        ("referred", "Referred", event.get("user")),
        ("generated", "Generated", event.get("referrer")),
    ):
        if who is None:
            continue
        record = {
            "identity": who["identities"]["email"],
            "ts": int(occurred_at.timestamp()),
            "type": "event",
            "evtName": f"{word} {title}",
            "evtData": _properties(event),
        }
        yield side, canonical(record)


def canonical(record: object) -> str:
    """Return a record so that equal ones are equal texts, and different ones never."""
    return json.dumps(record, sort_keys=True)


def _properties(event: Mapping[str, Any]) -> dict[str, Any]:
    if event["type"] == "custom":
        data = event["event_data"]
        return {f"Event Data {key}": value for key, value in data.items()}
    return {
        "Channel": event["channel"],
        "Content": event["content"],
        "Status": event.get("status", "valid"),
    }
