"""What requests to CleverTap come to, in four words for metrics. Pure."""

from enum import StrEnum

from clevertap_sync.clevertap.errors import (
    CleverTapError,
    CredentialsError,
    ResponseError,
    ServerError,
)


class RequestSort(StrEnum):
    """What became of a request as a whole."""

    OK = "ok"
    #: CleverTap, or what is in its place, does not want it: settings, size, or too many.
    REFUSED = "refused"
    #: It did not reach CleverTap, or met a fault there.
    FAILED = "failed"
    #: CleverTap may have stored the records, and nobody knows.
    UNKNOWN = "unknown"


def sort_outcome(error: CleverTapError | None) -> RequestSort | None:
    """Return what a request came to that ended in `error`; None where none was made."""
    match error:
        case None:
            return RequestSort.OK
        case CredentialsError():
            return None
        case CleverTapError(outcome_unknown=True):
            return RequestSort.UNKNOWN
        case ServerError():
            return RequestSort.FAILED
        case ResponseError():
            return RequestSort.REFUSED
    return RequestSort.FAILED
