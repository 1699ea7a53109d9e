"""gunicorn's worker process: an event loop for the connections, threads for Django.

gunicorn starts it, watches that it is not frozen, replaces it, and ends it.
Reference: https://gunicorn.org/reference/settings/#worker_class
"""

import asyncio
import contextlib
import ctypes
import gc
import os
import signal
import sys
from collections.abc import Iterator
from functools import partial
from socket import socket
from typing import TYPE_CHECKING, Any, Final, cast

import uvicorn
from django.conf import settings
from gunicorn.arbiter import Arbiter
from gunicorn.workers.base import Worker as BaseWorker

from integration_project.web import connections

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from integration_project.web.application import Application

#: Seconds after the last answer in which the process writes its counts and log lines.
LAST_SECONDS: Final = 2
#: How often the process says that it is not frozen, and looks after its connections.
LOOK_SECONDS: Final = 1.0
#: In how many turns of its loop asyncio makes a connection of what it has accepted.
TURNS_OF_A_CONNECTION: Final = 3
ARENAS: Final = 1
_COLLECT_AFTER: Final = 10_000
_M_ARENA_MAX: Final = -8
#: Memory of so many bytes and more. Hardly any request needs that much in one piece.
LARGE_BYTES: Final = 1024 * 1024
_M_MMAP_THRESHOLD: Final = -3
_GENTLE: Final = signal.SIGTERM
_HARD: Final = (signal.SIGINT, signal.SIGQUIT)


class Worker(BaseWorker):
    """Serves the WSGI application that gunicorn's `wsgi_app` names."""

    def init_signals(self) -> None:
        """Leave those that end the process to the server."""
        super().init_signals()
        for number in (_GENTLE, *_HARD):
            signal.signal(number, signal.SIG_DFL)
        # The event loop has one of its own.
        signal.set_wakeup_fd(-1)

    def init_process(self) -> None:
        """Begin to serve, with one pool of memory for all threads."""
        _share_memory()
        super().init_process()

    def run(self) -> None:
        """Serve until the process is to end."""
        _collect_less_often()
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        from integration_project.web.application import Application  # noqa: PLC0415 - Django is ready now

        application = Application(
            cast("WSGIApplication", self.wsgi),
            threads=self.cfg.threads,
            share=settings.APP_SHARE,
            answer_together=getattr(self.wsgi, "answer_together", None),
        )
        watch = connections.Connections(
            connections.raise_descriptor_limit(), application.bodies.evict_oldest
        )
        server = _Server(self._config(application, watch), application, watch)
        self._server = server
        # The stubs take gunicorn's listeners for sockets, which they have.
        sockets = [listener.sock for listener in cast("Any", self.sockets)]
        await server.serve(sockets=sockets)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    def _config(
        self, application: "Application", watch: connections.Connections
    ) -> uvicorn.Config:
        return uvicorn.Config(
            application,
            loop="asyncio",
            # A class by all that is done with it, but each connection knows its watch.
            http=partial(connections.Connection, watch),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=self.cfg.keepalive,
            timeout_graceful_shutdown=max(1, self.cfg.graceful_timeout - LAST_SECONDS),
            callback_notify=self._notify,
            # At each look of the server.
            timeout_notify=0,
        )

    async def _notify(self) -> None:
        self.notify()
        if self.ppid != os.getppid():
            self.log.warning("gunicorn's first process is gone: this one ends")
            self._server.should_exit = True


def _share_memory() -> None:
    """Let all threads share one pool of memory: a pool per thread would never shrink.

    Only one thread runs the interpreter at a time, so that none waits for the pool. What is
    large is no part of it, and the system's again once it is let go; else the pool would
    keep the holes that it leaves. Only glibc has such pools.
    Reference: https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    with contextlib.suppress(AttributeError, OSError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_ARENA_MAX, ARENAS)
        set_option(_M_MMAP_THRESHOLD, LARGE_BYTES)


def _collect_less_often() -> None:
    """Look for cyclic garbage after as many objects as some dozens of requests make.

    What is there now stays.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


class _Server(uvicorn.Server):
    """uvicorn's, which does not end the process by the signal that ended its work."""

    def __init__(
        self,
        config: uvicorn.Config,
        application: "Application",
        watch: connections.Connections,
    ) -> None:
        super().__init__(config)
        self._application = application
        self._watch = watch
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()

    async def main_loop(self) -> None:
        """Look after the connections once a second, until the process is to end.

        uvicorn's looks ten times as often, which was all that a quiet process did.
        """
        while not await self._tick():
            self._watch.close_overdue(self._loop.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), LOOK_SECONDS)

    async def _tick(self) -> bool:
        # uvicorn goes by a clock that may be set back, and would say nothing for as long.
        self.last_notified = 0.0
        return await self.on_tick(0)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Take no more, finish what comes whole in time, and let the rest go."""
        await self._take_last(sockets or [])
        # They are closed. Since Python 3.12 uvicorn would wait until their connections are, too,
        # although the process is to end at once.
        self.servers = []
        self._application.bodies.end_soon()
        self._watch.end_soon()
        await super().shutdown(sockets)

    async def _take_last(self, sockets: list[socket]) -> None:
        """Close the sockets, and take the connections that the system has made before.

        Their callers would see a reset, as would those of which the loop knows and has
        not made a connection.
        """
        loop = asyncio.get_running_loop()
        for listener in sockets:
            loop.remove_reader(listener)
        for _ in range(TURNS_OF_A_CONNECTION):
            await asyncio.sleep(0)
        last = [each for listener in sockets for each in self._accept_all(listener)]
        for server in self.servers:
            server.close()
        for each in last:
            await loop.connect_accepted_socket(self._connect, each)

    def _accept_all(self, listener: socket) -> Iterator[socket]:
        # As many at most as the system lets wait: others may come all the time.
        with contextlib.suppress(OSError):
            for _ in range(self.config.backlog):
                accepted, _ = listener.accept()
                accepted.settimeout(0)
                yield accepted

    def _connect(self) -> connections.Connection:
        return connections.Connection(
            self._watch, self.config, self.server_state, self.lifespan.state
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """End gently at SIGTERM, and at once at those by which gunicorn says so."""
        signal.signal(_GENTLE, self._end_gently)
        for number in _HARD:
            signal.signal(number, self._end_at_once)
        yield

    def _end_gently(self, _number: int, _frame: object) -> None:
        self.should_exit = True
        self._look_now()

    def _end_at_once(self, _number: int, _frame: object) -> None:
        self.should_exit = self.force_exit = True
        self._look_now()

    def _look_now(self) -> None:
        # The loop may sleep, and is closed at last.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ending.set)
