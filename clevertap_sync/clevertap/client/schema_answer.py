"""The event types of an account, as CleverTap's schema lists them.

References:
https://developer.clevertap.com/docs/get-schema
https://docs.clevertap.com/docs/schema
[doubt] The page publishes no answer. A public client reads `{"status", "events":
[{"name", …}]}` (https://github.com/bruin-data/ingestr). The words of an event's `status`
and `type` are those of the dashboard; what we cannot read counts as active and defined,
so that nothing is called discarded by mistake.
"""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from clevertap_sync.clevertap.causes.week import Schema, SchemaEvent, SchemaStatus
from clevertap_sync.clevertap.client.answer import HttpAnswer
from clevertap_sync.clevertap.client.read_answer import make_read_error
from clevertap_sync.clevertap.errors import MalformedResponseError, ResponseError
from clevertap_sync.clevertap.limits import EVENT_TYPES, normalise_event_name
from referrals.secret import Secret

#: 512 event types, each with all its properties, take a few megabytes.
LONGEST_SCHEMA_BYTES: Final = 16_000_000
#: With more event types it is no account's schema, whatever CleverTap's plans allow.
_MOST_EVENTS: Final = 20_000
#: Each takes 60 bytes and more once it is read, and 3 in the answer.
_MOST_OBJECTS: Final = 1_000_000
#: No event name is longer, and none has characters that no database keeps.
_NAME: Final = re.compile(r"[^\x00\ud800-\udfff]{1,1024}")

_STATUSES: Final[dict[str, SchemaStatus]] = {
    "active": "active",
    "inactive": "inactive",
    "discarded": "discarded",
}


def read_schema(answer: HttpAnswer, hidden: Sequence[Secret]) -> Schema | ResponseError:
    """Return the account's event types, or an error."""
    if answer.body.count(b"{") + answer.body.count(b"[") > _MOST_OBJECTS:
        return MalformedResponseError("it has too many parts", status=answer.status)
    envelope = answer.read_json_object() or {}
    entries = envelope.get("events")
    is_read = answer.status == HTTPStatus.OK and envelope.get("status") != "fail"
    if not is_read or not isinstance(entries, list):
        return make_read_error(answer, hidden, "it has no list of events")
    if len(entries) > _MOST_EVENTS:
        return make_read_error(answer, hidden, "it has too many events")
    events = [event for entry in entries if (event := _read_event(entry))]
    return Schema(
        events={normalise_event_name(event.name): event for event in events},
        limit=EVENT_TYPES,
    )


def _read_event(entry: object) -> SchemaEvent | None:
    if not isinstance(entry, dict):
        return None
    name = entry.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        return None
    status = str(entry.get("status")).casefold()
    kind = str(entry.get("type")).casefold()
    return SchemaEvent(
        name=name,
        status=_STATUSES.get(status, "active"),
        is_defined=kind != "undefined",
    )
