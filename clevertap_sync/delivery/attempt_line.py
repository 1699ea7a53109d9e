"""One log line per attempt: counts, code, duration, decision; never an identity."""

import logging

from clevertap_sync.delivery.send import RequestOutcome, Sending
from clevertap_sync.models import Integration, Upload

logger = logging.getLogger("clevertap_sync.attempt")


def log_attempt(
    integration: Integration,
    upload: Upload | None,
    sending: Sending,
    outcome: RequestOutcome,
) -> None:
    """Log the outcome of one request, at WARNING where it is an error."""
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
    }
    logger.log(logging.WARNING if error else logging.INFO, "attempt", extra=fields)
