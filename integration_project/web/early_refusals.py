"""Refusals that need no thread: there is none to be had, or nothing worth one."""

import logging
from http import HTTPStatus
from typing import Final

from integration_project.observability import context
from integration_project.web.calls import Call
from integration_project.web.heads import explain_fault
from integration_project.web.responses import WebAnswer, make_answer
from referrals.api.problems import (
    BUSY,
    OVER_SHARE,
    RETRY_SECONDS,
    ProblemError,
    make_retry_later,
)
from referrals.api.request_id import HEADER, choose_request_id

logger: Final = logging.getLogger("integration_project.request")

_TEXT: Final = b"text/plain; charset=utf-8"
FAULT_ANSWER: Final = make_answer(
    500,
    [(b"content-type", _TEXT), (b"cache-control", b"no-store")],
    b"The request met a fault of the server, which has been logged.\n",
)


def answer_head_fault(status: HTTPStatus) -> WebAnswer:
    """Return the answer to a head that is too large. Its app is not known yet."""
    return make_answer(status.value, [(b"content-type", _TEXT)], explain_fault(status))


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
    """Return the answer to a refused call, and log the call like every other request."""
    name = choose_request_id(call.environ.get("HTTP_X_REQUEST_ID", ""))
    _log(call, problem, name)
    if call.is_api:
        response = problem.response()
        headers, body = response.headers.items(), response.content
    else:
        headers = {
            "Content-Type": _TEXT.decode(),
            "Cache-Control": "no-store",
            "Retry-After": str(RETRY_SECONDS),
        }.items()
        body = f"{problem.kind.title}. Try again in a few seconds.\n".encode()
    return make_answer(
        int(problem.kind.status),
        [
            *((n.lower().encode(), v.encode()) for n, v in headers),
            (HEADER.lower().encode(), name.encode()),
        ],
        body,
    )


def _log(call: Call, problem: ProblemError, name: str) -> None:
    token = context.request_id.set(name)
    fields = {
        "method": call.method if call.method.isalpha() else "",
        # No route was looked for.
        "path": "(not served)",
        "status": int(problem.kind.status),
        "reason": problem.kind.slug,
    }
    logger.warning("request", extra=fields)
    context.request_id.reset(token)
