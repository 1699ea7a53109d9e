"""`/1/events.json`: the events themselves, a page at a time.

Reference: https://developer.clevertap.com/docs/get-events-api
"""

import base64
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import msgspec

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.account import NOT_KEPT, Account, NotKeptError
from clevertap_sync.sandbox.answers import Answer, failure, json_answer
from clevertap_sync.sandbox.calls import answer_read, refuse_within
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.limits import LARGEST_PAGE, PAGE_MULTIPLE
from clevertap_sync.sandbox.query import Query, local_time
from clevertap_sync.sandbox.rules import Rules
from clevertap_sync.sandbox.state import State
from clevertap_sync.sandbox.store import Arrival
from clevertap_sync.sandbox.validation import identity_of

_IN_PROGRESS = 2
_WRONG_CURSOR = failure(HTTPStatus.BAD_REQUEST, "Incorrect Usage")


class Cursor(msgspec.Struct, frozen=True):
    """Where an export stands. Instants are Unix seconds."""

    query: Query
    size: int
    #: The number of the last record on the page before.
    after: int
    began: float
    #: When it was given out.
    given: float


_decode: Final = msgspec.json.Decoder(Cursor).decode


def events(state: State, location: Location, exchange: Exchange) -> None:
    """Answer a query with a cursor, and a cursor with events and the next cursor."""

    def start(body: bytes) -> Answer:
        account = Account(state, location, "events")
        query = account.query(body)
        if isinstance(query, Answer):
            return query
        size = _page_size(exchange.query.get("batch_size", ""), account.rules)
        cursor = Cursor(query, size, 0, account.now, account.now)
        answer = {"cursor": _write(cursor), "status": "success"}
        return json_answer(HTTPStatus.OK, answer)

    def go_on(_: bytes) -> Answer:
        account, text = (
            Account(state, location, "events"),
            exchange.query.get("cursor", ""),
        )
        try:
            cursor = _read(text)
        except ValueError:
            return _WRONG_CURSOR
        if _has_expired(cursor, account):
            return _WRONG_CURSOR
        rounds = account.rules.in_progress_rounds
        if state.promises[location].is_in_progress(text, rounds):
            error = "Request still in progress, please retry later"
            return refuse_within(_IN_PROGRESS, error)
        try:
            return _page(account, cursor)
        except NotKeptError:
            return NOT_KEPT

    asks = start if exchange.method == "POST" else go_on
    answer_read(state, location, exchange, "events", asks)


def _page_size(asked: str, rules: Rules) -> int:
    """Return how many events a page has: a multiple, and never as few as one likes."""
    wanted = int(asked) if asked.isascii() and asked.isdigit() else LARGEST_PAGE
    whole = min(wanted, LARGEST_PAGE) // PAGE_MULTIPLE * PAGE_MULTIPLE
    return max(whole, rules.smallest_page)


def _has_expired(cursor: Cursor, account: Account) -> bool:
    """Return whether a cursor has. Guess: it is answered as one that never was."""
    rules, now = account.rules, account.now
    ends = min(
        cursor.began + rules.cursor_seconds, cursor.given + rules.cursor_idle_seconds
    )
    return now >= ends


def _page(account: Account, cursor: Cursor) -> Answer:
    found = account.events(cursor.query, cursor.after)
    page = [arrival for arrival, _ in zip(found, range(cursor.size), strict=False)]
    answer: dict[str, Any] = {"status": "success"}
    if next(found, None) is not None:
        following = msgspec.structs.replace(
            cursor, after=page[-1].number, given=account.now
        )
        answer["next_cursor"] = _write(following)
    answer["records"] = [_event(arrival, account.rules) for arrival in page]
    return json_answer(HTTPStatus.OK, answer)


def _event(arrival: Arrival, rules: Rules) -> dict[str, Any]:
    kind, identity = identity_of(arrival.record)
    ts = arrival.record.get("ts", int(arrival.at))
    return {
        "profile": {kind: rules.merged_identities.get(identity, identity)},
        "ts": local_time(ts, rules),
        "event_props": arrival.record["evtData"],
        "session_props": {},
    }


def _write(cursor: Cursor) -> str:
    """Return a cursor as it is given out: percent-encoded already, to be sent as it is."""
    text = base64.b64encode(msgspec.json.encode(cursor)).decode()
    return quote(f"{text}=", safe="")


def _read(text: str) -> Cursor:
    """Return what a cursor stands for.

    Raises ValueError for one that we did not make, or that was encoded once more.
    """
    if not text.endswith("="):
        msg = "This is no cursor"
        raise ValueError(msg)
    return _decode(base64.b64decode(text[:-1]))
