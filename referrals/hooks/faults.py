"""What a view of a hook, or of SDKs, does with an exception: nothing of it may pass."""

import logging
import traceback
from typing import Final

from django.core.signals import got_request_exception
from django.db import Error
from django.http import HttpRequest

from referrals.hooks.deadline import NotDoneError
from referrals.hooks.known_sources import UnreadableSourceError

#: The database does not answer, or a key is missing: no fault of the program.
_FORESEEN: Final = (Error, NotDoneError, UnreadableSourceError)


def report_fault(
    logger: logging.Logger, what: str, error: Exception, request: HttpRequest
) -> None:
    """Log that `what` met `error`: class and places, as a message may quote what was sent.

    Of what nobody foresaw, error trackers hear as of a view that raises.
    """
    logger.error(
        "%s met %s. %s",
        what,
        type(error).__name__,
        "".join(traceback.format_tb(error.__traceback__)),
    )
    if not isinstance(error, _FORESEEN):
        got_request_exception.send(sender=None, request=request)
