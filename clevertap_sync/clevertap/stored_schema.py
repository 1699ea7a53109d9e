"""An account's event types as JSON, as `AccountReading.schema` keeps them.

Pure: imports no framework.
"""

from typing import Any

from clevertap_sync.clevertap.causes.week import Schema, SchemaEvent
from clevertap_sync.clevertap.limits import normalise_event_name


def pack_schema(schema: Schema) -> dict[str, Any]:
    """Return the JSON of `schema`."""
    events = [list(event) for event in schema.events.values()]
    return {"events": events, "limit": schema.limit}


def unpack_schema(packed: dict[str, Any] | None) -> Schema | None:
    """Return the schema of its JSON; None where none was read yet."""
    if packed is None:
        return None
    events = [SchemaEvent(*entry) for entry in packed["events"]]
    return Schema(
        events={normalise_event_name(event.name): event for event in events},
        limit=packed["limit"],
    )
