"""Requests with events that were read, and appended together, before each is answered.

Whatever is found here to be wrong with a request, or fails, is left to the view, which meets
the same and answers it. It reads and appends itself what nobody has before.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import Error
from django.http import HttpRequest

from referrals import log
from referrals.api.auth import authenticate
from referrals.api.body import read_body
from referrals.api.body_events import (
    MAX_WHOLE_BYTES,
    BodyEvents,
    decode_body,
    decode_in_runs,
    is_large,
)
from referrals.api.edge import find_fault_of_address
from referrals.api.problems import TOO_LARGE, ProblemError
from referrals.api.request_id import read_request_id
from referrals.api.switches import read_switches
from referrals.models import ApiKey

logger: Final = logging.getLogger(__name__)

_LONG_DRY_RUN: Final = (
    f"A dry run's body is at most {MAX_WHOLE_BYTES:,} bytes when it is decompressed, since its "
    "answer may be several times as long. Nothing would be stored anyway: send fewer events."
)


@dataclass(slots=True)
class EventsRead:
    """What a request with events says. `appended` is what the log said to its events.

    `body` is None where it is large; its `runs` can be gone through once then. A dry run's is
    never large.
    """

    key: ApiKey
    strict: bool
    is_dry_run: bool
    body: BodyEvents | None
    runs: Iterable[BodyEvents]
    appended: log.Appended = None


def find_events_read(request: HttpRequest) -> EventsRead | None:
    """Return what was read of the request already.

    Raises the database's error that was met meanwhile: to ask again would take as long.
    """
    read: EventsRead | Error | None = getattr(request, "events_read", None)
    if isinstance(read, Error):
        raise read
    return read


def read_events(request: HttpRequest, key: ApiKey) -> EventsRead:
    """Read the request of the caller with this key. Raises `ProblemError`."""
    strict, is_dry_run = read_switches(request, "strict", "dry_run")
    media_type, data = read_body(request)
    if is_large(data):
        if is_dry_run:
            raise ProblemError(TOO_LARGE, _LONG_DRY_RUN)
        runs = decode_in_runs(media_type, data)
        return EventsRead(key, strict, is_dry_run, None, runs)
    body = decode_body(media_type, data)
    return EventsRead(key, strict, is_dry_run, body, (body,))


def append_beforehand(requests: Sequence[HttpRequest]) -> None:
    """Read `requests`, which are POSTs of one app's, and append their events together.

    A request of which nothing was kept has to be read again.
    """
    taken = []
    for request in requests:
        read = _try_to_read(request)
        if read is None:
            continue
        # Django's class declares no such attribute.
        request.events_read = read  # type: ignore[attr-defined]
        if isinstance(read, Error):
            # One after the other would wait for a database that is away. Its view says so.
            if len(requests) > 1:
                logger.warning("Requests are left alone (%s)", type(read).__name__)
            return
        if read.body is not None and not (read.strict or read.is_dry_run):
            taken.append((request, read, read.body))
    appended = log.append_together(
        [
            log.Request(
                read.key.app,
                body.events,
                read.key.prefix,
                read_request_id(request),
                body.forms,
            )
            for request, read, body in taken
        ]
    )
    for (_, read, _), each in zip(taken, appended, strict=True):
        read.appended = each


def _try_to_read(request: HttpRequest) -> EventsRead | Error | None:
    if find_fault_of_address(request) is not None:
        return None
    try:
        return read_events(request, authenticate(request))
    except ProblemError:
        return None
    except Error as error:
        return error
    except Exception as error:  # noqa: BLE001 - the view meets it again, and answers
        logger.warning("A request is read again (%s)", type(error).__name__)
        return None
