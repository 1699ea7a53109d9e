"""The Demo Shop's backend, as far as it talks to us: the HTTP API."""

import sys
from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import requests

from integration_project.demo.patience import REQUEST_SECONDS, PatientSession
from integration_project.demo.story import Json

_COUNTS: Final = ("accepted", "duplicates", "conflicts", "rejected")


class DemoApi:
    """Sends events until they are answered. The same `id` makes a repeat harmless."""

    def __init__(self, url: str, key: str) -> None:
        self._url = f"{url}/v1/events"
        self._session = PatientSession(Authorization=f"Bearer {key}")

    def knows(self, event_id: str) -> bool:
        """Return whether the log has this event."""
        answer = self._answered("GET", f"{self._url}/{event_id}")
        return answer.status_code == HTTPStatus.OK

    def send(self, events: Sequence[Json]) -> Counter[str]:
        """Send events in one request; return how many were accepted, rejected, …."""
        answer = self._answered("POST", self._url, {"events": list(events)})
        receipt = answer.json()
        return Counter({name: receipt.get(name, 0) for name in _COUNTS})

    def _answered(
        self, method: str, url: str, body: Json | None = None
    ) -> requests.Response:
        answer = self._session.send(method, url, json=body)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:
            sys.exit(
                "The demo's API key was revoked. Remove var/demo.json to get another."
            )
        return answer


def discard_in_sandbox(url: str, location: str, event_name: str) -> bool:
    """Discard an event in the sandbox, as a person can in CleverTap's dashboard.

    Return whether the sandbox was there to be told.
    """
    order = {"location": location, "rules": {"discarded_names": [event_name]}}
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.post(
            f"{url}/_sandbox/switches", json=order, timeout=REQUEST_SECONDS
        )
    except requests.RequestException:
        return False
    return answer.ok
