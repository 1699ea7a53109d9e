"""Everything that can go wrong between us and CleverTap.

* CleverTapError
  - CredentialsError          nothing was sent: the account ID or the passcode can be none
    + NoPasscodeError         there is no passcode
    + UnreadablePasscodeError there is one, and no key decrypts it
  - TransportError            no answer
    + NotSentError            DNS, connect, TLS: CleverTap saw nothing of it
    + NoAnswerError           sent, then a timeout or a reset: the outcome is unknown
  - ResponseError             an answer other than success
    + AuthenticationError     401, 403: account ID, passcode or location is wrong
    + WrongAddressError       1xx, 2xx but 200, 3xx, 404, 405, …: something else answered
    + RequestRejectedError    400, 413, 422: this request will never be accepted
    + TooManyRequestsError    429: too many uploads in flight
    + ServerError             408, 409, 5xx
      * GatewayError          502, 504: a gateway answered; the outcome is unknown
    + MalformedResponseError  200 with a body that we cannot read; the outcome is unknown

A refused *record* in a successful upload is not an error but a value
(`client.RefusedRecord`), because its neighbours were delivered.

Pure: imports no framework. The docstring of a class is its meaning for people;
`code` is stable: attempts, metrics, docs and the admin use it.
"""

from http import HTTPStatus
from typing import ClassVar

from clevertap_sync.clevertap.unknown_causes import UnknownCause


class CleverTapError(Exception):
    """Something went wrong between us and CleverTap."""

    code: ClassVar[str] = "clevertap"
    remedy: ClassVar[str] = "See the attempt for what happened."
    #: Whether CleverTap may have stored the records although we do not know it.
    outcome_unknown: ClassVar[bool] = False
    #: Why nobody knows that, if the outcome is unknown.
    unknown_cause: UnknownCause | None = None

    def __init__(
        self,
        detail: str = "",
        *,
        status: int | None = None,
        retry_after: float | None = None,
        unknown_cause: UnknownCause | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status
        #: Seconds that CleverTap asked us to wait, already clamped; None if it did not.
        self.retry_after = retry_after
        self.unknown_cause = unknown_cause or self.unknown_cause

    def __str__(self) -> str:
        """Return what happened, what was seen of it, and what to do."""
        seen = [f"HTTP {self.status}" if self.status else "", self.detail]
        evidence = ": ".join(filter(None, seen))
        parts = [self.meaning(), evidence and f"({evidence})", self.remedy]
        return " ".join(filter(None, parts))

    @classmethod
    def meaning(cls) -> str:
        """Return in one sentence what happened, for people."""
        return (cls.__doc__ or "").strip().splitlines()[0]


class CredentialsError(CleverTapError):
    """The account ID or the passcode can be none, so CleverTap was not asked."""

    code = "credentials_unusable"
    remedy = "Enter both as CleverTap shows them under Settings."


class NoPasscodeError(CredentialsError):
    """There is no passcode, so CleverTap was not asked."""

    code = "no_passcode"
    remedy = "Enter the passcode that CleverTap shows under Settings → Passcode."


class UnreadablePasscodeError(CredentialsError):
    """No key in FIELD_ENCRYPTION_KEYS decrypts the passcode, so CleverTap was not asked."""

    code = "unreadable_passcode"
    remedy = (
        "Put the key that the passcode was saved with back into FIELD_ENCRYPTION_KEYS, "
        "after the newest, or enter the passcode again."
    )


class TransportError(CleverTapError):
    """No answer came from CleverTap."""

    code = "transport"
    remedy = "Nothing to do: delivery goes on by itself when the network does."


class NotSentError(TransportError):
    """CleverTap could not be reached, so nothing was sent."""

    code = "not_reached"
    remedy = "Check this server's network, DNS and outgoing firewall. Delivery goes on by itself."


class NoAnswerError(TransportError):
    """The upload was sent, but no answer came: whether CleverTap stored it is unknown."""

    code = "no_answer"
    remedy = "Nothing to do: a test record is sent first, then the upload again."
    outcome_unknown = True
    unknown_cause = UnknownCause.CONNECTION_CUT


class ResponseError(CleverTapError):
    """CleverTap answered with something other than success."""

    code = "response"
    remedy = "See the attempt for what CleverTap answered."


class AuthenticationError(ResponseError):
    """CleverTap refuses the account ID, the passcode or the location."""

    code = "credentials_refused"
    remedy = "Check account ID, passcode and location in the integration's settings."


class WrongAddressError(ResponseError):
    """Something other than CleverTap's upload API answered."""

    code = "wrong_address"
    remedy = "Check the location, CLEVERTAP_BASE_URL and any proxy on the way."


class RequestRejectedError(ResponseError):
    """CleverTap will never accept this request as it is."""

    code = "request_rejected"
    remedy = (
        "The upload is bisected until the record that CleverTap refuses stands alone."
    )


class TooManyRequestsError(ResponseError):
    """Too many uploads are in flight for this account."""

    code = "too_many_requests"
    remedy = "Lower the in-flight limit, or wait: it is halved by itself."


class ServerError(ResponseError):
    """CleverTap has a fault of its own."""

    code = "server_error"
    remedy = (
        "Nothing to do: the upload is sent again by itself. See status.clevertap.com."
    )


class GatewayError(ServerError):
    """A gateway before CleverTap failed: whether CleverTap stored the upload is unknown."""

    code = "gateway_error"
    remedy = "Nothing to do: a test record is sent first, then the upload again."
    outcome_unknown = True
    unknown_cause = UnknownCause.GATEWAY


class MalformedResponseError(ResponseError):
    """CleverTap answered success with a body that we cannot read."""

    code = "malformed_response"
    remedy = "If it lasts, something else answers in CleverTap's place: check proxies."
    outcome_unknown = True
    unknown_cause = UnknownCause.UNREADABLE


_BY_STATUS: dict[int, type[ResponseError]] = {
    HTTPStatus.BAD_REQUEST: RequestRejectedError,
    HTTPStatus.UNAUTHORIZED: AuthenticationError,
    HTTPStatus.FORBIDDEN: AuthenticationError,
    HTTPStatus.REQUEST_TIMEOUT: ServerError,
    HTTPStatus.CONFLICT: ServerError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: RequestRejectedError,
    HTTPStatus.UNPROCESSABLE_ENTITY: RequestRejectedError,
    HTTPStatus.TOO_MANY_REQUESTS: TooManyRequestsError,
    HTTPStatus.BAD_GATEWAY: GatewayError,
    HTTPStatus.GATEWAY_TIMEOUT: GatewayError,
}


def make_error_for_status(
    status: int, detail: str = "", *, retry_after: float | None = None
) -> ResponseError:
    """Return the error that an HTTP status other than 200 means."""
    fallback = (
        ServerError if status >= HTTPStatus.INTERNAL_SERVER_ERROR else WrongAddressError
    )
    return _BY_STATUS.get(status, fallback)(
        detail, status=status, retry_after=retry_after
    )
