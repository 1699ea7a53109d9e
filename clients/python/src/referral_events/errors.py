"""Errors that say what happened, to which event, and what to do. None shows an identity."""

from collections.abc import Sequence
from typing import Final

from referral_events.answers import Refusal, Result

_SHOWN: Final = 3


class ClientError(Exception):
    """Something that this client could not do."""


class InvalidEventError(ClientError, ValueError):
    """What was given is no event that could be sent: JSON has no form for it, or it is too long.

    Nothing of the call was sent.
    """


class EventsRefusedError(ClientError):
    """The server refused some of the events: `refusals`. The others are stored: `results`."""

    def __init__(self, refusals: Sequence[Refusal], results: Sequence[Result]) -> None:
        self.refusals = list(refusals)
        self.results = list(results)
        shown = "; ".join(str(each) for each in self.refusals[:_SHOWN])
        more = len(self.refusals) - _SHOWN
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(
            f"{len(self.refusals)} of {len(self.refusals) + len(self.results)} refused: "
            f"{shown}{rest}"
        )


class RequestRefusedError(ClientError):
    """The server refused the whole request, and would again: a key, an address, a parameter.

    `status` is that of HTTP; `problem` is the API's name for it, or "" where what answers
    is not the API.
    """

    def __init__(
        self, status: int, title: str, detail: str, *, problem: str = ""
    ) -> None:
        self.status = status
        self.problem = problem
        super().__init__(
            f"{status} {title}: {detail}" if title else f"{status}: {detail}"
        )


class UnavailableError(ClientError):
    """The server did not answer for as long as there was patience.

    Whether it has the events is not known: send the same events again, with the same ids.
    `retry_after` is how many seconds it asked to be left alone, if it did.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class QueueFullError(ClientError):
    """As many events wait as may wait: the server takes them more slowly than they come."""


class SpoolError(ClientError):
    """The spool could not be written or read, such as where the disk is full."""
