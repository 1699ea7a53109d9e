"""The way of a request through the web process, as an ASGI application.

Reference: https://asgi.readthedocs.io/en/latest/specs/www.html
"""

import asyncio
import logging
import traceback
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from integration_project.health import answer_not_ready
from integration_project.public_status import answer_down
from integration_project.web import early_refusals, health_checks
from integration_project.web.bodies import Bodies, Body, NoRoomError, Receive
from integration_project.web.calls import Call, complete_environ, read_call, weigh_call
from integration_project.web.companies import Companies
from integration_project.web.heads import find_fault_of_head, find_framing
from integration_project.web.responses import (
    AnswerOutcome,
    AnswerSender,
    CallerLeftError,
    Send,
    WebAnswer,
    answer_by_wsgi,
    wait_until_left,
)
from integration_project.web.threads import Threads
from integration_project.web.turns import OverShareError, Turn, Turns
from integration_project.web.whole_requests import WholeRequest
from referrals.api.problems import ProblemError
from referrals.api.public_status import is_status_request

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from integration_project.web.connections import Connection

logger: Final = logging.getLogger(__name__)

#: Returns of each its answer; or whether the application may answer it now, in the same thread.
AnswerTogether = Callable[[Sequence[dict[str, Any]]], Sequence[WebAnswer | bool]]


@dataclass(eq=False, slots=True)
class _WaitingRequest:
    """A request that wants a thread. `begins` is done when it has one, or never will."""

    environ: dict[str, Any]
    body: Body
    sender: "AnswerSender | WholeRequest"
    #: None for a request that began at once, or has not begun to wait.
    begins: asyncio.Future[None] | None = None
    #: Whether it may share a thread with others of its owner.
    has_company: bool = False


class _LeftWhileWaitingError(Exception):
    """The caller left while the request waited."""


