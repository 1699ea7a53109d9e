"""A platform that calls a source of a scenario's app, and notes what it was answered."""

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from django.db.models import Sum

from referrals import log
from referrals.hooks import spool_losses
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.models import IngestCount
from referrals.source_address import write_hook_path
from referrals.sources.call import Call, make_call
from referrals.sources.signing import sign_call
from tests import builders
from tests.faults.scene import Scene
from tests.platforms import SECRET, a_call, send_call

#: When the first call's event happened; the next ones a second later each.
BEGAN: Final = 1_795_860_301


class Platform:
    """Branch, or Adjust: `name` is the one of its preset."""

    def __init__(self, scene: Scene, name: str) -> None:
        self._scene = scene
        self._name = name
        with scene.ground.django():
            self.source = builders.a_source(scene.app, name, identity="email")
        #: The longest time to an answer, in seconds.
        self.longest = 0.0

    def call(self, numbers: Iterable[int]) -> list[int]:
        """Call once for each of these numbers; return the statuses."""
        return [self._call(number) for number in numbers]

    def log(self) -> list[int]:
        """Return which calls are in the log, in order. The oracle knows of them then."""
        with self._scene.ground.django():
            found = log.read_range(self._scene.app.pk, 1, 10_000)
        backend, numbers = self._scene.backend, []
        for logged in found:
            event = logged.event
            assert event.user
            number = int(event.user.identities["email"].split("@")[0].split("-")[-1])
            numbers.append(number)
            backend.accepted[event.id] = logged.position
            backend.sent[event.id] = {
                "type": "app_install",
                "occurred_at": datetime.fromtimestamp(BEGAN + number, UTC).isoformat(),
                "user": {"identities": {"email": self._user(number)}},
                "referrer": {"identities": {"email": self._referrer(number)}},
                "channel": "whatsapp",
                "content": "spring",
            }
        return numbers

    def counts(self) -> dict[str, int]:
        """Return how many events of the source were counted as what, since it began."""
        with self._scene.ground.django():
            rows = IngestCount.objects.filter(way=self.source.way)
            hourly = rows.exclude(hour=ALL_TIME_HOUR).values_list("outcome")
            return dict(hourly.annotate(Sum("number")).order_by())

    def losses(self) -> dict[str, int]:
        """Return how many events of the source were lost, by reason."""
        with self._scene.ground.django():
            found = spool_losses.read_losses(self.source.created_at)
        return {
            each.reason: each.number for each in found if each.way == self.source.way
        }

    def _call(self, number: int) -> int:
        call = sign_call(
            self.source.preset.verifier,
            self._branch(number) if self._name == "branch" else self._adjust(number),
            SECRET,
            now=datetime.now(UTC),
        )
        path = write_hook_path(self.source, SECRET)
        began = time.monotonic()
        status = send_call(f"{self._scene.stack.web_url}{path}", call)
        self.longest = max(self.longest, time.monotonic() - began)
        return status

    def _branch(self, number: int) -> Call:
        body: dict[str, Any] = {
            "name": "INSTALL",
            "id": f"call-{number}",
            "timestamp": (BEGAN + number) * 1000,
            "user_data": {"developer_identity": self._user(number)},
            "last_attributed_touch_data": {
                "referringUserID": self._referrer(number),
                "~channel": "whatsapp",
                "~campaign": "spring",
            },
        }
        call: Call = a_call(body, headers=[("content-type", "application/json")])
        return call

    def _adjust(self, number: int) -> Call:
        query = {
            "kind": "install",
            "at": BEGAN + number,
            "adid": f"adid-{number}",
            "label": self._referrer(number),
            "tracker": "whatsapp",
            "campaign": "spring",
            "user_id": self._user(number),
            "env": "production",
        }
        return make_call("GET", query_string=urlencode(query))

    def _user(self, number: int) -> str:
        return f"user-{self._scene.app.slug}-{number}@example.com"

    def _referrer(self, number: int) -> str:
        return f"referrer-{self._scene.app.slug}-{number}@example.com"
