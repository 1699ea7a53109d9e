"""What every call but the upload has in common: who may ask, how many at a time, faults.

Reference: https://developer.clevertap.com/docs/api-request-limit
"""

from collections.abc import Callable
from http import HTTPStatus

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import authenticate
from clevertap_sync.sandbox.answers import TOO_MANY, Answer, failure, json_answer, usual
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.faults import Fault
from clevertap_sync.sandbox.rules import Rules
from clevertap_sync.sandbox.state import State

_NO_FAULT = Fault()
# Guesses, both: the status is inferred, the words are ours.
_MAY_NOT_READ = failure(HTTPStatus.FORBIDDEN, "Forbidden")
_LOCKED = failure(HTTPStatus.FORBIDDEN, "Account usage limit exceeded")


def answer_read(
    state: State,
    location: Location,
    exchange: Exchange,
    api: str,
    read: Callable[[bytes], Answer],
) -> None:
    """Answer what `read` makes of the body, if this passcode may read, and now."""
    rules = state.desks[location].rules
    refusal = _refuse_reading(rules, state.world.now())
    answer_call(
        state,
        location,
        exchange,
        api,
        read if refusal is None else lambda _: refusal,
    )


def answer_call(
    state: State,
    location: Location,
    exchange: Exchange,
    api: str,
    read: Callable[[bytes], Answer],
) -> None:
    """Answer what `read` makes of the body, if the caller may ask, and ask now.

    An account has a limited number of seats for each `api`.
    """
    desk = state.desks[location]
    refusal = authenticate(location, exchange.headers, desk.rules)
    seats = 0 if refusal else desk.rules.reads_in_flight
    with desk.seat(api, seats) as admitted:
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


def refuse_within(code: int, error: str) -> Answer:
    """Return a refusal as the reading calls word it: a failure within a 200."""
    return json_answer(
        HTTPStatus.OK, {"status": "fail", "error": error, "code": int(code)}
    )


def _refuse_reading(rules: Rules, now: float) -> Answer | None:
    if not rules.may_read:
        return _MAY_NOT_READ
    since = rules.locked_since
    is_locked = since is not None and now >= since
    return _LOCKED if is_locked and rules.locked_queries == "refuse" else None


def _wait(state: State, fault: Fault, releases: int) -> None:
    delay = fault.delay_before_storing + fault.delay_after_storing
    if delay:
        state.world.sleep(delay)
    if fault.hold:
        state.world.wait_for_release(releases)
