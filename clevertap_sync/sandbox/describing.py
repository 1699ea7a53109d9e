"""`/getSchema`: which event types an account has, and what it has defined of them.

Both methods are taken: the page says GET, and its examples POST. `events`, `name` and the
words of `status` were seen in public code and pages; the other names are guesses, all here.

References:
https://developer.clevertap.com/docs/get-schema
https://docs.clevertap.com/docs/schema
"""

from collections import Counter
from http import HTTPStatus
from typing import Any

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.account import Account
from clevertap_sync.sandbox.answers import Answer, failure, json_answer
from clevertap_sync.sandbox.calls import answer_read
from clevertap_sync.sandbox.event_types import EventType
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.limits import normalised
from clevertap_sync.sandbox.schema import PropertyRule
from clevertap_sync.sandbox.state import State

#: `eventCount` is known to be unreliable. Guess: it is what it was so long ago.
_COUNT_SECONDS = 3600


def schema(state: State, location: Location, exchange: Exchange) -> None:
    """Answer with the event types, or with the properties of people: none are kept."""

    def read(_: bytes) -> Answer:
        match exchange.query.get("type"):
            case "events":
                found = _events(state, location)
            case "userProperties":
                found = []
            case _:
                return failure(HTTPStatus.BAD_REQUEST, "Incorrect Usage")
        answer = {"status": "success", exchange.query["type"]: found}
        return json_answer(HTTPStatus.OK, answer)

    answer_read(state, location, exchange, "schema", read)


def _events(state: State, location: Location) -> list[dict[str, Any]]:
    account = Account(state, location, "schema")
    counts: Counter[str] = Counter()
    for (name, _), count in account.counts(account.now - _COUNT_SECONDS).items():
        counts[normalised(name)] += count
    rules = {
        normalised(name): each.properties
        for name, each in account.rules.schema.events.items()
    }
    return [
        _event(event, counts[folded], rules.get(folded, {}))
        for folded, event in account.event_types().items()
    ]


def _event(
    event: EventType, count: int, properties: dict[str, PropertyRule]
) -> dict[str, Any]:
    return {
        "name": event.name,
        "type": "Defined" if event.is_defined else "Undefined",
        "status": event.status,
        "eventCount": count,
        "properties": [_property(name, rule) for name, rule in properties.items()],
    }


def _property(name: str, rule: PropertyRule) -> dict[str, Any]:
    return {
        "name": name,
        "type": "Defined",
        "status": "Discarded" if rule.discarded else "Active",
        "dataType": rule.type,
        "required": rule.required,
    }
