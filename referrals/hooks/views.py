"""The address that platforms call. Thin: find the source, verify, receive, answer."""

import logging
from datetime import UTC, datetime
from typing import Final

from django.http import HttpRequest
from django.views.decorators.csrf import csrf_exempt

from referrals.api.problems import INCOMPLETE_BODY, ProblemError
from referrals.api.request_id import read_request_id
from referrals.hooks import answers, counting
from referrals.hooks.answers import HookResponse
from referrals.hooks.call_reading import read_call
from referrals.hooks.capture import capture_call
from referrals.hooks.deadline import find_seconds_left
from referrals.hooks.faults import report_fault
from referrals.hooks.known_sources import KnownSource, find_source
from referrals.hooks.receive_call import DEADLINE_SECONDS, receive_call
from referrals.hooks.sample_mark import HEADER, read_sample_mark
from referrals.log import ArchivedAppError
from referrals.sources.call import Call
from referrals.sources.verifiers import Unverified, verify_call

logger: Final = logging.getLogger(__name__)


@csrf_exempt
def answer_hook(
    request: HttpRequest, public_id: str, path_secret: str = ""
) -> HookResponse:
    """Answer a call of a platform. Never raises: the edge."""
    source: KnownSource | None = None
    try:
        source = find_source(public_id)
        return _answer(request, source, path_secret)
    except Exception as error:  # noqa: BLE001 - the edge: nothing may pass
        report_fault(logger, "A hook", error, request)
    return answers.answer_busy(source.preset if source else None)


@csrf_exempt
def answer_nearly_hook(_request: HttpRequest, nowhere: str = "") -> HookResponse:  # noqa: ARG001 - a part of the address
    """Answer an address that looks like a hook's, with too little or too much in it."""
    return answers.answer_unknown()


def _answer(
    request: HttpRequest, source: KnownSource | None, path_secret: str
) -> HookResponse:
    if source is None:
        if request.method not in answers.METHODS:
            return answers.answer_wrong_method()
        return answers.answer_unknown()
    if source.is_archived:
        return answers.answer_archived()
    if request.method not in source.preset.methods:
        return answers.answer_wrong_method(source.preset)
    try:
        call = read_call(request, path_secret)
    except ProblemError as problem:
        return _answer_unreadable(source, problem)
    return _answer_call(
        source,
        call,
        request_id=read_request_id(request),
        seconds=find_seconds_left(request, DEADLINE_SECONDS),
    )


def _answer_unreadable(source: KnownSource, problem: ProblemError) -> HookResponse:
    counting.count_unreadable(source, problem)
    if problem.kind is INCOMPLETE_BODY:
        # It was cut off on its way: the same call may come whole the next time.
        return answers.answer_busy(source.preset)
    return answers.answer_too_large()


def _answer_call(
    source: KnownSource, call: Call, *, request_id: str, seconds: float
) -> HookResponse:
    now = datetime.now(UTC)
    verified = verify_call(source.verifier, call, source.secrets, now=now)
    if isinstance(verified, Unverified):
        counting.count_unverified(source, verified)
        return answers.answer_unverified()
    (mark, *_) = call.find_headers(HEADER) or ("",)
    sample = read_sample_mark(mark, source.public_id, now)
    if not sample:
        capture_call(source, call)
    try:
        received = receive_call(
            source, call, sample=sample, request_id=request_id, seconds=seconds
        )
    except ArchivedAppError:
        return answers.answer_archived()
    counting.count_received(source, received, is_sample=bool(sample))
    if not (received.is_committed or received.is_spooled):
        return answers.answer_busy(source.preset)
    return answers.answer_taken()
