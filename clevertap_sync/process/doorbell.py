"""The doorbell: it says to workers that an integration has work, and nothing else.

A thread that will look by itself keeps the ring from other workers, and may hear it (`kept_rings`).

A ring may be lost: each worker's sweep finds the work by itself, seconds later. So a broker
that is down, slow or full costs the ringing process half a second once, then nothing for a
while, and never an event.
"""

import logging
import time
from collections.abc import Mapping
from functools import cache

import redis
from celery import current_app
from django.conf import settings

from clevertap_sync.process.broker_commands import ask_broker
from clevertap_sync.process.broker_pool import OneConnectionPool

logger = logging.getLogger(__name__)

TASK = "clevertap_sync.deliver"
#: A message's header: there is nothing to send, but who is who to learn.
ONLY_PEOPLE = "only_people"
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
    pool = OneConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=1,
        timeout=POOL_SECONDS,
        **settings.REDIS_OPTIONS,
    )
    return redis.Redis(connection_pool=pool)


def ring_doorbell(integration_id: int) -> bool:
    """Ring for the integration, unless an earlier ring was not cleared yet.

    Never raises. Returns False where no ring reached the broker, so that no worker comes.
    """
    return _ring(build_ring_key(integration_id), integration_id)


def ring_to_learn(app_id: int, integration_id: int) -> None:
    """Ring because of what only says who is who in an app: there is nothing to send.

    The message names one of the app's integrations, because a worker that does not know the
    app to learn delivers it. It is cleared by a step, so that one ring is enough for all that
    comes before the next. Never raises.
    """
    key = _build_learn_key(app_id)
    _ring(key, integration_id, headers={ONLY_PEOPLE: "yes"})


def clear_ring(integration_id: int) -> None:
    """Clear the ring before the log is read, so that a later event rings again."""
    _clear(build_ring_key(integration_id))


def clear_ring_to_learn(app_id: int) -> None:
    """Do the same for the app's ring to learn."""
    _clear(_build_learn_key(app_id))


def is_silent() -> bool:
    """Return whether there is no broker to ring, or none that took a ring of late."""
    return not settings.REDIS_URL or time.monotonic() < _silent_until


def _ring(
    key: str, integration_id: int, headers: Mapping[str, str] | None = None
) -> bool:
    if is_silent():
        return False
    try:
        if _mark_as_rung(key):
            _publish_ring(integration_id, headers)
    except Exception as error:  # noqa: BLE001 - kombu and redis raise whatever the network does
        _fall_silent(error)
        return False
    return True


def _mark_as_rung(key: str) -> bool:
    """Return whether nobody had rung, and let who keeps the ring hear it in any case.

    Both are one write. A broker that allows no messages rings all the same. Raises
    `redis.RedisError`.
    """
    mark = ("SET", key, 1, "NX", "EX", RUNG_SECONDS)
    was_set, _ = ask_broker(open_broker(), mark, ("PUBLISH", key, ""))
    if isinstance(was_set, redis.ResponseError):
        raise was_set
    return was_set is not None


def _clear(key: str) -> None:
    if not settings.REDIS_URL:
        return
    try:
        open_broker().delete(key)
    except redis.RedisError as error:
        logger.warning("The broker did not answer (%s)", type(error).__name__)


def keep_ring(integration_id: int, seconds: float) -> None:
    """Keep others from ringing for so long: the caller looks at the log itself by then.

    Never raises, and is silent with the bell: where no ring gets through, none is to be kept.
    """
    if is_silent():
        return
    try:
        key = build_ring_key(integration_id)
        open_broker().set(key, 1, px=round(seconds * 1000))
    except redis.RedisError as error:
        _fall_silent(error)


def _fall_silent(error: Exception) -> None:
    global _silent_until  # noqa: PLW0603 - one silence per process
    _silent_until = time.monotonic() + SILENCE_SECONDS
    logger.warning(
        "The broker did not take a ring (%s): the sweep delivers", type(error).__name__
    )


def _publish_ring(integration_id: int, headers: Mapping[str, str] | None) -> None:
    current_app.send_task(
        TASK,
        (integration_id,),
        expires=EXPIRES_SECONDS,
        retry=False,
        ignore_result=True,
        headers=headers,
    )


def build_ring_key(integration_id: int) -> str:
    """Return the key that says that it was rung, by which its messages go as well."""
    return f"rung:{integration_id}"


def _build_learn_key(app_id: int) -> str:
    return f"rung-to-learn:{app_id}"
