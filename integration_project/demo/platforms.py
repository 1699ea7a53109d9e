"""Stand-ins for the platforms that know of the Demo Shop's referrals: they call us.

`carry` says whether the call was taken. It is not where a person has archived the source or
changed its secret; then the shop's backend tells the event, so that the story goes on.
"""

import base64
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import urlencode

from integration_project.demo.calls import write_branch_call, write_track_call
from integration_project.demo.patience import PatientSession
from integration_project.demo.story import Json
from referrals.sources.presets import load_preset
from referrals.sources.signing import sign_call


class BranchHook:
    """Branch's webhook, as its dashboard calls the address of a source."""

    def __init__(self, url: str, secret: str) -> None:
        self._url = url
        self._secret = secret
        self._verifier = load_preset("branch").verifier
        self._session = PatientSession()

    def carry(self, event: Json) -> bool:
        """Tell of an event that happens now; return whether that was taken."""
        now = datetime.now(UTC)
        call = write_branch_call(event, at=now)
        if call is None:
            return False
        signed = sign_call(self._verifier, call, self._secret, now=now)
        answer = self._session.send(
            signed.method,
            f"{self._url}?{urlencode(signed.query)}",
            body=signed.body,
            headers=dict(signed.headers),
        )
        return answer.status_code == HTTPStatus.OK


class SegmentTracking:
    """A backend with an SDK of Segment's, whose host is this server."""

    def __init__(self, url: str, write_key: str) -> None:
        self._url = f"{url}/v1/segment/v1/batch"
        user = base64.b64encode(f"{write_key}:".encode()).decode()
        self._session = PatientSession(Authorization=f"Basic {user}")

    def carry(self, event: Json) -> bool:
        """Tell of an event that happens now; return whether that was taken."""
        now = datetime.now(UTC)
        item = write_track_call(event, at=now)
        if item is None:
            return False
        batch = {"batch": [item], "sentAt": now.isoformat()}
        answer = self._session.send("POST", self._url, json=batch)
        return answer.status_code == HTTPStatus.OK
