"""Hooks in the web process: whose turns they take, how long they wait, what they are told."""

import asyncio
import logging
import threading
from http import HTTPStatus

import pytest

from integration_project.observability.formatters import JsonFormatter
from integration_project.web import request_limits
from integration_project.web.application import Application
from integration_project.web.calls import UNKNOWN_CALLERS, read_call
from referrals.hooks.known_sources import find_source
from referrals.ingest import background
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.models import IngestCount
from tests import builders
from tests.harness.process import PATIENCE_SECONDS
from tests.integration.hooks.wire import a_scope

pytestmark = pytest.mark.django_db

CANARY = "canary-7f31"
HELD = b"/v1/held"
BROKEN = b"broken"
#: Of the only thread's places, so many are one owner's while another waits.
PLACES = request_limits.PLACES_A_THREAD // 2

URI_TOO_LONG = HTTPStatus.REQUEST_URI_TOO_LONG


class Served:
    """A WSGI application that holds what it is told to, and knows what it has served."""

    def __init__(self):
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.paths = []

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"].encode()
        self.paths.append(path)
        if path == HELD:
            self.begun.set()
            assert self.goes_on.wait(PATIENCE_SECONDS)
        if path.endswith(BROKEN):
            raise ValueError(CANARY)
        start_response("200 OK", [])
        return [b""]


class Line:
    """The connection of a caller who never sends half of anything."""

    has_cut_off = staticmethod(lambda _scope: False)
    drop = staticmethod(lambda: None)


class Caller:
    """One who sends a whole request, and stays until he is told to leave."""

    def __init__(self, application, path, *, query=b"", headers=(), body=b"{}"):
        self.status, self.headers, self.text = None, {}, b""
        self._left = asyncio.Event()
        self._body = [body]
        lines = [*headers, ("Content-Length", str(len(body)))]
        scope = a_scope("POST", path, lines, query=query)
        scope |= {"path": path.decode(), "connection": Line()}
        self._task = asyncio.ensure_future(
            application(scope, self._receive, self._send)
        )

    async def _receive(self):
        if self._body:
            return {"type": "http.request", "body": self._body.pop()}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {k.decode(): v.decode() for k, v in message["headers"]}
        else:
            self.text += message["body"]

    async def answer(self):
        await asyncio.wait_for(self._task, PATIENCE_SECONDS)
        return self.status, self.text

    async def leave(self):
        self._left.set()
        await asyncio.wait_for(self._task, PATIENCE_SECONDS)


@pytest.fixture
def sources(app):
    """A source whose platform sends again, and one whose platform never does."""
    both = [builders.a_source(app, each) for each in ("growsurf", "branch")]
    for each in both:
        find_source(each.public_id)
    return both


def path_of(source, more=""):
    return f"/v1/hooks/{source.public_id}{more}".encode()


@pytest.fixture
def served():
    return Served()


@pytest.fixture
def with_one_thread(served):
    """Return a function that runs a test in an application whose only thread is held."""

    def run(test):
        async def held():
            application = Application(served, threads=1, share=50)
            holder = Caller(application, HELD)
            await asyncio.wait_for(
                asyncio.to_thread(served.begun.wait), PATIENCE_SECONDS
            )
            try:
                await test(application)
            finally:
                served.goes_on.set()
            assert await holder.answer() == (200, b"")

        asyncio.run(held())

    return run


def test_turns_of_a_source_are_its_own_and_go_round_by_network(sources):
    known, unknown = path_of(sources[0], "/secret"), b"/v1/hooks/0123456789"

    call, stranger = (read_call(a_scope("POST", each)) for each in (known, unknown))

    assert call.owner == f"source {sources[0].public_id}"
    assert (call.key, call.turn_seconds) == ("203.0.113.7", 1.0)
    assert (stranger.owner, stranger.key) == (UNKNOWN_CALLERS, "203.0.113.7")


