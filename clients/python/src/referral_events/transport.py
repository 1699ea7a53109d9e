"""One request, sent again until the server has answered it or patience is over."""

import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import requests
from requests.auth import AuthBase

from referral_events.errors import RequestRefusedError, UnavailableError

logger = logging.getLogger("referral_events")

USER_AGENT: Final = "referral-events-python/1.0"
_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 10.0
#: These pass by themselves; 408 and 425 are a proxy's.
_PASSING: Final = frozenset({408, 425, 429})
_CONNECT_SECONDS: Final = 5.0
_REDIRECTS: Final = range(300, 400)
_SERVER_ERRORS: Final = 500


class Answer(NamedTuple):
    """An answer that is worth reading. `body` is its JSON, or empty."""

    status: int
    body: Mapping[str, Any]


class Transport:
    """Sends requests with one API key. Safe to use from several threads, and after a fork."""

    def __init__(self, url: str, api_key: str, timeout: float) -> None:
        if not url.startswith(("https://", "http://")):
            message = f"The address has to begin with https://, and {url!r} does not."
            raise ValueError(message)
        if not api_key:
            message = (
                "The API key is empty. Make one on the page API keys of the admin."
            )
            raise ValueError(message)
        self._url = url.rstrip("/")
        self._auth = _BearerAuth(api_key)
        self._timeout = (min(timeout, _CONNECT_SECONDS), timeout)
        self._local = threading.local()

    def request(
        self,
        method: str,
        path: str,
        *,
        data: bytes | None = None,
        params: Mapping[str, str] | None = None,
        patience: float,
        stop: threading.Event | None = None,
    ) -> Answer:
        """Return the answer of success, or one that names refused events (413, 422).

        What may pass is tried again, for `patience` seconds at most or until `stop`. Raises
        `RequestRefusedError` where trying again is of no use, and `UnavailableError` where
        patience is over.
        """
        gives_up_at = time.monotonic() + patience
        wait = _FIRST_WAIT
        while True:
            answer, problem, asked = self._try(method, path, data, params)
            if answer is not None:
                return answer
            pause = asked if asked is not None else wait * random.uniform(0.7, 1.3)  # noqa: S311 - spreads load
            if time.monotonic() + pause >= gives_up_at:
                message = (
                    f"{self._url} did not take it within {patience:g} s: {problem}. Send the "
                    "same again, with the same ids: what it has by now is a duplicate then."
                )
                raise UnavailableError(message)
            logger.info("It is sent again in %.1f s: %s", pause, problem)
            if (stop or threading.Event()).wait(pause):
                message = f"The client was closed while it waited: {problem}."
                raise UnavailableError(message)
            wait = min(wait * 2, _LONGEST_WAIT)

    def _try(
        self,
        method: str,
        path: str,
        data: bytes | None,
        params: Mapping[str, str] | None,
    ) -> tuple[Answer | None, str, float | None]:
        """Make one attempt: an answer, or why there is none and the wait that was asked for."""
        try:
            response = self._session().request(
                method,
                self._url + path,
                data=data,
                params=params,
                headers={"Content-Type": "application/json"} if data else None,
                timeout=self._timeout,
                # A redirect would carry the key to wherever it says.
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Its text may have the address's query; its type says enough.
            return None, f"no answer ({type(error).__name__})", None
        if response.status_code in _PASSING or response.status_code >= _SERVER_ERRORS:
            title = _read_problem(response).get("title") or response.reason
            return (
                None,
                f"{response.status_code} {title}",
                _read_retry_after(response),
            )
        return _read_answer(response), "", None

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        # A connection must not be carried across a fork.
        if session is None or self._local.pid != os.getpid():
            session = self._local.session = requests.Session()
            self._local.pid = os.getpid()
            session.auth = self._auth
            session.headers["User-Agent"] = USER_AGENT
        return session

    def close(self) -> None:
        """Close this thread's connection."""
        session = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            self._local.session = None


class _BearerAuth(AuthBase):
    """Shows the API key. As plain headers, an entry of ~/.netrc would replace it."""

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the key into the request."""
        request.headers["Authorization"] = self._header
        return request


def _read_answer(response: requests.Response) -> Answer:
    status, body = response.status_code, _read_json(response)
    if response.ok and body and status not in _REDIRECTS:
        return Answer(status, body)
    if status == 413 or (status == 422 and body.get("type")):  # noqa: PLR2004 - too large; refused
        return Answer(status, body)
    if status in _REDIRECTS:
        detail = (
            f"the server answers from another address: {response.headers.get('Location', '')}. "
            "Give the client that one."
        )
        raise RequestRefusedError(status, "", detail)
    if response.ok:
        detail = (
            "what answers is not the API: its answer is no JSON. Check the address."
        )
        raise RequestRefusedError(status, "", detail)
    detail = body.get("detail") or "what answers is not the API. Check the address."
    raise RequestRefusedError(status, str(body.get("title", "")), str(detail))


def _read_json(response: requests.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _read_problem(response: requests.Response) -> Mapping[str, Any]:
    is_problem = "problem+json" in response.headers.get("Content-Type", "")
    return _read_json(response) if is_problem else {}


def _read_retry_after(response: requests.Response) -> float | None:
    try:
        seconds = float(response.headers.get("Retry-After", ""))
    except ValueError:
        return None
    return max(0.0, seconds) if seconds == seconds else None  # noqa: PLR0124 - NaN
