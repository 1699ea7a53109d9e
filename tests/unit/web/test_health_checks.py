"""Questions about the database that callers share, where it answers and where it does not."""

import asyncio
import threading

import pytest
from django.http import HttpResponse

from integration_project.web import health_checks
from integration_project.web.responses import AnswerSender, make_answer

GOOD = make_answer(200, [], b"good")
SILENCE = b"no answer"


class Database:
    """Answers once it may."""

    def __init__(self):
        self.asked = 0
        self.is_asked = threading.Event()
        self.may_answer = threading.Event()

    def ask(self, _environ, _sender):
        self.asked += 1
        self.is_asked.set()
        self.may_answer.wait()
        return GOOD


@pytest.fixture
def database():
    found = Database()
    yield found
    found.may_answer.set()


def a_check(database):
    return health_checks.SharedCheck(
        database.ask, lambda: HttpResponse(SILENCE, status=503), "check"
    )


def ask(check):
    """Return the coroutine of one caller's answer."""
    return check.answer({}, AnswerSender(None, None))


def test_callers_share_a_question_and_its_answer(database):
    async def scenario():
        check = a_check(database)
        callers = [asyncio.ensure_future(ask(check)) for _ in range(5)]
        await asyncio.sleep(0)
        callers[0].cancel()
        database.may_answer.set()
        return await asyncio.gather(*callers[1:])

    assert asyncio.run(scenario()) == [GOOD] * 4
    assert database.asked == 1


def test_a_database_that_is_silent_leaves_nobody_waiting(database, monkeypatch):
    monkeypatch.setattr(health_checks, "SILENCE_SECONDS", 0)

    async def scenario():
        check = a_check(database)
        silent = [await ask(check)]
        await asyncio.to_thread(database.is_asked.wait)
        silent += [await ask(check) for _ in range(3)]
        # The one question that is open keeps its thread: no other is asked beside it.
        asked = database.asked
        monkeypatch.setattr(health_checks, "SILENCE_SECONDS", 60)
        database.may_answer.set()
        while (answer := await ask(check)) is not GOOD:
            await asyncio.sleep(0)
        return silent, asked, answer

    silent, asked, answer = asyncio.run(scenario())
    assert [(each.status, each.body) for each in silent] == [(503, SILENCE)] * 4
    assert asked == 1
    assert answer is GOOD
