"""The doorbell: it says to workers that an integration has work, and nothing else.

A ring may be lost: each worker's sweep finds the work by itself, seconds later. So a broker
that is down, slow or full costs the ringing process half a second once, then nothing for a
while, and never an event.
"""

import logging
import time
from functools import cache

import redis
from celery import current_app
from django.conf import settings

logger = logging.getLogger(__name__)

TASK = "clevertap_sync.deliver"
EXPIRES_SECONDS = 30
RUNG_SECONDS = 5
SILENCE_SECONDS = 5.0
POOL_SECONDS = 0.5

_silent_until = 0.0


@cache
def open_broker() -> redis.Redis:
    """Return this process's client of the broker, with short timeouts.

    Its threads share one connection: a command takes a fraction of a millisecond, and small
    plans allow twenty connections in all.
    """
    pool = redis.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=1,
        timeout=POOL_SECONDS,
        **settings.REDIS_OPTIONS,
    )
    return redis.Redis(connection_pool=pool)


def ring_doorbell(integration_id: int, *, only_people: bool = False) -> bool:
    """Ring for the integration, unless an earlier ring was not cleared yet.

    `only_people`: there is nothing to send, but who is who to learn of its app.
    Never raises. Returns False where no ring reached the broker, so that no worker comes.
    """
    global _silent_until  # noqa: PLW0603 - one silence per process
    if not settings.REDIS_URL or time.monotonic() < _silent_until:
        return False
    try:
        key = _build_ring_key(integration_id, only_people=only_people)
        if open_broker().set(key, 1, nx=True, ex=RUNG_SECONDS):
            _publish_ring(integration_id)
    except Exception as error:  # noqa: BLE001 - kombu and redis raise whatever the network does
        _silent_until = time.monotonic() + SILENCE_SECONDS
        logger.warning(
            "The broker did not take a ring (%s): the sweep delivers",
            type(error).__name__,
        )
        return False
    return True


def clear_ring(integration_id: int) -> bool:
    """Clear the ring before the log is read, so that a later event rings again.

    Returns False where it was rung only because there is who is who to learn.
    """
    if not settings.REDIS_URL:
        return True
    try:
        if open_broker().delete(_build_ring_key(integration_id)):
            return True
        of_people = _build_ring_key(integration_id, only_people=True)
        return not open_broker().delete(of_people)
    except redis.RedisError as error:
        logger.warning("The broker did not answer (%s)", type(error).__name__)
    return True


def _publish_ring(integration_id: int) -> None:
    current_app.send_task(
        TASK,
        (integration_id,),
        expires=EXPIRES_SECONDS,
        retry=False,
        ignore_result=True,
    )


def _build_ring_key(integration_id: int, *, only_people: bool = False) -> str:
    return f"{'rung-people' if only_people else 'rung'}:{integration_id}"