class Application:
    """Lets `django` answer requests in `threads` threads, of which an app has a `share`.

    The share is in percent. `answer_together` does at once what several requests with
    events have in common, and leaves to `django` whose answer is no plain receipt. Belongs to
    the event loop that runs when it is made.
    """

    def __init__(
        self,
        django: "WSGIApplication",
        *,
        threads: int,
        share: int,
        answer_together: AnswerTogether | None = None,
    ) -> None:
        self._django = django
        self._answer_together = answer_together
        self._loop = asyncio.get_running_loop()
        self._companies: Companies[Turn[_WaitingRequest]] = Companies(
            self._loop, self._give_company
        )
        self.bodies = Bodies(self._make_room)
        self._turns: Turns[_WaitingRequest] = Turns(threads=threads, share=share)
        self._threads = Threads(threads, "request")
        # Serves platforms' calls that nobody sends again and that found no thread in time.
        self._last_thread = Threads(1, "last chance")
        ask = partial(answer_by_wsgi, django)
        self._readiness = health_checks.SharedCheck(ask, answer_not_ready, "readiness")
        self._status = health_checks.SharedCheck(ask, answer_down, "status")

    async def __call__(
        self, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Answer a request."""
        sender, headers = AnswerSender(receive, send), scope["headers"]
        url_bytes = len(scope["raw_path"]) + len(scope["query_string"])
        if scope["path"] == health_checks.ALIVE_PATH:
            await sender.send_whole(
                health_checks.ALIVE_ANSWER, closes=bool(find_framing(headers))
            )
        elif fault := find_fault_of_head(url_bytes, headers):
            await sender.send_whole(
                early_refusals.answer_head_fault(fault, scope["path"]), closes=True
            )
        else:
            await self._serve(scope, receive, sender)

    def take_whole(
        self, connection: "Connection", cycle: "RequestResponseCycle"
    ) -> bool:
        """Serve a request of which all is here, without a task of its own.

        Returns False, and has done nothing, where more has to be decided first: then it is
        called like any other. What it may not have, it is refused as any other is.
        """
        scope: MutableMapping[str, Any] = cycle.scope  # type: ignore[assignment]
        path = scope["path"]
        url_bytes = len(scope["raw_path"]) + len(scope["query_string"])
        if (
            path == health_checks.ALIVE_PATH
            or cycle.waiting_for_100_continue
            or find_fault_of_head(url_bytes, scope["headers"])
        ):
            return False
        call = read_call(scope)
        if self._find_check(call) is not None:
            return False
        body = self.bodies.hold_whole(
            cycle.body, stated=call.stated, most=call.most, has_body=call.has_body
        )
        if body is None:
            return False
        # It would be held twice, and for as long as the connection brings nothing else.
        cycle.body = bytearray()
        self._begin_whole(
            call, body, WholeRequest(self._loop, connection, cycle, call, self._finish)
        )
        return True

    def _begin_whole(self, call: Call, body: Body, request: WholeRequest) -> None:
        request.body = body
        turn = self._make_turn(call, body, request)
        try:
            self._turns.add(turn)
        except OverShareError:
            request.settle(early_refusals.make_over_share_problem())
            return
        self._begin_next()
        if not turn.has_begun:
            turn.work.begins = self._loop.create_future()
            request.wait(self._wait_for(turn, request.receive, call))

    def _finish(self, request: WholeRequest, outcome: AnswerOutcome) -> None:
        """End what `take_whole` has begun."""
        self.bodies.release_body(request.body)
        if isinstance(outcome, BaseException):
            outcome = self._answer_error(
                request.call, outcome, has_begun=request.has_begun
            )
            if outcome is None:
                request.drop()
        if outcome is not None:
            request.send_whole(outcome)

    async def _serve(
        self, scope: MutableMapping[str, Any], receive: Receive, sender: AnswerSender
    ) -> None:
        call = read_call(scope)
        connection: Connection = scope["connection"]
        body = Body(b"", 0, is_whole=False)
        try:
            body = await self._collect(call, receive)
            body.is_whole &= not connection.has_cut_off(scope)
            answer = await self._answer(call, body, receive, sender)
        except Exception as error:  # noqa: BLE001 - the edge: nothing may pass
            answer = self._answer_error(call, error, has_begun=sender.has_begun)
            if answer is None:
                connection.drop()
        finally:
            self.bodies.release_body(body)
        if answer is not None:
            # If the body was not read to its end, its rest would be parsed as the next
            # request.
            await sender.send_whole(answer, closes=not body.is_whole)

    def _answer_error(
        self, call: Call, error: BaseException, *, has_begun: bool
    ) -> WebAnswer | None:
        """Return what is said in place of an answer; None if one has begun."""
        match error:
            case ProblemError():
                return early_refusals.answer_refusal(call, error)
            case NoRoomError():
                problem = early_refusals.make_busy_problem()
                return early_refusals.answer_refusal(call, problem)
        _log(error)
        return None if has_begun else early_refusals.answer_fault(call)

    async def _collect(self, call: Call, receive: Receive) -> Body:
        if not call.has_body:
            return Body(b"", 0, is_whole=True)
        return await self.bodies.collect(
            receive, stated=call.stated, most=call.most, owner=call.owner
        )

    async def _answer(
        self, call: Call, body: Body, receive: Receive, sender: AnswerSender
    ) -> WebAnswer | None:
        check = self._find_check(call)
        if check is not None:
            environ = complete_environ(call, body)
            # Others may get the same answer: it does not repeat what this caller sent.
            environ.pop("HTTP_X_REQUEST_ID", None)
            return await check.answer(environ, sender)
        turn = self._make_turn(call, body, sender)
        try:
            self._turns.add(turn)
        except OverShareError:
            raise early_refusals.make_over_share_problem() from None
        self._begin_next()
        if not turn.has_begun:
            turn.work.begins = self._loop.create_future()
            await self._wait_for(turn, receive, call)
        return await sender.answer

    def _make_turn(
        self, call: Call, body: Body, sender: AnswerSender | WholeRequest
    ) -> Turn[_WaitingRequest]:
        weight = weigh_call(call, body)
        work = _WaitingRequest(complete_environ(call, body), body, sender)
        work.has_company = call.brings_events and not weight
        return Turn(
            owner=call.owner,
            key=call.key,
            size=len(body.data),
            weight=weight,
            is_limited=call.is_api and not call.is_only_chance,
            work=work,
        )

    def _find_check(self, call: Call) -> health_checks.SharedCheck | None:
        if call.path == health_checks.READY_PATH:
            return self._readiness
        if is_status_request(call.method, call.path):
            return self._status
        return None

    async def _wait_for(
        self, turn: Turn[_WaitingRequest], receive: Receive, call: Call
    ) -> None:
        """Return when a thread begins with the turn. Raises the refusal that ends the wait."""
        begins = cast("asyncio.Future[None]", turn.work.begins)
        leaving = asyncio.ensure_future(wait_until_left(receive))
        try:
            await asyncio.wait(
                (begins, leaving),
                timeout=call.turn_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if begins.done():
                return begins.result()
            if call.is_only_chance:
                # Also one whose sender has left: it is here whole, and comes no more.
                return self._serve_at_last(turn)
            raise (
                _LeftWhileWaitingError
                if leaving.done()
                else early_refusals.make_busy_problem()
            )
        finally:
            leaving.cancel()
            if not begins.done():
                begins.cancel()
                self._turns.leave(turn)

    def _serve_at_last(self, turn: Turn[_WaitingRequest]) -> None:
        """Serve the request although no thread is free. What time is left, its view knows."""
        self._turns.leave(turn)
        _tell_begin(turn.work)
        self._last_thread.give(partial(self._work_at_last, turn.work))

    def _work_at_last(self, work: _WaitingRequest) -> None:
        outcome = answer_by_wsgi(self._django, work.environ, work.sender)
        self._loop.call_soon_threadsafe(work.sender.settle, outcome)

    def _begin_next(self) -> None:
        while (turn := self._turns.take()) is not None:
            _tell_begin(turn.work)
            if turn.work.has_company and self._answer_together is not None:
                self._companies.add(turn.owner, turn)
            else:
                self._threads.give(partial(self._work, turn))

    def _give_company(self, owner: str, turns: list[Turn[_WaitingRequest]]) -> None:
        self._threads.give(partial(self._work_together, owner, turns))

    def _work_together(self, owner: str, turns: list[Turn[_WaitingRequest]]) -> None:
        """Serve requests of one owner, in a thread. Who may keep it has one of its own."""
        found = self._find_answers(turns)
        for turn, answer in zip(turns, found, strict=True):
            if answer is False:
                self._threads.give(partial(self._work, turn))
        served = [
            (turn, self._call_django(turn) if answer is True else answer)
            for turn, answer in zip(turns, found, strict=True)
            if answer is not False
        ]
        self._loop.call_soon_threadsafe(self._end_together, owner, len(turns), served)

    def _find_answers(
        self, turns: list[Turn[_WaitingRequest]]
    ) -> Sequence[WebAnswer | bool]:
        """Return what `answer_together` does. One that is alone keeps nobody up."""
        answer_together = cast("AnswerTogether", self._answer_together)
        try:
            found = answer_together([turn.work.environ for turn in turns])
        except Exception as error:  # noqa: BLE001 - each of them is still answered
            _log(error)
            found = [False] * len(turns)
        return [found[0] or True] if len(turns) == 1 else found

    def _call_django(self, turn: Turn[_WaitingRequest]) -> AnswerOutcome:
        return answer_by_wsgi(self._django, turn.work.environ, turn.work.sender)

    def _end_together(
        self,
        owner: str,
        number: int,
        served: list[tuple[Turn[_WaitingRequest], AnswerOutcome]],
    ) -> None:
        self._companies.finish(owner, number)
        for turn, outcome in served:
            turn.work.sender.settle(outcome)
            self._turns.finish(turn)
        self._begin_next()

    def _work(self, turn: Turn[_WaitingRequest]) -> None:
        """Serve the request, in a thread."""
        outcome = self._call_django(turn)
        self._loop.call_soon_threadsafe(self._end, turn, outcome)

    def _end(self, turn: Turn[_WaitingRequest], outcome: AnswerOutcome) -> None:
        turn.work.sender.settle(outcome)
        self._turns.finish(turn)
        self._begin_next()

    def _make_room(self, owner: str) -> bool:
        """Refuse the newest request of the app that holds most bytes, unless that is `owner`."""
        turn = self._turns.find_largest_of_others(owner)
        if turn is None:
            return False
        self._turns.leave(turn)
        if turn.work.begins is not None:
            turn.work.begins.set_exception(early_refusals.make_over_share_problem())
        self.bodies.release_body(turn.work.body)
        return True


def _tell_begin(work: _WaitingRequest) -> None:
    if work.begins is not None:
        work.begins.set_result(None)


def _log(error: BaseException) -> None:
    if not isinstance(error, _LeftWhileWaitingError | CallerLeftError):
        frames = "".join(traceback.format_tb(error.__traceback__))
        logger.error("The web process met %s. %s", type(error).__name__, frames)
