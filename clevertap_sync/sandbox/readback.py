"""The calls with which one asks CleverTap what arrived: profiles, events, counts.

Three requests at a time for each account, as documented. Events and counts are read from
the records that are still kept; profiles are complete.

References:
https://developer.clevertap.com/docs/get-user-profile-api
https://developer.clevertap.com/docs/get-events-api
https://developer.clevertap.com/docs/get-event-count-api
"""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import authenticate
from clevertap_sync.sandbox.answers import (
    MALFORMED,
    TOO_MANY,
    Answer,
    failure,
    json_answer,
    usual,
)
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.faults import Fault
from clevertap_sync.sandbox.limits import LATEST_SECOND
from clevertap_sync.sandbox.state import State
from clevertap_sync.sandbox.store import Arrival
from clevertap_sync.sandbox.validation import identity_of

_KINDS = ("identity", "email", "objectId")
_BATCH = 5_000
_NO_FAULT = Fault()


class Property(msgspec.Struct):
    """A condition on one property of the events that are asked for."""

    name: str
    value: str | int | float | bool
    operator: str = "equals"


class Query(msgspec.Struct):
    """Which events are asked for: name and days, UTC, as YYYYMMDD."""

    event_name: str
    from_: int = msgspec.field(name="from")
    to: int
    event_properties: list[Property] = []


def profile(state: State, location: Location, exchange: Exchange) -> None:
    """Answer with one person's events, how often and when."""

    def read(_: bytes) -> Answer:
        asked = [
            (kind, exchange.query[kind]) for kind in _KINDS if kind in exchange.query
        ]
        if len(asked) != 1:
            return failure(HTTPStatus.BAD_REQUEST, "Incorrect Usage")
        with state.world.condition:
            record = state.store.people[location].find(*asked[0])
        if record is None:
            return _not_found(state.desks[location].rules.profile_not_found)
        return json_answer(HTTPStatus.OK, {"status": "success", "record": record})

    answer_read(state, location, exchange, read)


def _not_found(form: str) -> Answer:
    """Return one of the three forms that are documented for an unknown profile."""
    if form == "null":
        return json_answer(HTTPStatus.OK, {"status": "success", "record": None})
    status = HTTPStatus.OK if form == "fail" else HTTPStatus.NOT_FOUND
    body = failure(HTTPStatus.NOT_FOUND, "Profile not found")
    return body._replace(status=status)


def event_count(state: State, location: Location, exchange: Exchange) -> None:
    """Answer how many events there are."""

    def read(body: bytes) -> Answer:
        query = _query(state, location, body)
        if isinstance(query, Answer):
            return query
        count = sum(1 for _ in _matching(state, location, query))
        return json_answer(HTTPStatus.OK, {"status": "success", "count": count})

    answer_read(state, location, exchange, read)


def events(state: State, location: Location, exchange: Exchange) -> None:
    """Answer a query with a cursor, and a cursor with events and the next cursor."""

    def start(body: bytes) -> Answer:
        query = _query(state, location, body)
        if isinstance(query, Answer):
            return query
        cursor = _cursor(query, 0)
        return json_answer(HTTPStatus.OK, {"cursor": cursor, "status": "success"})

    def go_on(_: bytes) -> Answer:
        try:
            query, offset = _read_cursor(exchange.query.get("cursor", ""))
        except ValueError:
            return failure(HTTPStatus.BAD_REQUEST, "Incorrect Usage")
        return _page(state, location, query, offset)

    answer_read(
        state, location, exchange, start if exchange.method == "POST" else go_on
    )


def answer_read(
    state: State,
    location: Location,
    exchange: Exchange,
    read: Callable[[bytes], Answer],
) -> None:
    """Answer what `read` makes of the body, if the caller may ask, and ask now."""
    desk = state.desks[location]
    refusal = authenticate(location, exchange.headers, desk.rules)
    seats = 0 if refusal else desk.rules.reads_in_flight
    with desk.seat("read", seats) as admitted:
        request = state.store.begin(location, exchange.path)
        body = exchange.read_body(desk.rules.body_bytes)
        if refusal is None and not admitted:
            refusal = TOO_MANY
        taken, releases = (None, 0) if refusal else desk.take_fault("reads")
        fault = taken or _NO_FAULT
        _wait(state, fault, releases)
        answer = refusal or (body if isinstance(body, Answer) else read(body))
        answer = answer if fault.status is None else usual(fault.status)
    state.store.end(request, answer.status)
    exchange.deliver(answer, fault, keep_alive=desk.rules.keep_alive)


def _wait(state: State, fault: Fault, releases: int) -> None:
    delay = fault.delay_before_storing + fault.delay_after_storing
    if delay:
        state.world.sleep(delay)
    if fault.hold:
        state.world.wait_for_release(releases)


def _query(state: State, location: Location, body: bytes) -> Query | Answer:
    """Return the query in `body`, or what CleverTap answers to a wrong one.

    An unknown name and a day in the future are refusals within a 200.
    """
    try:
        query = msgspec.json.decode(body, type=Query)
    except (ValueError, RecursionError):
        return MALFORMED
    if query.event_name not in state.store.events[location]:
        return _refusal(HTTPStatus.BAD_REQUEST, f"Invalid event : {query.event_name}")
    if query.to > _day(state.world.now()):
        return _refusal(4002, "To date cannot be in the future")
    return query


def _refusal(code: int, error: str) -> Answer:
    return json_answer(
        HTTPStatus.OK, {"status": "fail", "error": error, "code": int(code)}
    )


def _day(instant: float) -> int:
    return int(datetime.fromtimestamp(instant, UTC).strftime("%Y%m%d"))


def _ts(arrival: Arrival) -> int:
    return min(int(arrival.record.get("ts", arrival.at)), LATEST_SECOND)


def _matching(state: State, location: Location, query: Query) -> Iterator[Arrival]:
    for arrival in state.store.arrivals(location=location):
        if arrival.record.get("evtName") != query.event_name:
            continue
        if query.from_ <= _day(_ts(arrival)) <= query.to and all(
            arrival.record["evtData"].get(wanted.name) == wanted.value
            for wanted in query.event_properties
        ):
            yield arrival


def _page(state: State, location: Location, query: Query, offset: int) -> Answer:
    found = list(_matching(state, location, query))
    page = found[offset : offset + _BATCH]
    answer: dict[str, Any] = {"status": "success"}
    if offset + _BATCH < len(found):
        answer["next_cursor"] = _cursor(query, offset + _BATCH)
    answer["records"] = [_event(arrival) for arrival in page]
    return json_answer(HTTPStatus.OK, answer)


def _event(arrival: Arrival) -> dict[str, Any]:
    kind, identity = identity_of(arrival.record)
    instant = datetime.fromtimestamp(_ts(arrival), UTC)
    return {
        "profile": {kind: identity},
        "ts": int(instant.strftime("%Y%m%d%H%M%S")),
        "event_props": arrival.record["evtData"],
        "session_props": {},
    }


def _cursor(query: Query, offset: int) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((query, offset))).decode()


def _read_cursor(text: str) -> tuple[Query, int]:
    """Return what a cursor stands for. Raises ValueError for one that we did not make."""
    return msgspec.json.decode(base64.urlsafe_b64decode(text), type=tuple[Query, int])
