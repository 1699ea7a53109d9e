"""Whose delivery met a fault of ours, for log lines and for error reports to group by.

What an account does wrong is none of these: it ends an attempt, and may hold its
integration. A fault is an exception that nobody foresaw. Pure: error reports need it
before Django is ready.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

_NOTE: Final = "Integration {}"
_NOTES: Final = re.compile(r"Integration (\d+)")


@contextmanager
def naming_integration(integration_id: int) -> Iterator[None]:
    """Let an exception that passes say whose work it ended; its traceback shows it."""
    try:
        yield
    except Exception as error:
        error.add_note(_NOTE.format(integration_id))
        raise


def describe_fault(integration_id: int, error: Exception) -> dict[str, int | str]:
    """Return the fields of a log line about a fault that is not raised any further."""
    return {"integration_id": integration_id, "fault": type(error).__name__}


def find_integration(error: BaseException) -> int | None:
    """Return whose work the exception ended; None where it does not say."""
    found = (_NOTES.fullmatch(note) for note in getattr(error, "__notes__", ()))
    return next((int(note[1]) for note in found if note), None)


def find_fault_in_error(error: BaseException) -> tuple[int, str] | None:
    """Return the integration and the class of an exception that says whose it is."""
    integration_id = find_integration(error)
    return None if integration_id is None else (integration_id, type(error).__name__)


def find_fault_in_line(fields: Mapping[str, Any]) -> tuple[int, str] | None:
    """Return the integration and the class that `describe_fault` gave to a log line."""
    match fields:
        case {"integration_id": int(integration_id), "fault": str(fault)}:
            return integration_id, fault
    return None
