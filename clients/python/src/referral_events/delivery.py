"""Sending a batch: halved where it is too large, and its answer held to what was sent."""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from referral_events.batches import join_batch
from referral_events.errors import RequestRefusedError
from referral_events.responses import Answer, refuse
from referral_events.transport import Transport

#: Problems of a request that its halves may not have. `unstorable` is one event's.
_OF_SIZE: Final = frozenset(
    {"too-large", "too-many-events", "too-many-values", "unstorable"}
)
_TOO_LARGE: Final = 413
_LONGEST_ID: Final = 200

#: What the server says of one event: `index`, `id`, `status` and what belongs to it.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """What is asked of the server for each item of a batch."""

    method: str
    path: str
    items: str
    params: Mapping[str, str] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether two requests would not be the same as one: all or nothing."""
        return bool(self.params and "strict" in self.params)


SEND: Final = Call("POST", "/v1/events", "events")
SEND_STRICTLY: Final = replace(SEND, params={"strict": "1"})
PREVIEW: Final = replace(SEND, params={"dry_run": "1"})
TELL_PEOPLE: Final = Call("PUT", "/v1/people", "people")


def send_batch(
    transport: Transport,
    call: Call,
    bodies: Sequence[bytes],
    *,
    patience: float,
    stop: threading.Event | None = None,
    offset: int = 0,
) -> list[Row]:
    """Return what became of each of these items; `offset` counts those before.

    Raises as `Transport.request` does. What it had sent by then is stored; sent again with
    the same ids, it is a duplicate.
    """
    answer = transport.request(
        call.method,
        call.path,
        data=join_batch(bodies, call.items),
        params=call.params,
        patience=patience,
        stop=stop,
    )
    if "results" in answer.body:
        return _read_rows(answer, bodies, offset)
    if not _is_too_much(answer):
        raise refuse(answer)
    if len(bodies) == 1:
        return [_refuse_alone(answer, bodies[0], offset)]
    if call.is_whole:
        raise _refuse_to_halve(answer)
    middle = len(bodies) // 2
    rows: list[Row] = []
    for part, start in ((bodies[:middle], 0), (bodies[middle:], middle)):
        rows += send_batch(
            transport,
            call,
            part,
            patience=patience,
            stop=stop,
            offset=offset + start,
        )
    return rows


def _read_rows(answer: Answer, bodies: Sequence[bytes], offset: int) -> list[Row]:
    """Return the answer's rows, one for each event.

    An answer that leaves one out says nothing of it: it may be no answer of the API.
    """
    rows = answer.body["results"]
    if not (
        isinstance(rows, list)
        and len(rows) == len(bodies)
        and all(isinstance(each, dict) and "status" in each for each in rows)
    ):
        detail = "the answer does not say of each event what became of it."
        raise RequestRefusedError(answer.status, "", detail)
    return [
        {**row, "index": offset + number, "id": row.get("id") or _read_id(body)}
        for number, (row, body) in enumerate(zip(rows, bodies, strict=True))
    ]


def _is_too_much(answer: Answer) -> bool:
    """Return whether fewer events may do. A proxy's 413 names no problem."""
    if answer.problem:
        return answer.problem in _OF_SIZE
    return answer.status == _TOO_LARGE


def _refuse_alone(answer: Answer, body: bytes, offset: int) -> Row:
    return {
        "index": offset,
        "id": _read_id(body),
        "status": "rejected",
        "code": (answer.problem or "too-large").replace("-", "_"),
        "detail": answer.body.get("detail") or "The event is too large.",
    }


def _refuse_to_halve(answer: Answer) -> RequestRefusedError:
    title, detail = answer.body.get("title", ""), "A strict request is not halved."
    return RequestRefusedError(
        answer.status, str(title), detail, problem=answer.problem
    )


def _read_id(body: bytes) -> str | None:
    """Return the id that an event was given, where the server does not repeat it."""
    found = json.loads(body).get("id")
    if isinstance(found, str) and found.isascii() and found.isprintable():
        return found[:_LONGEST_ID]
    return None
