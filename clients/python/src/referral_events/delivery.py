"""Sending a batch: halved where it is too large, read event by event."""

import threading
from collections.abc import Mapping, Sequence
from typing import Final

from referral_events.answers import Refusal, Result, read_answer
from referral_events.batches import join_batch
from referral_events.errors import RequestRefusedError
from referral_events.transport import Answer, Transport

PATH: Final = "/v1/events"
#: Problems of a request that its halves may not have. `unstorable` is one event's.
_OF_SIZE: Final = frozenset(
    {"too-large", "too-many-events", "too-many-values", "unstorable"}
)

Answers = tuple[list[Result], list[Refusal]]


def send_batch(
    transport: Transport,
    bodies: Sequence[bytes],
    *,
    patience: float,
    params: Mapping[str, str] | None = None,
    stop: threading.Event | None = None,
    offset: int = 0,
) -> Answers:
    """Return the results and the refusals of these events; `offset` counts those before.

    Raises as `Transport.request` does. What it had sent by then is stored; sent again with
    the same ids, it is a duplicate.
    """
    answer = transport.request(
        "POST",
        PATH,
        data=join_batch(bodies),
        params=params,
        patience=patience,
        stop=stop,
    )
    if "results" in answer.body:
        return read_answer(answer.body, offset)
    if not _is_too_much(answer):
        title, detail = answer.body.get("title", ""), answer.body.get("detail", "")
        raise RequestRefusedError(answer.status, str(title), str(detail))
    if len(bodies) == 1:
        return [], [_refuse_alone(answer, offset)]
    if params and params.get("strict"):
        # Two requests would not be all or nothing.
        raise RequestRefusedError(
            answer.status,
            str(answer.body.get("title", "")),
            "A strict request is not halved.",
        )
    middle = len(bodies) // 2
    results, refusals = [], []
    for part, start in ((bodies[:middle], 0), (bodies[middle:], middle)):
        taken, refused = send_batch(
            transport,
            part,
            patience=patience,
            params=params,
            stop=stop,
            offset=offset + start,
        )
        results += taken
        refusals += refused
    return results, refusals


def _is_too_much(answer: Answer) -> bool:
    """Return whether fewer events may do. A proxy's 413 names no problem."""
    problem = str(answer.body.get("type", "")).rpartition("#problem-")[2]
    return problem in _OF_SIZE if problem else answer.status == 413  # noqa: PLR2004 - too large


def _refuse_alone(answer: Answer, offset: int) -> Refusal:
    code = str(answer.body.get("type", "")).rpartition("#problem-")[2] or "too-large"
    detail = str(answer.body.get("detail") or "The event is too large.")
    return Refusal(offset, None, code.replace("-", "_"), "", detail)
