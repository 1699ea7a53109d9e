"""One request, sent again until the server has answered it or patience is over."""

import logging
import os
import random
import threading
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

import requests
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError

from referral_events.access import check_address, check_key
from referral_events.deadline import Deadlines, WatchedAdapter
from referral_events.errors import UnavailableError
from referral_events.responses import (
    Answer,
    name_cause,
    parse_object,
    read_problem,
    read_response,
    read_retry_after,
    read_text,
)

logger = logging.getLogger("referral_events")

USER_AGENT: Final = "referral-events-python/1.0.0"
_FIRST_WAIT: Final = 0.25
_LONGEST_WAIT: Final = 10.0
#: Where patience is nearly over, an attempt has this much time all the same.
_SHORTEST_ATTEMPT: Final = 1.0
#: These pass by themselves; 408 and 425 are a proxy's.
_PASSING: Final = frozenset({408, 425, 429})
_REDIRECTS: Final = 300
_SERVER_ERRORS: Final = 500


class _Failure(NamedTuple):
    """Why an attempt brought no answer, and the seconds that the server asks to wait."""

    problem: str
    retry_after: float | None = None


class Transport:
    """Sends requests with one API key. Safe to use from several threads, and after a fork."""

    def __init__(self, url: str, api_key: str, timeout: float) -> None:
        self._url = check_address(url)
        self._auth = _BearerAuth(check_key(api_key))
        self._timeout = timeout
        self._local = threading.local()
        self._deadlines = Deadlines()

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
            left = max(gives_up_at - time.monotonic(), _SHORTEST_ATTEMPT)
            found = self._try(method, path, data, params, min(self._timeout, left))
            if isinstance(found, Answer):
                return found
            # Chance spreads load. The server may ask for more, not for less.
            pause = max(wait * random.uniform(0.7, 1.3), found.retry_after or 0)  # noqa: S311
            if time.monotonic() + pause >= gives_up_at:
                raise self._give_up(patience, found)
            logger.info("It is sent again in %.1f s: %s", pause, found.problem)
            if (stop or threading.Event()).wait(pause):
                message = f"The client was closed while it waited: {found.problem}."
                raise UnavailableError(message)
            wait = min(wait * 2, _LONGEST_WAIT)

    def end_attempts(self) -> None:
        """End what is under way, as if the connection had broken."""
        self._deadlines.end_all()

    def close(self) -> None:
        """Close this thread's connection."""
        session = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            self._local.session = None

    def _try(
        self,
        method: str,
        path: str,
        data: bytes | None,
        params: Mapping[str, str] | None,
        seconds: float,
    ) -> Answer | _Failure:
        """Make one attempt, which takes `seconds` at most once it is connected."""
        try:
            with (
                self._deadlines.within(seconds) as deadline,
                self._session().request(
                    method,
                    self._url + path,
                    data=data,
                    params=params,
                    headers={"Content-Type": "application/json"} if data else None,
                    timeout=seconds,
                    # A redirect would carry the key to wherever it says.
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                text = read_text(response)
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            # Its text may have what was sent; its type says enough.
            return _Failure(f"no answer ({name_cause(error)})")
        if deadline.is_over or (response.status_code < _REDIRECTS and not text):
            # Where the connection ends within the headers, that looks like an answer.
            return _Failure("no whole answer")
        status, body = response.status_code, parse_object(text)
        if status in _PASSING or status >= _SERVER_ERRORS:
            title = read_problem(response, body).get("title") or response.reason
            return _Failure(f"{status} {title}", read_retry_after(response.headers))
        return read_response(response, body)

    def _give_up(self, patience: float, failure: _Failure) -> UnavailableError:
        asked = failure.retry_after
        wish = f", and asks to be left alone for {asked:g} s" if asked else ""
        message = (
            f"{self._url} did not take it within {patience:g} s: {failure.problem}{wish}. Send "
            "the same again, with the same ids: what it has by now is a duplicate then."
        )
        return UnavailableError(message, asked)

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        # A connection must not be carried across a fork.
        if session is None or self._local.pid != os.getpid():
            session = self._local.session = requests.Session()
            self._local.pid = os.getpid()
            for scheme in ("https://", "http://"):
                session.mount(scheme, WatchedAdapter())
            session.auth = self._auth
            session.headers["User-Agent"] = USER_AGENT
        return session


class _BearerAuth(AuthBase):
    """Shows the API key. As plain headers, an entry of ~/.netrc would replace it."""

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the key into the request."""
        request.headers["Authorization"] = self._header
        return request
