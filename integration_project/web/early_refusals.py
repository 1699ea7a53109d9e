"""Refusals that need no thread: there is none to be had, or nothing worth one."""

import logging
from http import HTTPStatus
from time import monotonic
from typing import Final

from integration_project.observability import context
from integration_project.observability.request_durations import (
    NOT_SERVED,
    count_refused_early,
)
from integration_project.web.calls import Call
from integration_project.web.heads import explain_fault
from integration_project.web.responses import WebAnswer, convert_response, make_answer
from referrals.api.edge import is_hook_path
from referrals.api.problems import (
    BUSY,
    OVER_SHARE,
    RETRY_SECONDS,
    ProblemError,
    make_retry_later,
)
from referrals.api.request_id import HEADER, choose_request_id
from referrals.hooks.edge import answer_refused, note_large_head

logger: Final = logging.getLogger("integration_project.request")

_TEXT: Final = b"text/plain; charset=utf-8"
_FAULT_ANSWER: Final = make_answer(
    500,
    [(b"content-type", _TEXT), (b"cache-control", b"no-store")],
    b"The request met a fault of the server, which has been logged.\n",
)


def answer_head_fault(status: HTTPStatus, path: str) -> WebAnswer:
    """Return the answer to a head that is too large. Its app is not known yet."""
    text = explain_fault(status)
    if is_hook_path(path):
        note_large_head(path)
        text = b""
    return make_answer(status.value, [(b"content-type", _TEXT)], text)


def answer_fault(call: Call) -> WebAnswer:
    """Return the answer to a request that met a fault of ours; of a hook, "busy"."""
    return _make_busy_answer(call) if call.is_hook else _FAULT_ANSWER


def make_over_share_problem() -> ProblemError:
    """Return the problem of an app that has its share while another app waits."""
    return make_retry_later(
        OVER_SHARE,
        "This app has as many requests here as its share of the server allows while "
        "another app is waiting. Nothing of this one was read: send it again in a few "
        "seconds, fewer at a time, and more events in each.",
    )


def make_busy_problem() -> ProblemError:
    """Return the problem of a request for which there is no room, or no time."""
    return make_retry_later(
        BUSY,
        "The server has more to do than it can hold. Nothing of this request was read: "
        "send it again in a few seconds.",
    )


def answer_refusal(call: Call, problem: ProblemError) -> WebAnswer:
    """Return the answer to a refused call, and log and count it like every other request."""
    sent = call.environ.get("HTTP_X_REQUEST_ID", "")
    name = choose_request_id(sent, call.path)
    answer = _make_refusal(call, problem)
    answer.headers.append((HEADER.lower().encode(), name.encode()))
    _note(call, problem, answer.status, name)
    return answer


def _make_refusal(call: Call, problem: ProblemError) -> WebAnswer:
    if call.is_hook:
        return _make_busy_answer(call)
    if call.is_api:
        return convert_response(problem.response())
    text = f"{problem.kind.title}. Try again in a few seconds.\n"
    return make_answer(
        int(problem.kind.status),
        [
            (b"content-type", _TEXT),
            (b"cache-control", b"no-store"),
            (b"retry-after", str(RETRY_SECONDS).encode()),
        ],
        text.encode(),
    )


def _make_busy_answer(call: Call) -> WebAnswer:
    """Return what asks a platform to call again. It reads the status alone."""
    return convert_response(answer_refused(call.path))


def _note(call: Call, problem: ProblemError, status: int, name: str) -> None:
    """Log the call and count how long it was here."""
    count_refused_early(
        call.method, status, monotonic() - call.began, is_api=call.is_api
    )
    token = context.request_id.set(name)
    fields = {
        "method": call.method if call.method.isalpha() else "",
        # No route was looked for.
        "path": NOT_SERVED,
        "status": status,
        "reason": problem.kind.slug,
    }
    logger.warning("request", extra=fields)
    context.request_id.reset(token)
