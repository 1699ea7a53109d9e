"""A world in which time passes only where somebody waits for it.

A web process gets events at a steady rate, and a worker delivers them. Requests, statements and
uploads take no time at all, so that what they are and how many they are is the same on every
machine. The database's clock, and each of ours by which something is remembered or
waited for, shows the time of this world.
"""

import itertools
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from celery import current_app
from django.db import connection
from kombu import Queue

from clevertap_sync import receivers
from clevertap_sync.delivery import company, paces
from clevertap_sync.delivery.sql import open_floor
from clevertap_sync.process import clock, doorbell, kept_rings, stopping
from clevertap_sync.tasks import deliver_task
from integration_project.web.responses import answer_by_wsgi
from integration_project.wsgi import application
from referrals.api import auth
from tests import builders
from tests.harness.process import PATIENCE_SECONDS, wait_until
from tests.integration.hooks.wire import make_environ

BEGINNING = datetime(2026, 11, 30, 12, tzinfo=UTC)
#: The setting that PostgreSQL's clock shows.
CLOCK = "simulated.now"
#: Before what lies in `pg_catalog`, so that it is this that statements and functions call.
_SIMULATE = f"""
    CREATE SCHEMA simulated;
    CREATE FUNCTION simulated.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS
        $$ SELECT current_setting('{CLOCK}')::timestamptz $$;
    SET search_path = simulated, public, pg_catalog
"""
_STOP = "RESET search_path; DROP SCHEMA simulated CASCADE"


_listen, _hear = kept_rings.listen, kept_rings.Listener.hear


class World:
    """An app with one integration, a web process and a worker, at `seconds`."""

    def __init__(self, integration):
        self.seconds = 0.0
        self.messages = 0
        self._unheard = 0
        self._integration = integration
        self._key = builders.an_api_key(integration.app)
        self._numbers = itertools.count()
        self._due = iter(())
        self._next = None

    @property
    def now(self):
        """The instant that clocks show."""
        return BEGINNING + timedelta(seconds=self.seconds)

    def send_events(self, count, rate):
        """Let so many come, `rate` a second, and let all that follows from them happen."""
        first = self.seconds
        self._due = (first + number / rate for number in range(1, count + 1))
        self._next = next(self._due)
        while self._next is not None:
            self.wait(self._next - self.seconds)
            self._work()

    def wait(self, seconds):
        """Let time pass, and whatever comes meanwhile come."""
        until = self.seconds + seconds
        while self._next is not None and self._next <= until:
            self._show(self._next)
            self._next = next(self._due, None)
            self._post_event()
        self._show(until)
        return False

    def listen(self, integration_id):
        """Listen, and wait until the broker knows."""
        listener = _listen(integration_id)
        if listener is not None:
            key, broker = (
                doorbell.build_ring_key(integration_id),
                doorbell.open_broker(),
            )
            wait_until(lambda: broker.pubsub_numsub(key)[0][1])
        self._unheard = 0
        return listener

    def hear(self, listener, seconds):
        """Let time pass until an event comes; return how many rings were heard."""
        due = self._next
        if not self._unheard and (due is None or due > self.seconds + seconds):
            self.wait(seconds)
            return 0
        if not self._unheard:
            self.wait(due - self.seconds)
        heard = 0
        while heard < self._unheard:
            heard += _hear(listener, PATIENCE_SECONDS)
        self._unheard = 0
        return heard

    def _post_event(self):
        event = builders.a_sent_event(id=f"e{next(self._numbers):06}")
        headers = [
            ("Content-Type", "application/json"),
            ("Authorization", f"Bearer {self._key}"),
        ]
        body = json.dumps(event).encode()
        environ = make_environ("POST", b"/v1/events", headers, body)
        answer = answer_by_wsgi(application, environ, None)
        assert answer.status == 202, answer
        self._unheard += 1

    def _work(self):
        """Do what the worker's messages say, in their order."""
        while self._take_message():
            self.messages += 1
            deliver_task.run(self._integration.pk)

    def _take_message(self):
        with current_app.connection_for_read() as broker:
            queue = Queue("referrals", channel=broker.default_channel)
            return queue.get(no_ack=True) is not None

    def _show(self, seconds):
        self.seconds = seconds
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET {CLOCK} = %s", [str(self.now)])


@contextmanager
def simulated(world, monkeypatch):
    """Let every clock show the world's time, and every wait pass in it."""
    seconds = SimpleNamespace(monotonic=lambda: world.seconds)

    def hear(listener, most):
        return world.hear(listener, most)

    for module in (company, open_floor, paces):
        monkeypatch.setattr(module, "time", seconds)
    for module in (receivers, auth):
        monkeypatch.setattr(module, "monotonic", seconds.monotonic)
    monkeypatch.setattr(clock, "read_now", lambda: world.now)
    monkeypatch.setattr(stopping, "wait_for_stop", world.wait)
    monkeypatch.setattr(kept_rings, "listen", world.listen)
    monkeypatch.setattr(kept_rings.Listener, "hear", hear)
    # In production a pool keeps it open.
    monkeypatch.setattr(connection, "close", lambda: None)
    if connection.vendor != "postgresql":
        yield world
        return
    with connection.cursor() as cursor:
        cursor.execute(_SIMULATE)
        cursor.execute(f"SET {CLOCK} = %s", [str(world.now)])
        try:
            yield world
        finally:
            cursor.execute(_STOP)
