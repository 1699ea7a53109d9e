"""One log line per attempt: counts, code, duration, whose requests; never an identity."""

import logging
from collections.abc import Collection
from itertools import islice
from typing import Any, Final

from clevertap_sync.delivery.send import RequestOutcome
from clevertap_sync.delivery.work import Sending
from clevertap_sync.models import Integration, Upload

#: An upload may have come by as many requests as it has events.
MOST_REQUESTS: Final = 20
#: A field of a log line is cut off after so many characters.
MOST_CHARACTERS: Final = 2_000

logger = logging.getLogger("clevertap_sync.attempt")


def log_attempt(
    integration: Integration,
    upload: Upload | None,
    sending: Sending,
    outcome: RequestOutcome,
    requests: Collection[str] = (),
) -> None:
    """Log the outcome of one request, at WARNING where it is an error.

    `requests` are those to us that brought what was sent, in log order.
    """
    error, result = outcome.error, outcome.result
    fields = {
        "app": integration.app.slug,
        "integration": integration.name,
        "upload": upload.pk if upload else None,
        "attempt": sending.attempt.pk,
        "dry_run": sending.attempt.dry_run,
        "records": sending.attempt.records,
        "bytes": sending.attempt.body_bytes,
        "status": error.status if error else (result and result.status),
        "outcome": error.code if error else "ok",
        "outcome_unknown": bool(error and error.outcome_unknown),
        "accepted": result.accepted if result else 0,
        "refused": len(result.refused) if result else 0,
        "duration_ms": round(outcome.seconds * 1000),
        **_name_requests(requests),
    }
    logger.log(logging.WARNING if error else logging.INFO, "attempt", extra=fields)


def _name_requests(requests: Collection[str]) -> dict[str, Any]:
    """Return the first few names as one text, since not every collector reads a list.

    Beside it, where there are more, how many. None is cut in half.
    """
    shown: list[str] = []
    left = MOST_CHARACTERS
    for name in islice(requests, MOST_REQUESTS):
        left -= len(name) + 1
        if left < 0:
            break
        shown.append(name)
    more = len(requests) - len(shown)
    fields = {"requests": " ".join(shown), "requests_more": more}
    return {name: value for name, value in fields.items() if value}
