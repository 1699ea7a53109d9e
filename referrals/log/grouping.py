"""Threads that call the same work at the same moment: one of them does it for all.

This is flat combining. The first caller does its own item. Callers that come meanwhile
wait in line. When the turn ends, the first caller in line does the items of the whole line
in one group. If the last turn had several callers, the next one waits a moment for them to
come again, as a database does before it syncs a group's commit. A caller alone never waits.

Pure: imports no framework.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from math import inf
from time import monotonic
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class WaitedTooLongError(Exception):
    """Another caller's turn took too long. Whether it has done this item is unknown."""


#: Does items, and calls the function that it gets with their answers, in order, once these
#: are final. The next turn begins then, while this work does the rest.
GroupWork = Callable[[Sequence[Item], Callable[[Sequence[Answer]], None]], None]


class _Call(Enum):
    """What a waiting caller is woken for."""

    TURN = auto()  # to do the next group
    ANSWER = auto()
    ERROR = auto()
    ALONE = auto()  # the group failed, perhaps by another caller's item


@dataclass(slots=True, eq=False)
class _Caller(Generic[Item, Answer]):
    item: Item
    call: _Call | None = None
    answers: list[Answer] = field(default_factory=list)
    error: Exception | None = None
    #: Only of a caller that had to wait: a turn of one needs none.
    woken: threading.Event | None = None

    def wake(self, call: _Call) -> None:
        self.call = call
        if self.woken is not None:
            self.woken.set()


class WaitingLine(Generic[Item, Answer]):
    """Takes turns at `work`, each for all callers that were in line when it began.

    The sizes of a group's items have at most the sum `most`, unless the first item alone
    is larger. When a turn fails, `error_for_others` returns an exception for each other
    caller, or None if the fault may lie in one item; then each caller does its own item
    alone. A caller that has to wait does `before_wait` first, which raises nothing: what it
    holds, the caller with the turn may need. A caller that was in line for `seconds` begins
    a turn although another one has not ended: turns only save work, and `work` has to be
    safe without them. `patience` is how many seconds a turn waits for the callers of the
    last one.
    """

    def __init__(
        self,
        work: GroupWork[Item, Answer],
        *,
        error_for_others: Callable[[Exception], Exception | None],
        before_wait: Callable[[], None],
        size: Callable[[Item], int],
        most: int,
        seconds: float,
        patience: float,
    ) -> None:
        self._work = work
        self._make_error = error_for_others
        self._before_wait = before_wait
        self._size = size
        self._most = most
        self._seconds = seconds
        self._patience = patience
        # Guards what follows, and each caller's `call`.
        self._mutex = threading.Lock()
        self._leader: _Caller[Item, Answer] | None = None
        self._waiting: deque[_Caller[Item, Answer]] = deque()
        # How many callers the last turn had or left in line, and when it ended.
        self._last_callers = 1
        self._last_ended_at = -inf
        # For how many callers in line the turn waits, and the sign that they are there.
        self._expected = 0
        self._all_arrived = threading.Event()

    def ask(self, item: Item) -> Answer:
        """Have `item` done, by this thread or another, and return its answer.

        Raises the work's exception, or `WaitedTooLongError` if the item was in another
        caller's turn and had no answer after `seconds`.
        """
        caller: _Caller[Item, Answer] = _Caller(item)
        woken = self._take_turn_or_queue(caller)
        if woken is None or self._wait_for_call(caller, woken) is _Call.TURN:
            self._take_turn(caller)
        if caller.call is _Call.ALONE:
            self._work([item], caller.answers.extend)
        if caller.error is not None:
            raise caller.error
        return caller.answers[0]

    def _take_turn_or_queue(
        self, caller: _Caller[Item, Answer]
    ) -> threading.Event | None:
        """Give the turn to the caller if it is free, else put the caller in line.

        Returns what then wakes it.
        """
        with self._mutex:
            if self._leader is None:
                self._leader = caller
                return None
            caller.woken = threading.Event()
            self._waiting.append(caller)
            if len(self._waiting) == self._expected:
                self._all_arrived.set()
            return caller.woken

    def _wait_for_call(
        self, caller: _Caller[Item, Answer], woken: threading.Event
    ) -> _Call:
        self._before_wait()
        woken.wait(self._seconds)
        with self._mutex:
            if caller.call is not None:
                return caller.call
            if caller not in self._waiting:
                raise WaitedTooLongError
            self._waiting.remove(caller)
            self._leader = caller
            return _Call.TURN

    def _take_turn(self, leader: _Caller[Item, Answer]) -> None:
        group = [leader]
        try:
            # Only who has the turn changes this.
            if self._last_callers > 1:
                self._wait_for_others()
            self._gather(group)
            self._work([each.item for each in group], partial(self._answer, group))
        except Exception as error:
            if len(group) == 1 or not self._fail(group, error):
                raise
        finally:
            # Also after an exception, no caller may go on waiting for this turn.
            if self._leader is leader or len(group) > 1:
                self._end(group)

    def _gather(self, group: list[_Caller[Item, Answer]]) -> None:
        """Let those in line join the leader, as far as there is room."""
        total = self._size(group[0].item)
        with self._mutex:
            self._expected = 0
            while self._waiting:
                total += self._size(self._waiting[0].item)
                if total > self._most:
                    break
                group.append(self._waiting.popleft())

    def _wait_for_others(self) -> None:
        with self._mutex:
            if monotonic() - self._last_ended_at > self._patience:
                return
            self._expected = self._last_callers - 1
            if len(self._waiting) >= self._expected:
                return
            self._all_arrived.clear()
        self._all_arrived.wait(self._patience)

    def _answer(
        self, group: list[_Caller[Item, Answer]], answers: Sequence[Answer]
    ) -> None:
        with self._mutex:
            self._pass_on(group)
            for caller, answer in zip(group, answers, strict=True):
                caller.answers.append(answer)
                caller.wake(_Call.ANSWER)

    def _fail(self, group: list[_Caller[Item, Answer]], error: Exception) -> bool:
        """Tell the others of the group; return whether its leader, too, goes on alone."""
        leader = group[0]
        with self._mutex:
            if leader.call is _Call.ANSWER:
                return False
            for caller in group[1:]:
                # One for each: a raised exception collects its thread's frames.
                caller.error = self._make_error(error)
                caller.wake(_Call.ERROR if caller.error else _Call.ALONE)
            if group[1].error is None:
                leader.call = _Call.ALONE
            return leader.call is _Call.ALONE

    def _end(self, group: list[_Caller[Item, Answer]]) -> None:
        with self._mutex:
            self._pass_on(group)
            for caller in group[1:]:
                if caller.call is None:
                    caller.wake(_Call.ALONE)

    def _pass_on(self, group: list[_Caller[Item, Answer]]) -> None:
        """Give the turn to the next in line, unless the group has done so before."""
        if self._leader is not group[0]:
            return
        self._last_callers = len(group) + len(self._waiting)
        self._last_ended_at = monotonic()
        self._leader = self._waiting.popleft() if self._waiting else None
        if self._leader is not None:
            self._leader.wake(_Call.TURN)
