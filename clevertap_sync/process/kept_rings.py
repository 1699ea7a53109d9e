"""Rings that a thread keeps from other workers, heard by that thread while it waits.

Each ring is a message, too (`doorbell`), to whoever listens. A message is a hint: one that is
lost costs a fraction of a second, and one too many a look in vain. A process has one connection
to listen by, since small brokers allow few; the thread that has it is the only one that hears.
"""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import redis
from django.conf import settings
from redis.client import PubSub

from clevertap_sync.process import doorbell

#: So long nobody listens to a broker whose messages do not come.
DISTRUST_SECONDS: Final = 60.0

#: Held by the thread that listens.
_place: Final = threading.Lock()
_messages: PubSub | None = None
_distrusted_until = 0.0


class Listener:
    """What one thread hears of an integration's rings. `close` lets another thread listen."""

    def __init__(self, messages: PubSub, integration_id: int) -> None:
        self._messages = messages
        self._channel = doorbell.build_ring_key(integration_id)
        #: The broker has gone: nothing will be heard.
        self.is_deaf = False
        self._ask(messages.subscribe, self._channel)

    def hear(self, seconds: float) -> int:
        """Wait for a ring, `seconds` at most; return how many came, also before the call."""
        ends_at = time.monotonic() + seconds
        heard = 0
        while not self.is_deaf:
            left = 0.0 if heard else max(0.0, ends_at - time.monotonic())
            message = self._ask(self._messages.get_message, timeout=left)
            # None is also what else the broker says, such as that this thread listens.
            if message is not None:
                heard += message["channel"] == self._channel.encode()
            elif not left:
                break
        return heard

    def close(self) -> None:
        """Listen no more."""
        if not self.is_deaf:
            self._ask(self._messages.unsubscribe, self._channel)
        _place.release()

    def _ask(self, method: Callable[..., Any], *asked: str, **named: float) -> Any:  # noqa: ANN401 - as redis-py
        try:
            return method(*asked, **named)
        except Exception as error:  # noqa: BLE001 - redis raises whatever the network does; an upload is leased
            self.is_deaf = True
            forget_connection()
            if isinstance(error, redis.ResponseError):
                # It would refuse the next one, too.
                distrust_messages()
            return None


def listen(integration_id: int) -> Listener | None:
    """Begin to hear an integration's rings; None where that cannot be.

    Another thread of this process listens, or there is no broker that would tell.
    """
    is_deaf = doorbell.is_silent() or time.monotonic() < _distrusted_until
    if is_deaf or not _place.acquire(blocking=False):
        return None
    listener = Listener(_open_connection(), integration_id)
    if listener.is_deaf:
        # Each upload would open a connection in vain, or wait for one.
        distrust_messages()
        listener.close()
        return None
    return listener


def distrust_messages() -> None:
    """Listen to nobody for a while, and then by another connection: this one brings nothing.

    The broker may allow no messages, or no further connection, or have gone without a word.
    """
    global _distrusted_until  # noqa: PLW0603 - one broker per process
    _distrusted_until = time.monotonic() + DISTRUST_SECONDS
    if _place.acquire(blocking=False):
        forget_connection()
        _place.release()


def trust_messages() -> None:
    """Listen again at once: for a process that begins anew, such as a test."""
    global _distrusted_until  # noqa: PLW0603 - one broker per process
    _distrusted_until = 0.0


def forget_connection() -> None:
    """Close the connection, so that who listens next opens another one."""
    global _messages
    gone, _messages = _messages, None
    if gone is not None:
        with suppress(redis.RedisError, OSError):
            gone.close()


def _open_connection() -> PubSub:
    """Return the process's connection to listen by, which opens when it is used first."""
    global _messages  # noqa: PLW0603 - one connection per process
    if _messages is None:
        client = redis.Redis.from_url(settings.REDIS_URL, **settings.REDIS_OPTIONS)
        _messages = PubSub(client.connection_pool, ignore_subscribe_messages=True)
    return _messages
