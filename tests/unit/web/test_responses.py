"""Answers on their way out, from a thread to a caller who is played."""

import asyncio
import threading

import pytest

from integration_project.web import request_limits
from integration_project.web.responses import (
    AnswerSender,
    CallerLeftError,
    WebAnswer,
    answer_by_wsgi,
)

PIECE = b"x" * 1_000


class Result(list[bytes]):
    """A WSGI answer in pieces, which notes that it was closed."""

    is_closed = False

    def close(self):
        self.is_closed = True


def an_application(parts, *, status="200 OK", headers=()):
    def application(_environ, start_response):
        start_response(status, list(headers))
        return parts

    return application


def answered(application, *, version="1.1", stops=None, leaves=False):
    """Return the outcome of a call in a thread, and what was sent meanwhile.

    With `stops`, the caller takes the first that is sent, and nothing from that call on.
    """
    sent = []

    async def receive():
        if not leaves:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if stops and sent:
            await asyncio.Event().wait()
        sent.append(message)
        if stops:
            stops()

    async def scenario():
        line = AnswerSender(receive, send)
        environ = {"SERVER_PROTOCOL": f"HTTP/{version}"}
        return await asyncio.to_thread(answer_by_wsgi, application, environ, line)

    return asyncio.run(scenario()), sent


def test_a_short_answer_comes_whole_and_with_its_length():
    result = Result([b"one ", b"answer"])

    outcome, sent = answered(
        an_application(result, status="404 Not Found", headers=[("X-Name", "value")])
    )

    assert outcome == WebAnswer(
        404, [(b"x-name", b"value"), (b"content-length", b"10")], b"one answer"
    )
    assert sent == []
    assert result.is_closed


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("204 No Content", []),
        ("304 Not Modified", []),
        ("200 OK", [("Content-Length", "7")]),
    ],
)
def test_a_length_is_added_where_one_is_missing_and_has_a_meaning(status, headers):
    outcome, _ = answered(an_application([], status=status, headers=headers))

    assert [name for name, _ in outcome.headers] == [
        name.lower().encode() for name, _ in headers
    ]


def test_a_long_answer_is_sent_in_pieces_and_then_closed(monkeypatch):
    monkeypatch.setattr(request_limits, "WHOLE_BYTES", 2_500)
    result = Result([PIECE] * 6)

    outcome, sent = answered(an_application(result))

    assert outcome is None
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": []},
        {"type": "http.response.body", "body": PIECE * 2, "more_body": True},
        {"type": "http.response.body", "body": PIECE * 2, "more_body": True},
        {"type": "http.response.body", "body": PIECE * 2, "more_body": True},
        {"type": "http.response.body"},
    ]
    assert result.is_closed


def test_http_1_0_is_told_the_length_of_a_long_answer(monkeypatch):
    monkeypatch.setattr(request_limits, "WHOLE_BYTES", 2_500)

    _, sent = answered(an_application([PIECE] * 6), version="1.0")

    assert sent[0]["headers"] == [(b"content-length", b"6000")]
    assert b"".join(message.get("body", b"") for message in sent) == PIECE * 6


def test_no_more_is_made_for_a_caller_who_takes_nothing(monkeypatch):
    monkeypatch.setattr(request_limits, "WHOLE_BYTES", 2_500)
    made = []

    def be_short_of_time():
        # Not before: to take the first may last long on a machine that is busy.
        monkeypatch.setattr(request_limits, "STALL_SECONDS", 0.05)

    def parts():
        for n in range(1_000):
            made.append(n)
            yield PIECE

    outcome, sent = answered(an_application(parts()), stops=be_short_of_time)

    assert isinstance(outcome, CallerLeftError)
    assert len(sent) == 1
    assert len(made) < 10


def test_no_more_is_made_for_a_caller_who_has_left(monkeypatch):
    monkeypatch.setattr(request_limits, "WHOLE_BYTES", 2_500)
    result = Result([PIECE] * 1_000)

    outcome, sent = answered(an_application(result), leaves=True)

    assert isinstance(outcome, CallerLeftError)
    assert len(sent) < 5
    assert result.is_closed


def test_an_application_that_fails_is_an_outcome_too():
    def application(_environ, _start_response):
        assert threading.current_thread() is not threading.main_thread()
        raise ZeroDivisionError

    outcome, sent = answered(application)

    assert isinstance(outcome, ZeroDivisionError)
    assert sent == []
