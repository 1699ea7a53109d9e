"""The loop of a web process: what it does once a second, and its end."""

import asyncio
from types import SimpleNamespace
from typing import Any

import uvicorn
import uvicorn.server

from integration_project.web import worker
from tests.harness.process import PATIENCE_SECONDS


async def answer(scope, receive, send):
    """Answer nobody: there are no requests."""


def make_server(watch: Any = None, application: Any = None, **options: Any) -> Any:
    """Return a server that listens to nobody."""
    config = uvicorn.Config(answer, lifespan="off", log_config=None, **options)
    config.load()
    server = worker._Server(config, application, watch)
    server.lifespan = config.lifespan_class(config)
    return server


def test_a_process_says_that_it_is_not_frozen_although_its_clock_is_set_back(
    monkeypatch,
):
    instants = iter((7_200.0, 3_600.0, 1.0))
    monkeypatch.setattr(
        uvicorn.server, "time", SimpleNamespace(time=lambda: next(instants))
    )
    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.0)
    said, looks = [], []

    async def say():
        said.append(True)

    async def look_thrice():
        def close_overdue(seconds):
            looks.append(seconds)
            server.should_exit = len(looks) == 2

        watch = SimpleNamespace(close_overdue=close_overdue)
        server = make_server(watch, callback_notify=say, timeout_notify=0)
        await server.main_loop()

    asyncio.run(look_thrice())

    assert len(said) == 3


def test_a_process_that_ends_at_once_waits_for_no_connection():
    """As asyncio's servers do since Python 3.12."""
    closed = []

    async def wait_for_connections():
        await asyncio.Event().wait()

    listener = SimpleNamespace(
        close=lambda: closed.append(True), wait_closed=wait_for_connections
    )
    ends = SimpleNamespace(end_soon=lambda: None)

    async def end_at_once():
        server = make_server(ends, SimpleNamespace(bodies=ends))
        server.servers = [listener]
        server.force_exit = True
        await asyncio.wait_for(server.shutdown(), PATIENCE_SECONDS)

    asyncio.run(end_at_once())

    assert closed == [True]