def test_over_its_share_a_source_is_busy_unless_nobody_sends_again(
    sources, with_one_thread, monkeypatch
):
    monkeypatch.setattr(request_limits, "HOOK_TURN_SECONDS", PATIENCE_SECONDS)

    async def test(application):
        other = Caller(application, b"/v1/hooks/0123456789")
        resent, single = (
            [Caller(application, path_of(each)) for _ in range(PLACES + 1)]
            for each in sources
        )
        assert await resent[-1].answer() == (503, b"")
        assert resent[-1].headers["retry-after"] == "30"
        await asyncio.sleep(0)
        assert {each.status for each in [other, *resent[:-1], *single]} == {None}
        for each in (other, *resent, *single):
            await each.leave()

    with_one_thread(test)


def test_without_a_thread_in_time_it_is_busy_or_served_at_last(
    sources, with_one_thread, served, monkeypatch
):
    monkeypatch.setattr(request_limits, "HOOK_TURN_SECONDS", 0.01)
    resent, single = map(path_of, sources)

    async def test(application):
        answers = [
            await Caller(application, each).answer() for each in (resent, single)
        ]
        assert answers == [(503, b""), (200, b"")]
        assert served.paths == [HELD, single]

    with_one_thread(test)


def test_what_nobody_sends_again_is_served_also_when_its_sender_has_left(
    sources, with_one_thread, served, monkeypatch
):
    monkeypatch.setattr(request_limits, "HOOK_TURN_SECONDS", PATIENCE_SECONDS)
    resent, single = map(path_of, sources)

    async def test(application):
        for each in (resent, single):
            caller = Caller(application, each)
            await asyncio.sleep(0)
            await caller.leave()
        assert served.paths == [HELD, single]

    with_one_thread(test)


def test_a_fault_of_ours_is_busy_and_says_nothing(sources, served, caplog):
    caplog.set_level(logging.INFO)

    async def test():
        application = Application(served, threads=1, share=50)
        path = path_of(sources[0], f"/{CANARY}/broken")
        hook = Caller(application, path, query=CANARY.encode())
        api = Caller(application, b"/v1/broken")
        return [await hook.answer(), (await api.answer())[0]]

    assert asyncio.run(test()) == [(503, b""), 500]
    lines = "\n".join(JsonFormatter().format(each) for each in caplog.records)
    assert "The web process met ValueError" in lines
    assert CANARY not in lines


def test_a_refusal_names_neither_address_nor_the_callers_name_for_it(
    sources, with_one_thread, caplog, monkeypatch
):
    monkeypatch.setattr(request_limits, "HOOK_TURN_SECONDS", 0.01)
    headers = [("X-Request-Id", CANARY), ("X-Webhook-Secret", CANARY)]

    async def test(application):
        path, query = path_of(sources[0], f"/{CANARY}"), CANARY.encode()
        caller = Caller(application, path, query=query, headers=headers)
        assert await caller.answer() == (503, b"")
        assert caller.headers["x-request-id"] != CANARY

    with_one_thread(test)
    lines = "\n".join(JsonFormatter().format(each) for each in caplog.records)
    assert '"reason": "busy"' in lines
    assert CANARY not in lines


def test_a_known_source_counts_a_head_that_is_too_large(sources, served):
    async def test():
        application = Application(served, threads=1, share=50)
        path, query = path_of(sources[0]), b"x" * request_limits.MAX_URL_BYTES
        return await Caller(application, path, query=query).answer()

    assert asyncio.run(test()) == (414, b"")
    background.flush_counts()
    counted = IngestCount.objects.get(way=sources[0].way, hour__gt=ALL_TIME_HOUR)
    assert (counted.outcome, counted.code, counted.number) == (
        "rejected",
        "too_large",
        1,
    )


@pytest.mark.parametrize(
    ("path", "text"),
    # Python has spelt it in two ways.
    [(b"/v1/hooks/a", b""), (b"/v1/events", URI_TOO_LONG.phrase.encode())],
    ids=["a hook", "an event"],
)
def test_a_head_that_is_too_large_is_refused_without_a_word(served, path, text):
    async def test():
        application = Application(served, threads=1, share=50)
        longest = request_limits.MAX_URL_BYTES - len(path)
        sent = [Caller(application, path, query=b"x" * (longest + n)) for n in (0, 1)]
        return [await each.answer() for each in sent]

    whole, too_long = asyncio.run(test())
    assert whole == (200, b"")
    assert (too_long[0], too_long[1].partition(b":")[0]) == (414, text)
