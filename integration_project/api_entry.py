"""In front of Django's handler: calls of the API, past what only pages need of it.

They meet the middleware that they meet in Django, in its order, down to the one that answers
them. What is left out is Django's own: a request that is read in advance, and signals at its
beginning and end. Headers that each answer has are made once.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import sentry_sdk
from django.conf import settings
from django.core.handlers.exception import convert_exception_to_response
from django.core.handlers.wsgi import LimitedStream, WSGIRequest
from django.db import Error, connections
from django.http import HttpRequest, HttpResponseBase
from django.urls import get_resolver
from django.utils.module_loading import import_string
from sentry_sdk.tracing import TransactionSource
from sentry_sdk.utils import transaction_from_function

from integration_project.api_shortcut import URLS
from integration_project.constant_headers import LAYERS, ConstantHeaders
from integration_project.observability import context
from integration_project.quick_receipts import LAYERS_OF_RECEIPTS, QuickReceipts
from integration_project.web.responses import WebAnswer
from referrals.api.edge import EVENTS_PATH, is_api_path
from referrals.api.events_read import EventsRead, append_beforehand
from referrals.api.request_id import name_request, read_request_id
from referrals.api.stream import read_stated_length

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: The last middleware that a call of the API meets. It answers each of them.
LAST: Final = "integration_project.api_shortcut.ApiShortcutMiddleware"

#: Where the environment of a request keeps it that has begun to be answered.
_BEGUN: Final = "integration_project.request"

Answer = Callable[[HttpRequest], HttpResponseBase]

logger: Final = logging.getLogger(__name__)


class ApiEntry:
    """Answers calls of the API, and leaves every other request to `django`."""

    def __init__(self, django: "WSGIApplication") -> None:
        self._django = django
        self._answer = _build_layers()
        self._headers = ConstantHeaders(EVENTS_PATH)
        self._receipts = QuickReceipts(self._headers) if _are_layers_known() else None

    def __call__(
        self, environ: "WSGIEnvironment", start_response: "StartResponse"
    ) -> Iterable[bytes]:
        """Answer a request."""
        path = environ["PATH_INFO"]
        # Django decodes the others in a way of its own.
        if not (path.isascii() and is_api_path(path)) or environ.get("SCRIPT_NAME"):
            return self._django(environ, start_response)
        request = environ.pop(_BEGUN, None) or ApiRequest(environ)
        try:
            response = self._answer_for_reports(request)
            status = f"{response.status_code} {response.reason_phrase}"
            start_response(status, self._headers.complete(request, response))
            return list(response)
        finally:
            _give_connection_back()

    def _answer_for_reports(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a request. A report of what fails meanwhile names its view, and no other's."""
        with _isolate_reports(request):
            return self._answer(request)

    def answer_together(
        self, environs: "Sequence[WSGIEnvironment]"
    ) -> list[WebAnswer | bool]:
        """Append the events of POSTs of one app's together, and answer those that are stored.

        Returns of each its answer; or of one that has to be called with, whether that asks
        nothing of the database, which may keep who does. What fails here is met again, and
        answered, by those that it concerns. Does nothing where there is middleware unknown here.
        """
        receipts = self._receipts
        if receipts is None:
            return [False] * len(environs)
        requests = [ApiRequest(environ) for environ in environs]
        began = perf_counter()
        for request in requests:
            name_request(request)
            request.began = began
        try:
            with _name_in_lines(requests), _isolate_reports(requests[0]):
                append_beforehand(requests)
        finally:
            for request in requests:
                if request.events_read is not None:
                    request.environ[_BEGUN] = request
                else:
                    request.environ["wsgi.input"].seek(0)
            _give_connection_back()
        return [_answer_appended(request, receipts, began) for request in requests]


class ApiRequest(WSGIRequest):
    """A request of which nothing is read before it is asked for.

    Nothing of the API asks Django for parameters, cookies, forms or a charset.
    """

    content_type = content_params = None
    resolver_match = None
    #: By `perf_counter`, where that was before its log line is begun.
    began: float | None = None
    #: What `append_beforehand` has read of it, or what it met.
    events_read: EventsRead | Error | None = None

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = self.META = environ
        self.path = self.path_info = environ["PATH_INFO"]
        self.method = environ["REQUEST_METHOD"].upper()
        self._read_started = False
        length = read_stated_length(self) or 0
        stream = LimitedStream(environ["wsgi.input"], length)
        self._stream = cast("BinaryIO", stream)


def _answer_appended(
    request: ApiRequest, receipts: QuickReceipts, began: float
) -> WebAnswer | bool:
    """Return what `ApiEntry.answer_together` does of one."""
    read = request.events_read
    if isinstance(read, Error):
        return True
    if read is None or read.appended is None:
        return False
    try:
        with _isolate_reports(request):
            answer = receipts.answer(request, read, began)
    except Exception as error:  # noqa: BLE001 - the view meets it again; others are answered
        logger.warning("A receipt is left to its view (%s)", type(error).__name__)
        return True
    if answer is None:
        return True
    del request.environ[_BEGUN]
    return answer


def _list_layers() -> list[str]:
    """Return the middleware that calls of the API meet."""
    return list(settings.MIDDLEWARE[: settings.MIDDLEWARE.index(LAST) + 1])


def _are_layers_known() -> bool:
    """Return whether quick receipts have all that these layers give to an answer.

    What a deployment has added may refuse a call, of which nothing may be stored then.
    """
    return set(_list_layers()) == {*LAYERS, *LAYERS_OF_RECEIPTS, LAST}


def _build_layers() -> Answer:
    """Return the middleware down to `LAST`, as Django stacks it, but for constant headers."""
    answer: Answer = _refuse
    for path in reversed([path for path in _list_layers() if path not in LAYERS]):
        layer = import_string(path)(answer)
        answer = cast("Answer", convert_exception_to_response(layer))
    return answer


@contextmanager
def _name_in_lines(requests: Sequence[HttpRequest]) -> Iterator[None]:
    """Let log lines meanwhile name the request, where there is but one."""
    name = read_request_id(requests[0]) if len(requests) == 1 else ""
    token = context.request_id.set(name)
    try:
        yield
    finally:
        context.request_id.reset(token)


@contextmanager
def _isolate_reports(request: HttpRequest) -> Iterator[None]:
    """Let what is reported meanwhile name the request's view, and nothing of another's."""
    if not sentry_sdk.get_client().is_active():
        yield
        return
    view = get_resolver(URLS).resolve(request.path_info).func
    with sentry_sdk.isolation_scope():
        sentry_sdk.get_current_scope().set_transaction_name(
            transaction_from_function(view) or "", TransactionSource.COMPONENT
        )
        yield


def _give_connection_back() -> None:
    """Do what Django does after a request, unless this is in a transaction of a test."""
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()


def _refuse(_request: HttpRequest) -> HttpResponseBase:
    """Stand behind `LAST`, which hands no call of the API on."""
    message = "This is no call of the API"
    raise RuntimeError(message)
