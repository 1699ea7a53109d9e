"""`POST /1/delete/profiles.json`: forgetting people, at once and whole.

The records that arrived stay in the sandbox's own list, which is a test's evidence and
no part of CleverTap; profiles and what is read from them are gone.

Reference: https://developer.clevertap.com/docs/delete-user-profile-api
"""

from http import HTTPStatus
from typing import Final

import msgspec

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.answers import MALFORMED, Answer, failure, json_answer
from clevertap_sync.sandbox.calls import answer_call
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.limits import DELETED_PER_REQUEST
from clevertap_sync.sandbox.state import State


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to delete: by identity or by guid, one or a list, never both kinds."""

    identity: str | list[str] | None = None
    guid: str | list[str] | None = None


_decode: Final = msgspec.json.Decoder(Order).decode


def delete_profiles(state: State, location: Location, exchange: Exchange) -> None:
    """Delete the people that the body names. Whoever is not known is no error."""

    def delete(body: bytes) -> Answer:
        order = _order(body)
        if isinstance(order, Answer):
            return order
        kind, people = order
        gone = state.desks[location].rules.deleted_events == "gone"
        state.store.delete(location, {(kind, each) for each in people}, events=gone)
        return json_answer(HTTPStatus.OK, {"status": "success"})

    answer_call(state, location, exchange, "delete", delete)


def _order(body: bytes) -> tuple[str, list[str]] | Answer:
    """Return the kind of the IDs and the IDs, or what CleverTap answers to a wrong body.

    Guess: only that it is a 400 is documented, not its words.
    """
    try:
        order = _decode(body)
    except (ValueError, RecursionError):
        return MALFORMED
    if (order.identity is None) == (order.guid is None):
        return failure(HTTPStatus.BAD_REQUEST, "Send either identity or guid")
    given = order.guid if order.identity is None else order.identity
    people = [given] if isinstance(given, str) else list(given or ())
    if not 0 < len(people) <= DELETED_PER_REQUEST:
        return failure(HTTPStatus.BAD_REQUEST, "Send 1 to 100 values")
    return ("objectId" if order.identity is None else "identity"), people
