"""The addresses that SDKs of Segment's kind call. Thin: who, read, append, answer."""

import logging
from http import HTTPStatus
from typing import Final

from django.http import HttpRequest
from django.views.decorators.csrf import csrf_exempt

from referrals.api.auth import CallerRefusedError, find_caller, note_use, read_key
from referrals.api.problems import INCOMPLETE_BODY, ProblemError
from referrals.api.refusal_counting import count_refused_caller
from referrals.api.request_id import read_request_id
from referrals.hooks import counting, segment_answers as answers
from referrals.hooks.answers import HookResponse
from referrals.hooks.call_reading import read_call
from referrals.hooks.faults import report_fault
from referrals.hooks.known_sources import KnownSource
from referrals.hooks.receive_call import append_outcomes, check_outcomes
from referrals.hooks.segment_sources import find_segment_source
from referrals.log import ArchivedAppError
from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.schema import EventProblem
from referrals.sources import segment
from referrals.sources.document import Document

#: SDKs wait ten seconds and more, and append 2,500 events at once.
DEADLINE_SECONDS: Final = 5.0

logger: Final = logging.getLogger(__name__)


@csrf_exempt
def answer_segment_call(request: HttpRequest, method: str) -> HookResponse:
    """Answer a call of an SDK to `/v1/{method}`. Never raises: the edge."""
    if request.method != "POST":
        return answers.answer_wrong_method()
    try:
        return _answer(request, method)
    except CallerRefusedError as refusal:
        count_refused_caller(refusal)
        return _refuse(refusal, refusal.code)
    except Exception as error:  # noqa: BLE001 - the edge: nothing may pass
        report_fault(logger, "A Segment call", error, request)
    return answers.answer_busy()


@csrf_exempt
def refuse_segment_address(_request: HttpRequest) -> HookResponse:
    """Answer any other address below /v1/segment in a form that SDKs read."""
    return answers.answer_no_address()


def _answer(request: HttpRequest, method: str) -> HookResponse:
    shown = read_key(request.META.get("HTTP_AUTHORIZATION", ""))
    # A wrong key is refused before the body is read.
    source = _find_source(shown) if shown else None
    try:
        call = read_call(request, most=segment.MAX_BODY_BYTES)
        document = segment.read_segment_call(method, call)
    except ProblemError as problem:
        if source is not None:
            counting.count_unreadable(source, problem)
        return _refuse_body(problem)
    except BrokenRuleError as error:
        return _refuse_whole(
            source, EventProblem(error.code, error.pointer, error.detail)
        )
    key, document = segment.take_write_key(document)
    return _answer_document(
        source or _find_source(key), document, read_request_id(request)
    )


def _find_source(key: str) -> KnownSource:
    caller = find_caller(key)
    source = find_segment_source(caller)
    note_use(caller)
    return source


def _answer_document(
    source: KnownSource, document: Document, request_id: str
) -> HookResponse:
    items = segment.count_items(document)
    if items > segment.MAX_ITEMS:
        detail = (
            f"The batch has {items:,} events, and at most {segment.MAX_ITEMS:,} are taken. "
            "Let the SDK send smaller batches."
        )
        return _refuse_whole(source, EventProblem(Code.TOO_MANY_EVENTS, "", detail))
    outcomes = check_outcomes(
        segment.translate_segment_call(
            document, source.mapping, source.choices, key=source.id_key
        )
    )
    try:
        received = append_outcomes(
            source, outcomes, request_id=request_id, seconds=DEADLINE_SECONDS
        )
    except ArchivedAppError as error:
        return answers.answer_refusal(
            HTTPStatus.FORBIDDEN, Code.APP_ARCHIVED, str(error)
        )
    counting.count_received(source, received, is_sample=False)
    return answers.answer_success() if received.is_committed else answers.answer_busy()


def _refuse_whole(source: KnownSource | None, problem: EventProblem) -> HookResponse:
    """Refuse a call that can never be read, so that the SDK drops it.

    It stands among the refused events of the app, if it is known whose it is.
    """
    if source is not None:
        received = append_outcomes(source, [problem], seconds=DEADLINE_SECONDS)
        counting.count_received(source, received, is_sample=False)
    return answers.answer_refusal(HTTPStatus.BAD_REQUEST, problem.code, problem.detail)


def _refuse_body(problem: ProblemError) -> HookResponse:
    if problem.kind is INCOMPLETE_BODY:
        # The next time it may come whole.
        return answers.answer_busy()
    code = problem.kind.code or Code.TOO_LARGE
    return answers.answer_refusal(HTTPStatus.BAD_REQUEST, code, problem.detail)


def _refuse(refusal: CallerRefusedError, code: str) -> HookResponse:
    return answers.answer_refusal(
        refusal.kind.status, code, refusal.detail, refusal.headers
    )
