"""Calls that no view answers: the web process, or a wrong address, stopped them before.

Their platform gets the answer that its source would give while it is busy: it is the one
that asks for the call again, and most of these reasons pass.
"""

import logging
import re
from typing import Final

from django.http import HttpRequest

from referrals.api.edge import require_our_address
from referrals.api.problems import TOO_LARGE, ProblemError
from referrals.hooks import answers, counting
from referrals.hooks.answers import HookResponse
from referrals.hooks.known_sources import KnownSource, find_remembered_source

logger: Final = logging.getLogger(__name__)

_ADDRESS: Final = re.compile(r"/v1/hooks/([^/]{1,40})(?:/|\Z)")


def find_called_source(path: str) -> KnownSource | None:
    """Return the source that `path` names if this process remembers it. Never raises."""
    found = _ADDRESS.match(path)
    return find_remembered_source(found[1]) if found else None


def answer_refused(path: str) -> HookResponse:
    """Return the answer to a call that was not read. Asks no database."""
    source = find_called_source(path)
    return answers.answer_busy(source.preset if source else None)


def note_large_head(path: str) -> None:
    """Count a call whose address or headers are too large: it is refused for good.

    Its platform will not say so, and nobody else would see it.
    """
    source = find_called_source(path)
    if source is not None:
        counting.count_unreadable(
            source, ProblemError(TOO_LARGE, "The address or a header is too long.")
        )


def refuse_wrong_address(request: HttpRequest) -> HookResponse | None:
    """Return the answer to an unknown host, or to HTTP where HTTPS is due; else None.

    Nobody is redirected: no platform follows, and a secret would travel twice.
    """
    try:
        require_our_address(request)
    except ProblemError as problem:
        logger.warning("A hook was called by a wrong address: %s", problem.kind.slug)
        return answer_refused(request.path_info)
    return None
