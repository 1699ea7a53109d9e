"""A step of a round: where it fails by a fault of ours, that stays within it."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)


def carry_out(
    name: str, step: Callable[[], object], end: Callable[[], object] | None = None
) -> None:
    """Carry out a step. One that fails by a fault of ours costs no other its turn.

    `end` keeps it from failing again. Without the database nothing else can be done.
    """
    try:
        step()
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("Reconciliation failed: %s", name)
        if end is not None:
            end()
