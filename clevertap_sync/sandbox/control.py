"""The sandbox's own addresses under `/_sandbox/`: its page, its state, its switches."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import msgspec

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import page
from clevertap_sync.sandbox.answers import Answer
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.faults import decode_switch_order
from clevertap_sync.sandbox.glimpse import list_readback
from clevertap_sync.sandbox.state import State

PREFIX = "/_sandbox"
_MOST_RECORDS = 10_000
_MOST_BYTES = 1024 * 1024
_STATIC = Path(__file__).parent / "static"

_JSON = (("content-type", "application/json"), ("cache-control", "no-store"))
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE = (
    ("content-security-policy", _POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
)


class ResetOrder(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /_sandbox/reset` takes, if it takes anything."""

    keep_switches: bool = False


_decode_reset_order: Final = msgspec.json.Decoder(ResetOrder).decode


def answer(state: State, exchange: Exchange) -> None:
    """Answer a request to one of the sandbox's own addresses."""
    body = exchange.read_body(_MOST_BYTES)
    if isinstance(body, bytes):
        exchange.send(_answer(state, exchange, body))
    else:
        exchange.send(body)


def _answer(state: State, exchange: Exchange, body: bytes) -> Answer:
    path = exchange.path.removeprefix(PREFIX) or "/"
    if exchange.method == "GET" and path in _READ:
        reply = _read(state, path, exchange.query)
    elif exchange.method == "POST" and path in _ORDERS:
        reply = _obey(state, path, body)
    elif path in _READ or path in _ORDERS:
        reply = _problem(
            HTTPStatus.METHOD_NOT_ALLOWED, "This address has other methods."
        )
    else:
        reply = _problem(HTTPStatus.NOT_FOUND, "The sandbox has no such address.")
    return reply


def _read(state: State, path: str, query: dict[str, str]) -> Answer:
    try:
        return _READ[path](state, query)
    except ValueError as exc:
        return _problem(HTTPStatus.BAD_REQUEST, str(exc))


def _json(value: object, status: int = HTTPStatus.OK) -> Answer:
    return Answer(status, msgspec.json.encode(value), _JSON)


def _problem(status: int, detail: str) -> Answer:
    return _json({"error": detail}, status)


def _page(state: State, query: dict[str, str]) -> Answer:
    html = page.render(state, query.get("location", ""))
    headers = (("content-type", "text/html; charset=utf-8"), *_SAFE)
    return Answer(HTTPStatus.OK, html.encode(), headers)


def _static(name: str, content_type: str) -> Callable[[State, dict[str, str]], Answer]:
    def read(_: State, __: dict[str, str]) -> Answer:
        headers = (("content-type", content_type), *_SAFE)
        return Answer(HTTPStatus.OK, (_STATIC / name).read_bytes(), headers)

    return read


def _state(state: State, _: dict[str, str]) -> Answer:
    return _json(state.summary())


def _records(state: State, query: dict[str, str]) -> Answer:
    """Answer with records in the order of arrival, each with its number.

    `missed` counts those after `since` that are no longer kept.
    """
    since = _number(query, "since", 0)
    limit = min(_number(query, "limit", _MOST_RECORDS), _MOST_RECORDS)
    location = Location(query["location"]) if query.get("location") else None
    records: list[dict[str, Any]] = []
    for arrival in state.store.arrivals(since, location):
        if len(records) == limit:
            break
        records.append(arrival._asdict())
    missed = max(0, state.store.first_kept() - since - 1)
    return _json(
        {"records": records, "missed": missed, "last_number": state.store.last_number}
    )


def _requests(state: State, query: dict[str, str]) -> Answer:
    since = _number(query, "since", 0)
    with state.world.condition:
        chosen = [each for each in state.store.requests if each.number > since]
        return _json({"requests": chosen})


def _counts(state: State, _: dict[str, str]) -> Answer:
    """Answer with every (location, identity, event name), its count, first and last."""
    with state.world.condition:
        rows = [
            (location, identity, name, *seen)
            for location, people in state.store.people.items()
            for identity, name, seen in people.counts()
        ]
    return _json({"counts": rows})


def _readback(state: State, _: dict[str, str]) -> Answer:
    """Answer with what is stored of each event name, and what reading shows of it."""
    return _json({place: list_readback(state, place) for place in Location})


def _errors(state: State, _: dict[str, str]) -> Answer:
    with state.world.condition:
        return _json({"errors": [each._asdict() for each in state.store.lost]})


def _switches(state: State, _: dict[str, str]) -> Answer:
    return _json({place: desk.describe() for place, desk in state.desks.items()})


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else default


def _obey(state: State, path: str, body: bytes) -> Answer:
    try:
        _ORDERS[path](state, body or b"{}")
    except (ValueError, RecursionError) as exc:
        return _problem(HTTPStatus.BAD_REQUEST, f"Nothing was changed: {exc}")
    return _json({"ok": True})


def _switch(state: State, body: bytes) -> None:
    state.obey(decode_switch_order(body))


def _reset(state: State, body: bytes) -> None:
    order = _decode_reset_order(body)
    state.reset(keep_switches=order.keep_switches)


def _release(state: State, _: bytes) -> None:
    state.world.release()


_READ: dict[str, Callable[[State, dict[str, str]], Answer]] = {
    "/": _page,
    "/style.css": _static("style.css", "text/css; charset=utf-8"),
    "/refresh.js": _static("refresh.js", "text/javascript; charset=utf-8"),
    "/icon.svg": _static("icon.svg", "image/svg+xml"),
    "/state": _state,
    "/records": _records,
    "/requests": _requests,
    "/counts": _counts,
    "/readback": _readback,
    "/errors": _errors,
    "/switches": _switches,
}
_ORDERS: dict[str, Callable[[State, bytes], None]] = {
    "/switches": _switch,
    "/reset": _reset,
    "/release": _release,
}
