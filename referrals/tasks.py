"""Celery's entry to the log, for producers on the same broker."""

import logging
from collections.abc import Iterator
from typing import Any

from celery import Task, shared_task
from django.db import InterfaceError, OperationalError

from referrals import log
from referrals.ingest.background import count_ingest
from referrals.ingest.counter import NO_APP, CountKey, IngestOutcome, WayIn
from referrals.log import ArchivedAppError, Result, Status
from referrals.models import App
from referrals.refusals import Code
from referrals.rejections import record_rejections
from referrals.schema import EventProblem, IncomingEvent, check_object

SOURCE = "celery"
BATCH = 1000
NOT_A_LIST = "The second argument of referrals.append_events must be a list of events."
NO_SUCH_APP = "The first argument of referrals.append_events is no app's slug."
RETRY_SECONDS = (1, 2, 4, 8, 16, 32, 60)

logger = logging.getLogger(__name__)


@shared_task(
    name="referrals.append_events",
    bind=True,
    ignore_result=True,
    acks_late=True,
    reject_on_worker_lost=True,
    max_retries=None,
)
def append_events_task(self: Task[..., None], app_slug: str, events: list[Any]) -> None:
    """Append `events` to the log of the app `app_slug`.

    Safe to run twice, since ids make events idempotent; retried until the database
    answers. What the log refuses goes to the app's list of rejected events.
    """
    try:
        _append_events(app_slug, events)
    except (OperationalError, InterfaceError) as error:
        seconds = RETRY_SECONDS[min(self.request.retries, len(RETRY_SECONDS) - 1)]
        logger.warning(
            "The database does not answer: the events are appended in %s s.", seconds
        )
        raise self.retry(exc=error, countdown=seconds) from error


def _append_events(app_slug: object, events: object) -> None:
    app = App.objects.filter(slug=str(app_slug).replace("\0", "")).first()
    if app is None:
        logger.error(
            "Events for an app that does not exist were dropped. The first argument of "
            "referrals.append_events is the app's slug: correct it in the producer."
        )
        count_key = CountKey(
            NO_APP, WayIn.TASK, IngestOutcome.UNAUTHORISED, Code.UNKNOWN_APP
        )
        count_ingest(count_key, detail=NO_SUCH_APP)
        return
    refused = 0
    for batch in _check_batches(events):
        refused += record_rejections(app.pk, SOURCE, _append_batch(app, batch))
    if refused:
        logger.warning(
            "%d events for the app %s were refused: see its rejected events.",
            refused,
            app.slug,
        )


def _append_batch(app: App, batch: list[IncomingEvent | EventProblem]) -> list[Result]:
    try:
        return log.append(app, batch, way=WayIn.TASK)
    except ArchivedAppError as error:
        return [
            Result(
                index,
                event.id,
                Status.REJECTED,
                pointer="",
                detail=str(error),
                code=Code.APP_ARCHIVED,
            )
            for index, event in enumerate(batch)
        ]


def _check_batches(events: object) -> Iterator[list[IncomingEvent | EventProblem]]:
    """Yield the events checked, a thousand at a time: each batch takes the lock by itself."""
    if isinstance(events, list):
        for first in range(0, len(events), BATCH):
            yield [check_object(event) for event in events[first : first + BATCH]]
    else:
        yield [EventProblem(Code.WRONG_SHAPE, "", NOT_A_LIST)]
