"""An app's backend: it sends events until each request was answered, and notes the answers."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import requests

from tests.builders import a_sent_event
from tests.harness.process import PATIENCE_SECONDS

#: Events have happened in the quarter-hours up to then, some on a day that is over.
BEGAN: Final = datetime.now(UTC)
QUARTER: Final = timedelta(minutes=15)
QUARTERS: Final = 120
TRIES_PAUSE: Final = 0.05
#: What a load waits for before it sends once more.
ANSWER_SECONDS: Final = 30.0
UNAVAILABLE: Final = 503


class Backend:
    """Sends events of one app, and keeps what was sent and what was accepted.

    Only a 202 counts as accepted; everything else is sent again as it was. `before` is
    called before each request.
    """

    def __init__(
        self, name: str, key: str, before: Callable[[], object] = lambda: None
    ) -> None:
        self.name = name
        self._before = before
        self._key = key
        self._lock = threading.Lock()
        self._number = 0
        self._queue: list[dict[str, Any]] = []
        self._queued: set[str] = set()
        #: By id, every event that was ever sent.
        self.sent: dict[str, Mapping[str, Any]] = {}
        #: By id, the position that the 202 named.
        self.accepted: dict[str, int] = {}
        #: How often each status was answered; 0 is no answer.
        self.statuses: Counter[int] = Counter()
        #: 503 that did not say when to come back.
        self.silent_refusals = 0

    def events(self, count: int, **changes: Any) -> list[dict[str, Any]]:
        """Return new events, each of two people who occur nowhere else."""
        with self._lock:
            first = self._number + 1
            self._number += count
        return [self._event(number, changes) for number in range(first, first + count)]

    def queue_events(self, events: Sequence[dict[str, Any]]) -> None:
        """Leave events to the next request of a load."""
        with self._lock:
            self._queue += events
            self._queued |= {event["id"] for event in events}

    def take_queued(self) -> list[dict[str, Any]]:
        """Return what was left to the next request, once."""
        with self._lock:
            taken, self._queue = self._queue, []
        return taken

    def has_queued(self) -> bool:
        """Say whether any event that was left to a load is not accepted yet."""
        with self._lock:
            return not self._queued <= self.accepted.keys()

    def _event(self, number: int, changes: Mapping[str, Any]) -> dict[str, Any]:
        name = f"{self.name}-{number}"
        people = {
            "user": {"identities": {"email": f"user-{name}@example.com"}},
            "referrer": {"identities": {"email": f"referrer-{name}@example.com"}},
        }
        # Told apart by their content, too: one device may have several.
        content = f"content-{number}"
        # Of the days that have just passed, so that delivered counts have it.
        at = (BEGAN - number % QUARTERS * QUARTER).isoformat()
        own = {"id": name, "content": content, "occurred_at": at}
        return a_sent_event(**{**own, **people, **changes})

    def post(
        self, url: str, events: list[dict[str, Any]], seconds: float = PATIENCE_SECONDS
    ) -> int:
        """POST once; note what was accepted. Returns the status, 0 where none came."""
        self._before()
        with self._lock:
            self.sent |= {event["id"]: event for event in events}
        try:
            answer = requests.post(
                f"{url}/v1/events",
                json={"events": events},
                headers={"Authorization": f"Bearer {self._key}"},
                timeout=seconds,
            )
        except requests.RequestException:
            return self._note(0, {})
        if answer.status_code == UNAVAILABLE and "Retry-After" not in answer.headers:
            self.silent_refusals += 1
        return self._note(answer.status_code, answer)

    def _note(self, status: int, answer: Any) -> int:
        with self._lock:
            self.statuses[status] += 1
            if status == requests.codes.accepted:
                for result in answer.json()["results"]:
                    assert result["status"] in {"accepted", "duplicate"}, result
                    self.accepted[result["id"]] = result["position"]
        return status


class Load:
    """Posts small requests from a few threads until told to stop; a context manager.

    `url` tells where the web process is just now.
    """

    def __init__(
        self,
        backend: Backend,
        url: Callable[[], str],
        *,
        threads: int = 2,
        size: int = 20,
        pause: float = 0.05,
        seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._backend = backend
        self._url = url
        self._size = size
        self._pause = pause
        self._seconds = seconds
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, name="load") for _ in range(threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._pause):
            events = [
                *self._backend.take_queued(),
                *self._backend.events(self._size),
            ]
            # Once more after the stop would be of no use: what has no answer may be in
            # the log or not, and both are right.
            while self._backend.post(self._url(), events, self._seconds) != 202:
                if self._stop.wait(TRIES_PAUSE):
                    return
