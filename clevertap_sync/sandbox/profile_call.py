"""`/1/profile.json`: what CleverTap knows of one person.

Reference: https://developer.clevertap.com/docs/get-user-profile-api
"""

from http import HTTPStatus

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.account import NOT_KEPT, Account, NotKeptError
from clevertap_sync.sandbox.answers import Answer, failure, json_answer
from clevertap_sync.sandbox.calls import answer_read
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.state import State

_KINDS = ("identity", "email", "objectId")


def profile(state: State, location: Location, exchange: Exchange) -> None:
    """Answer with one person's events, how often and when."""

    def read(_: bytes) -> Answer:
        asked = [
            (kind, exchange.query[kind]) for kind in _KINDS if kind in exchange.query
        ]
        if len(asked) != 1:
            return failure(HTTPStatus.BAD_REQUEST, "Incorrect Usage")
        account = Account(state, location, "profile")
        try:
            people = account.profiles()
        except NotKeptError:
            return NOT_KEPT
        with state.world.condition:
            record = people.find(*asked[0])
        if record is None:
            return _not_found(account.rules.profile_not_found)
        return json_answer(HTTPStatus.OK, {"status": "success", "record": record})

    answer_read(state, location, exchange, "profile", read)


def _not_found(form: str) -> Answer:
    """Return one of the three forms that are documented for an unknown profile."""
    if form == "null":
        return json_answer(HTTPStatus.OK, {"status": "success", "record": None})
    status = HTTPStatus.OK if form == "fail" else HTTPStatus.NOT_FOUND
    body = failure(HTTPStatus.NOT_FOUND, "Profile not found")
    return body._replace(status=status)
