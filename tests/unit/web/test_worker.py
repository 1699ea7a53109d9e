"""The loop of a web process: what it does once a second."""

import asyncio
from types import SimpleNamespace

import uvicorn
import uvicorn.server

from integration_project.web import worker


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
        config = uvicorn.Config(say, callback_notify=say, timeout_notify=0)
        config.encoded_headers = []

        def close_overdue(seconds):
            looks.append(seconds)
            server.should_exit = len(looks) == 2

        watch = SimpleNamespace(close_overdue=close_overdue)
        server = worker._Server(config, None, watch)
        await server.main_loop()

    asyncio.run(look_thrice())

    assert len(said) == 3
