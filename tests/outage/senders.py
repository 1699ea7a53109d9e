"""Platforms as they behave while we are away, after what they document of it.

Adjust and GrowSurf do not say when they call again. Their pauses here are short, so that a
run ends on the day on which it began: what counts is that they do call again.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import requests

from referrals.sources.call import Call
from referrals.sources.presets import load_preset
from referrals.sources.signing import sign_call
from tests.platforms import a_call, send_call

SECRET: Final = "the-secret-of-sources-in-an-outage"
OK: Final = 200


@dataclass(frozen=True)
class Behaviour:
    """How long a platform waits for an answer, and how often it calls again.

    `again_late` is how often after no answer in time, `again_refused` after an error.
    """

    timeout: float
    again_late: int
    again_refused: int
    pause: float
    #: Each further pause is so many times as long.
    factor: float = 1.0


#: https://help.branch.io, https://support.appsflyer.com, https://help.adjust.com and
#: https://docs.growsurf.com: docs/sources says what each documents.
BEHAVIOURS: Final = {
    "branch": Behaviour(timeout=2, again_late=1, again_refused=0, pause=0),
    "appsflyer": Behaviour(timeout=10, again_late=0, again_refused=0, pause=0),
    "adjust": Behaviour(timeout=10, again_late=6, again_refused=6, pause=60, factor=3),
    "growsurf": Behaviour(
        timeout=10, again_late=12, again_refused=12, pause=15, factor=2
    ),
}


@dataclass
class Sender:
    """One platform's calls, one after the other and those again in between."""

    platform: str
    url: str
    pause: float
    sent: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0
    given_up: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _again: list[threading.Thread] = field(default_factory=list)

    def run(self, until: Callable[[], bool]) -> None:
        """Send an event each `pause` seconds, until told."""
        while not until():
            self.sent += 1
            thread = threading.Thread(target=self._send, args=(self.sent,))
            thread.start()
            self._again.append(thread)
            time.sleep(self.pause)

    def wait(self) -> None:
        """Return once every call was answered by 200, or given up."""
        for thread in self._again:
            thread.join()

    def _send(self, number: int) -> None:
        behaviour = BEHAVIOURS[self.platform]
        late, refused, pause = 0, 0, behaviour.pause
        while True:
            answer = self._call(number, behaviour.timeout)
            if answer == str(OK):
                return
            if answer == "late":
                late += 1
            else:
                refused += 1
            if late > behaviour.again_late or refused > behaviour.again_refused:
                with self._lock:
                    self.given_up += 1
                return
            time.sleep(pause)
            pause *= behaviour.factor

    def _call(self, number: int, timeout: float) -> str:
        call = make_event_call(self.platform, number)
        began = time.monotonic()
        try:
            answer = str(send_call(self.url, call, timeout=timeout))
        except requests.RequestException:
            answer = "late"
        with self._lock:
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.answers[answer] = self.answers.get(answer, 0) + 1
        return answer


def make_event_call(platform: str, number: int) -> Call:
    """Return the signed call about an event of user `number`."""
    body, query = _EVENTS[platform](number)
    call = a_call(
        body,
        method="GET" if body is None else "POST",
        headers=[("content-type", "application/json")],
        query_string=urlencode(query),
    )
    return sign_call(
        load_preset(platform).verifier, call, SECRET, now=datetime.now(UTC)
    )


Parts = tuple[Any, dict[str, str]]
_START: Final = int(time.time())


def _branch(number: int) -> Parts:
    user = {"developer_identity": f"branch-{number}", "idfv": f"idfv-{number}"}
    return {
        "name": "INSTALL",
        "timestamp": 1000 * (_START + number),
        "user_data": user,
        "last_attributed_touch_data": {
            "~feature": "referrals",
            "referringUserID": f"r-branch-{number}",
        },
    }, {}


def _appsflyer(number: int) -> Parts:
    at = datetime.fromtimestamp(_START + number, UTC)
    return {
        "event_name": "install",
        "conversion_type": "install",
        "event_time": f"{at:%Y-%m-%d %H:%M:%S}.000",
        "app_id": "com.example",
        "appsflyer_id": f"{number}-1",
        "customer_user_id": f"appsflyer-{number}",
        "media_source": "af_app_invites",
        "af_sub1": f"r-appsflyer-{number}",
    }, {}


def _adjust(number: int) -> Parts:
    return None, {
        "kind": "install",
        "at": str(_START + number),
        "adid": f"{number:032x}",
        "label": f"r-adjust-{number}",
        "user_id": f"adjust-{number}",
        "app": "abc",
    }


def _growsurf(number: int) -> Parts:
    person = {"id": f"growsurf-{number}", "email": f"g-{number}@example.com"}
    return {
        "event": "NEW_PARTICIPANT_ADDED",
        "createdAt": 1000 * (_START + number),
        "data": {
            **person,
            "referrer": {"id": f"r-{number}", "email": f"r-g-{number}@example.com"},
        },
    }, {}


_EVENTS: Final[dict[str, Callable[[int], Parts]]] = {
    "branch": _branch,
    "appsflyer": _appsflyer,
    "adjust": _adjust,
    "growsurf": _growsurf,
}
