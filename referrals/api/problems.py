"""Every answer of the API to a request that failed, as RFC 9457 problem details.

Reference: https://www.rfc-editor.org/rfc/rfc9457
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
from django.http import HttpResponse

from referrals.log.results import Result
from referrals.refusals import REMEDIES, Code

CONTENT_TYPE: Final = "application/problem+json"
RETRY_SECONDS: Final = 5


class ProblemKind(msgspec.Struct, frozen=True):
    """One kind of problem: its place in the documentation, status, title and remedy.

    `code` is the cause by which refusals are counted, where the sender is at fault.
    """

    slug: str
    status: HTTPStatus
    title: str
    remedy: str
    code: Code | None = None

    @property
    def type(self) -> str:
        """The problem's `type`: where the documentation explains it, if it does."""
        return f"/docs#problem-{self.slug}" if self.slug else "about:blank"


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the caller reads: RFC 9457's members, and the results where there are any."""

    type: str
    title: str
    status: int
    detail: str
    pointer: str | None = None
    results: Sequence[Result] = ()


class ProblemError(Exception):
    """The request cannot be answered as asked: `kind` and `detail` say why."""

    def __init__(
        self,
        kind: ProblemKind,
        detail: str,
        *,
        pointer: str | None = None,
        results: Sequence[Any] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.slug)
        self.kind = kind
        self.detail = detail
        self.pointer = pointer
        self.results = results
        self.headers = headers

    def response(self) -> HttpResponse:
        """Return the answer that tells the caller."""
        problem = Problem(
            type=self.kind.type,
            title=self.kind.title,
            status=int(self.kind.status),
            detail=self.detail,
            pointer=self.pointer,
            results=self.results,
        )
        return HttpResponse(
            msgspec.json.encode(problem),
            status=self.kind.status,
            content_type=CONTENT_TYPE,
            headers={"Cache-Control": "no-store", **(self.headers or {})},
        )


