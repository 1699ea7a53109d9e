"""HTTP requests of the demo, made again until something other than "later" comes back."""

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import requests

REQUEST_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 0.3
_SLOW_DOWN_SECONDS: Final = 1.0


class PatientSession:
    """Sends as often as needed. An ID in what is sent makes a repeat harmless."""

    def __init__(self, **headers: str) -> None:
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy or .netrc is not for this machine
        self._session.headers.update(headers)

    def send(
        self,
        method: str,
        url: str,
        *,
        json: Any = None,  # noqa: ANN401 - any JSON
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Return the first answer that is neither a server's error nor a 429."""
        while True:
            try:
                answer = self._session.request(
                    method,
                    url,
                    json=json,
                    data=body,
                    headers=headers,
                    timeout=REQUEST_SECONDS,
                )
            except requests.RequestException:
                pass  # the web process starts, or starts again
            else:
                if answer.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                    time.sleep(_SLOW_DOWN_SECONDS)
                    continue
                if answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    return answer
            time.sleep(RETRY_SECONDS)
