"""`/1/counts/events.json`: how many events there are, at once or after asking again.

References:
https://developer.clevertap.com/docs/get-event-count-api
https://support.clevertap.com/docs/api/working-with-counts.html
"""

from collections.abc import Iterable
from http import HTTPStatus

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.account import NOT_KEPT, Account, NotKeptError
from clevertap_sync.sandbox.answers import Answer, json_answer
from clevertap_sync.sandbox.calls import answer_read, refuse_within
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.promises import Promise
from clevertap_sync.sandbox.query import Query
from clevertap_sync.sandbox.rules import Rules
from clevertap_sync.sandbox.state import State
from clevertap_sync.sandbox.validation import identity_of

#: Two significant digits are kept.
_SIGNIFICANT = 100
_TENTH = 10
_HASH = 2_654_435_761


def event_count(state: State, location: Location, exchange: Exchange) -> None:
    """Answer how many events there are, or with a `req_id` to ask again with."""

    def start(body: bytes) -> Answer:
        account = Account(state, location, "counts")
        query = account.query(body)
        if isinstance(query, Answer):
            return query
        try:
            count = count_events(account, query)
        except NotKeptError:
            return NOT_KEPT
        rules = account.rules
        if not rules.partial_rounds or count <= rules.partial_above:
            return _found(count)
        ends = account.now + rules.request_id_seconds
        promise = Promise(count, rules.partial_rounds - 1, ends)
        return _partial(state.promises[location].promise(promise))

    def go_on(_: bytes) -> Answer:
        request_id = exchange.query.get("req_id", "")
        try:
            count = state.promises[location].ask(request_id, state.world.now())
        except KeyError:
            return refuse_within(HTTPStatus.BAD_REQUEST, "Invalid request id")
        return _partial(request_id) if count is None else _found(count)

    asks = start if exchange.method == "POST" else go_on
    answer_read(state, location, exchange, "counts", asks)


def _found(count: int) -> Answer:
    return json_answer(HTTPStatus.OK, {"status": "success", "count": count})


def _partial(request_id: str) -> Answer:
    return json_answer(HTTPStatus.OK, {"req_id": request_id, "status": "partial"})


def count_events(account: Account, query: Query) -> int:
    """Return the count in the form that the account's counts have.

    Raises NotKeptError where that needs records that are no longer kept.
    """
    rules = account.rules
    if rules.counts == "users":
        return len({_person(each.record, rules) for each in account.events(query)})
    if query.event_properties:
        parts = [(each.number, 1) for each in account.events(query)]
    else:
        parts = list(account.count_by_quarter(query).items())
    count = sum(part for _, part in parts)
    if rules.counts == "rounded":
        return _round(count)
    if rules.counts == "sampled" and count > rules.sample_above:
        return _sample(parts)
    return count


def _person(record: dict[str, object], rules: Rules) -> str:
    kind, identity = identity_of(record)
    return f"{kind} {rules.merged_identities.get(identity, identity)}"


def _round(count: int) -> int:
    step = 1
    while count >= _SIGNIFICANT * step:
        step *= 10
    return (count + step // 2) // step * step


def _sample(parts: Iterable[tuple[int, int]]) -> int:
    """Return ten times what is in a sample of a tenth, always the same one."""
    return _TENTH * sum(
        count // _TENTH + (key * _HASH // 2**16 % _TENTH < count % _TENTH)
        for key, count in parts
    )