#: The detail for an unknown address below /v1/.
NO_SUCH_ADDRESS: Final = (
    "There is no such address. Events go to POST /v1/events, without a slash at the end "
    "and with one in front; /docs lists everything."
)
BAD_REQUEST: Final = ProblemKind(
    "bad-request",
    HTTPStatus.BAD_REQUEST,
    "The request cannot be read",
    "Send the request as the reference describes it: nothing of this one was read.",
)
UNKNOWN_HOST: Final = ProblemKind(
    "unknown-host",
    HTTPStatus.BAD_REQUEST,
    "The server does not answer to this host name",
    "Check the address. Where it is right, whoever runs the server adds its host name to "
    "the setting `ALLOWED_HOSTS`.",
)
BAD_PARAMETER: Final = ProblemKind(
    "bad-parameter",
    HTTPStatus.BAD_REQUEST,
    "The address has a parameter that is not understood",
    REMEDIES[Code.BAD_PARAMETER],
    Code.BAD_PARAMETER,
)
INCOMPLETE_BODY: Final = ProblemKind(
    "incomplete-body",
    HTTPStatus.BAD_REQUEST,
    "The body ended before it was complete",
    REMEDIES[Code.INCOMPLETE_BODY],
    Code.INCOMPLETE_BODY,
)
BAD_GZIP: Final = ProblemKind(
    "bad-gzip",
    HTTPStatus.BAD_REQUEST,
    "The body is not the gzip data that Content-Encoding announces",
    REMEDIES[Code.BAD_GZIP],
    Code.BAD_GZIP,
)
NOT_JSON: Final = ProblemKind(
    "not-json",
    HTTPStatus.BAD_REQUEST,
    "The body is not JSON",
    REMEDIES[Code.NOT_JSON],
    Code.NOT_JSON,
)
UNAUTHORIZED: Final = ProblemKind(
    "unauthorized",
    HTTPStatus.UNAUTHORIZED,
    "No valid API key",
    "Send `Authorization: Bearer <API key>`, or the key as the user of Basic.",
)
APP_ARCHIVED: Final = ProblemKind(
    "app-archived",
    HTTPStatus.FORBIDDEN,
    "The app is archived",
    "An archived app accepts no events. Use the key of the app that replaced it.",
)
TRACKING_ONLY: Final = ProblemKind(
    "tracking-only",
    HTTPStatus.FORBIDDEN,
    "This API key is for tracking only",
    REMEDIES[Code.TRACKING_ONLY],
)
HTTPS_REQUIRED: Final = ProblemKind(
    "https-required",
    HTTPStatus.FORBIDDEN,
    "The request came over plain HTTP",
    "Send it to the same address by HTTPS, and replace the API key: it has travelled "
    "unencrypted.",
)
NOT_FOUND: Final = ProblemKind(
    "not-found",
    HTTPStatus.NOT_FOUND,
    "There is nothing here",
    "Check the address. An event is found by the `id` it was sent with, in its own app, "
    "until its retention ends.",
)
METHOD_NOT_ALLOWED: Final = ProblemKind(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "The address does not answer this method",
    "Use one of the methods in the header Allow.",
)
TOO_LARGE: Final = ProblemKind(
    "too-large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The body is too large",
    REMEDIES[Code.TOO_LARGE],
    Code.TOO_LARGE,
)
TOO_MANY_EVENTS: Final = ProblemKind(
    "too-many-events",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The request has too many events",
    REMEDIES[Code.TOO_MANY_EVENTS],
    Code.TOO_MANY_EVENTS,
)
UNSUPPORTED_MEDIA_TYPE: Final = ProblemKind(
    "unsupported-media-type",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "The body is in a format that is not read here",
    REMEDIES[Code.UNSUPPORTED_MEDIA_TYPE],
    Code.UNSUPPORTED_MEDIA_TYPE,
)
WRONG_SHAPE: Final = ProblemKind(
    "wrong-shape",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The body is JSON, but neither an event or a person nor a list of them",
    REMEDIES[Code.WRONG_SHAPE],
    Code.WRONG_SHAPE,
)
TOO_MANY_VALUES: Final = ProblemKind(
    "too-many-values",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The events of the request have too many values",
    REMEDIES[Code.TOO_MANY_VALUES],
    Code.TOO_MANY_VALUES,
)
NOTHING_STORED: Final = ProblemKind(
    "nothing-stored",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "No event was stored",
    "Read `results`: each names the place in its event and what to do. The same events "
    "will be refused again, so do not retry them unchanged.",
)
UNSTORABLE: Final = ProblemKind(
    "unstorable",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The database cannot hold something in these events",
    REMEDIES[Code.UNSTORABLE],
    Code.UNSTORABLE,
)
OVER_SHARE: Final = ProblemKind(
    "over-share",
    HTTPStatus.TOO_MANY_REQUESTS,
    "Another app is waiting",
    "Send the same request again after the seconds in Retry-After, and fewer at a time.",
)
INTERNAL: Final = ProblemKind(
    "internal",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "Something went wrong on our side",
    "Send the same request again later: what is stored already comes back as a duplicate. "
    "The fault has been logged under the X-Request-Id of the answer.",
)
UNAVAILABLE: Final = ProblemKind(
    "unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The log cannot be reached just now",
    "Send the same request again after the seconds in Retry-After: what is stored already "
    "comes back as a duplicate.",
)

BUSY: Final = ProblemKind(
    "busy",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The server holds as many requests as it can",
    "Send the same request again after the seconds in Retry-After.",
)

PROBLEM_KINDS: Final = (
    BAD_REQUEST,
    UNKNOWN_HOST,
    BAD_PARAMETER,
    INCOMPLETE_BODY,
    BAD_GZIP,
    NOT_JSON,
    UNAUTHORIZED,
    APP_ARCHIVED,
    TRACKING_ONLY,
    HTTPS_REQUIRED,
    NOT_FOUND,
    METHOD_NOT_ALLOWED,
    TOO_LARGE,
    TOO_MANY_EVENTS,
    UNSUPPORTED_MEDIA_TYPE,
    WRONG_SHAPE,
    TOO_MANY_VALUES,
    NOTHING_STORED,
    UNSTORABLE,
    OVER_SHARE,
    INTERNAL,
    UNAVAILABLE,
    BUSY,
)


def make_unavailable(detail: str) -> ProblemError:
    """Return the problem of a request while the database does not answer."""
    return make_retry_later(UNAVAILABLE, detail)


def make_retry_later(kind: ProblemKind, detail: str) -> ProblemError:
    """Return a problem that asks the caller to try again in a few seconds."""
    return ProblemError(kind, detail, headers={"Retry-After": str(RETRY_SECONDS)})
