"""Request bodies on their way in: counted, capped, and not waited for for ever.

All of them together have a budget. A body that overflows it ends the one that has been on
its way for longest. Nothing trusts a length that a caller states.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from integration_project.web import request_limits

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class NoRoomError(Exception):
    """The bodies that are held already leave no room for this one."""


@dataclass(eq=False, slots=True)
class Body:
    """The received part of a body. A body that is not whole is too long, or was cut off.

    `size` is what the caller announced, or sent where that is more; `held_bytes` is its
    share of the budget.
    """

    data: bytes
    size: int
    is_whole: bool
    held_bytes: int = 0

    @property
    def length(self) -> int:
        """The length under which it is handed on: more than there is, if it is not whole."""
        return self.size if self.is_whole else max(self.size, len(self.data) + 1)

    def stream(self) -> io.BytesIO:
        """Return it to be read; one that is not whole fails where it ends."""
        return io.BytesIO(self.data) if self.is_whole else _CutOff(self.data)


class _CutOff(io.BytesIO):
    """A body that fails at its end, so that no reader takes the beginning for the whole."""

    def read(self, size: int | None = -1, /) -> bytes:
        return self._checked(super().read(size))

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._checked(super().readline(size))

    def _checked(self, data: bytes) -> bytes:
        if not data:
            raise ConnectionResetError
        return data


@dataclass(eq=False, slots=True)
class _Collecting:
    """A body that is on its way. Without `parts`, what comes is thrown away."""

    deadline: asyncio.Timeout
    parts: list[bytes] | None
    ends_at: float
    size: int = 0
    held_bytes: int = 0
    is_evicted: bool = False


class Bodies:
    """Collects bodies, and knows how much of them the process holds.

    `make_room` is called with the owner of a body for which there is none: it lets go of
    something that waits, or returns False.
    """

    def __init__(self, make_room: Callable[[str], bool]) -> None:
        self._make_room = make_room
        self._held_bytes = 0
        #: All bodies on their way, oldest first; and those of them that hold bytes. An
        #: evicted one is in neither, for there may be thousands at once.
        self._collecting: dict[_Collecting, None] = {}
        self._holding: dict[_Collecting, None] = {}
        #: When those that are not whole are let go, once the process is to end.
        self._ends_at: float | None = None

    @property
    def held_bytes(self) -> int:
        """How many bytes the process holds."""
        return self._held_bytes

    async def collect(
        self, receive: Receive, *, stated: int | None, most: int, owner: str
    ) -> Body:
        """Return the body, which counts as held until `release_body`.

        `stated` is its Content-Length, or None for chunks. Raises `NoRoomError`.
        """
        ends_at = asyncio.get_running_loop().time() + request_limits.BODY_SECONDS
        if self._ends_at is not None:
            ends_at = min(ends_at, self._ends_at)
        deadline = asyncio.timeout_at(ends_at)
        parts: list[bytes] | None = [] if (stated or 0) <= most else None
        mine = _Collecting(deadline, parts, ends_at)
        self._collecting[mine] = None
        is_complete = False
        try:
            async with deadline:
                is_complete = await self._receive(mine, receive, most, owner)
        except TimeoutError:
            pass
        except BaseException:
            self._held_bytes -= mine.held_bytes
            raise
        finally:
            self._stop_collecting(mine)
        if mine.is_evicted or (self._ends_at is not None and not is_complete):
            self._held_bytes -= mine.held_bytes
            raise NoRoomError
        is_whole = is_complete and mine.parts is not None
        return Body(
            b"".join(mine.parts or ()),
            max(stated or 0, mine.size),
            is_whole,
            mine.held_bytes,
        )

    def hold_whole(
        self, data: bytes | bytearray, *, stated: int | None, most: int, has_body: bool
    ) -> Body | None:
        """Return a body that has come to its end already, which counts as held.

        Returns None where it is too long, or others would have to go for it.
        """
        size = len(data)
        if not has_body:
            return Body(b"", 0, is_whole=True)
        if (
            max(size, stated or 0) > most
            or self._held_bytes + size > request_limits.MAX_HELD_BYTES
        ):
            return None
        self._held_bytes += size
        return Body(bytes(data), max(stated or 0, size), is_whole=True, held_bytes=size)

    def release_body(self, body: Body) -> None:
        """Hold a body no longer. A second time changes nothing."""
        self._held_bytes -= body.held_bytes
        body.held_bytes = 0

    def evict_oldest(self) -> bool:
        """End the body that has been on its way for longest. Return whether there is one."""
        for oldest in self._collecting:
            self._evict(oldest)
            return True
        return False

    def end_soon(self) -> None:
        """Shorten every body's deadline, also that of later ones: the process ends."""
        self._ends_at = (
            asyncio.get_running_loop().time() + request_limits.LAST_BODY_SECONDS
        )
        for collecting in self._collecting:
            collecting.ends_at = min(collecting.ends_at, self._ends_at)
            deadline = collecting.deadline.when()
            if deadline is not None and deadline > collecting.ends_at:
                collecting.deadline.reschedule(collecting.ends_at)

    async def _receive(
        self, mine: _Collecting, receive: Receive, most: int, owner: str
    ) -> bool:
        """Receive the body's parts. Return whether it has come to its end."""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return False
            part = message.get("body", b"")
            mine.size += len(part)
            if mine.parts is None or mine.size > most:
                self._throw_away(mine)
            else:
                mine.parts.append(part)
                self._hold(mine, len(part), owner)
            if not message.get("more_body"):
                return True
            if mine.size > request_limits.MAX_DISCARDED_BYTES:
                return False

    def _hold(self, mine: _Collecting, size: int, owner: str) -> None:
        mine.held_bytes += size
        self._held_bytes += size
        if size:
            self._holding[mine] = None
        while self._held_bytes > request_limits.MAX_HELD_BYTES:
            if not (self._evict_another(mine) or self._make_room(owner)):
                raise NoRoomError

    def _throw_away(self, mine: _Collecting) -> None:
        """Drop a body that is too long, and wait less for the rest."""
        self._held_bytes -= mine.held_bytes
        self._holding.pop(mine, None)
        mine.held_bytes = 0
        mine.parts = None
        if not mine.is_evicted:
            now = asyncio.get_running_loop().time()
            silent_at = now + request_limits.DISCARD_SILENCE_SECONDS
            mine.deadline.reschedule(min(silent_at, mine.ends_at))

    def _evict_another(self, mine: _Collecting) -> bool:
        for oldest in self._holding:
            if oldest is not mine:
                self._evict(oldest)
                return True
        return False

    def _evict(self, collecting: _Collecting) -> None:
        """Let its wait end at once."""
        self._stop_collecting(collecting)
        collecting.is_evicted = True
        collecting.deadline.reschedule(asyncio.get_running_loop().time())
        self._held_bytes -= collecting.held_bytes
        collecting.held_bytes = 0
        collecting.parts = None

    def _stop_collecting(self, collecting: _Collecting) -> None:
        self._collecting.pop(collecting, None)
        self._holding.pop(collecting, None)
