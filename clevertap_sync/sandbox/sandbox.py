"""The sandbox as a value: what tests and the command start, set and ask.

The server runs in threads of this process. Everything is also reachable over HTTP under
`/_sandbox/`, for tests whose sandbox is another process.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS, SandboxAccount
from clevertap_sync.sandbox.faults import Fault, Only, Poison, SwitchOrder
from clevertap_sync.sandbox.server import HOST, Server
from clevertap_sync.sandbox.state import State
from clevertap_sync.sandbox.store import Lost, Request

KEPT_RECORDS = 200_000
#: For what hangs, and not for what a busy machine does later.
_WAIT_SECONDS = 120.0


class Sandbox:
    """A running stand-in for CleverTap, from `with Sandbox() as sandbox:` to its end.

    `keep` bounds how many records are kept; counts are complete. `ledger` is a file that
    gets a line for each upload before it is answered. `clock` gives Unix seconds.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        location: Location = Location.EU1,
        keep: int = KEPT_RECORDS,
        ledger: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger: BinaryIO | None = None if ledger is None else ledger.open("ab")
        self._state = State(
            keep=keep, default_location=location, ledger=self._ledger, clock=clock
        )
        try:
            self._server = Server(self._state, port)
        except OSError:
            self._close_ledger()
            raise
        self._thread = threading.Thread(
            target=self._server.serve, name="sandbox", daemon=True
        )
        self.port = self._server.port
        self.url = f"http://{HOST}:{self.port}"
        #: What `CLEVERTAP_BASE_URL` is set to.
        self.template = f"{self.url}/{{location}}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every conversation and wait until all threads are gone.

        Raises RuntimeError if the sandbox itself failed to answer a request.
        """
        try:
            self._server.close()
        finally:
            if self._thread.ident is not None:
                self._thread.join()
            self._close_ledger()

    def _close_ledger(self) -> None:
        if self._ledger is not None:
            self._ledger.close()

    def account(self, location: Location = Location.EU1) -> SandboxAccount:
        """Return the credentials that are right at `location`."""
        return ACCOUNTS[location]

    def base_url(self, location: Location = Location.EU1) -> str:
        """Return the address that answers for `location`."""
        return f"{self.url}/{location}"

    # What arrived

    def records(self, location: Location | None = None) -> list[dict[str, Any]]:
        """Return every stored record as received, in order.

        Raises LookupError where more arrived than is kept: `counts` has them all.
        """
        if self._state.store.first_kept() > 1:
            msg = "More records arrived than are kept. Use counts(), or a larger keep."
            raise LookupError(msg)
        return [each.record for each in self._state.store.arrivals(0, location)]

    def counts(self, location: Location = Location.EU1) -> dict[tuple[str, str], int]:
        """Return how often each (identity, event name) was stored. Complete."""
        with self._state.world.condition:
            people = self._state.store.people[location]
            return {(who, name): seen.times for who, name, seen in people.counts()}

    def requests(self, location: Location | None = None) -> list[Request]:
        """Return the requests to the API in the order of their arrival."""
        with self._state.world.condition:
            return [
                msgspec.structs.replace(each, refused=dict(each.refused))
                for each in self._state.store.requests
                if location in (None, each.location)
            ]

    def lost(self) -> list[Lost]:
        """Return the records that were answered as processed and then dropped."""
        with self._state.world.condition:
            return list(self._state.store.lost)

    def state(self) -> dict[str, Any]:
        """Return what arrived, in numbers, as `GET /_sandbox/state` does."""
        return self._state.summary()

    def wait_for(self, count: int, timeout: float = _WAIT_SECONDS) -> None:
        """Wait until `count` records are stored. Raises TimeoutError after `timeout`."""
        store = self._state.store
        if not self._state.world.wait(lambda: store.last_number >= count, timeout):
            msg = f"{store.last_number} of {count} records arrived in {timeout} s."
            raise TimeoutError(msg)

    def wait_for_requests(self, count: int, timeout: float = _WAIT_SECONDS) -> None:
        """Wait until `count` requests have arrived, answered or not.

        Raises TimeoutError after `timeout`.
        """
        requests = self._state.store.requests
        if not self._state.world.wait(lambda: len(requests) >= count, timeout):
            msg = f"{len(requests)} of {count} requests arrived in {timeout} s."
            raise TimeoutError(msg)

    # What it is to do

    def switch(
        self,
        location: Location | None = None,
        *,
        reset: bool = False,
        faults: tuple[Fault, ...] = (),
        poison: tuple[Poison, ...] = (),
        **rules: object,
    ) -> None:
        """Change rules, and add faults and poison, at one location or at all."""
        order = SwitchOrder(
            location=location, reset=reset, rules=rules, faults=faults, poison=poison
        )
        self._state.obey(order)

    def answer(
        self,
        status: int,
        body: str | None = None,
        *,
        headers: dict[str, str] | None = None,
        times: int | None = 1,
        seconds: float | None = None,
        only: Only = "all",
        store: bool = False,
        location: Location | None = None,
    ) -> None:
        """Answer the next requests with this; without a body, with the usual one."""
        fault = Fault(
            status=status,
            body=body,
            headers=headers or {},
            times=times,
            seconds=seconds,
            only=only,
            store=store,
        )
        self.switch(location, faults=(fault,))

    def fault(self, location: Location | None = None, **fields: Any) -> None:  # noqa: ANN401 # Fault checks them
        """Let the next requests meet `Fault(**fields)`."""
        fault = msgspec.convert(fields, Fault)
        self.switch(location, faults=(fault,))

    def poison(self, location: Location | None = None, **fields: Any) -> None:  # noqa: ANN401 # Poison checks them
        """Let records that match meet `Poison(**fields)`."""
        poison = msgspec.convert(fields, Poison)
        self.switch(location, poison=(poison,))

    def show_at_once(self, location: Location | None = None) -> None:
        """Let every call show what arrives at once, whole and exactly."""
        self.switch(
            location,
            counts_visible_after=0,
            events_visible_after=0,
            schema_visible_after=0,
            profile_visible_after=0,
            partial_rounds=0,
            in_progress_rounds=0,
            counts="exact",
        )

    def empty_account(self, location: Location | None = None) -> None:
        """Let an account forget what has arrived, as a test account's reset does."""
        self.switch(location, emptied_at=self._state.world.now())

    def release(self) -> None:
        """Let the requests go on that a fault's `hold` keeps waiting."""
        self._state.world.release()

    def behave(self) -> None:
        """Take all switches back; what arrived stays."""
        self.switch(reset=True)

    def reset(self) -> None:
        """Forget what arrived and take all switches back."""
        self._state.reset()
