"""One request and its answer, within one deadline from DNS to the last byte."""

import ipaddress
import os
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cached_property, partial
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from requests.utils import get_environ_proxies
from urllib3.exceptions import DecodeError

from clevertap_sync.clevertap.client import deadline
from clevertap_sync.clevertap.client.answer import HttpAnswer
from clevertap_sync.clevertap.client.transport_faults import (
    RAISED,
    TIMED_OUT,
    describe_fault_class,
)
from clevertap_sync.clevertap.client.watched_connections import (
    WatchedAdapter,
    WatchedExchange,
    watch_exchange,
)
from clevertap_sync.clevertap.errors import (
    CleverTapError,
    MalformedResponseError,
    NoAnswerError,
    NotSentError,
)
from clevertap_sync.clevertap.unknown_causes import UnknownCause

MAX_ANSWER_BYTES = 1_000_000
# A refused record is echoed. Escaped and spaced differently it is up to three times as
# long as we sent it, and all records of an upload may be refused.
_ECHO_FACTOR = 3
# The part of an error's answer in which its text stands.
_MAX_ERROR_BYTES = 64_000
_HEADERS = {
    "User-Agent": "clevertap-sync",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
}


_Prepare = Callable[[], requests.PreparedRequest]


class Transport:
    """Asks one host. `auth` puts the credentials on each request, and nowhere else.

    Proxies and certificate authorities come from the environment, as companies set
    them (HTTPS_PROXY, NO_PROXY, REQUESTS_CA_BUNDLE); `.netrc` is not read, since it
    would add credentials of its own. This machine itself needs no proxy.

    A session prepares the requests, and its adapter sends them without it. The session would look
    at cookies, hooks and time, of which we want none, and even where it does not follow a redirect it
    reads the redirect's whole body, however long it is.
    """

    def __init__(self, base_url: str, auth: AuthBase, *, seconds: float) -> None:
        self._base_url = base_url.rstrip("/")
        self._seconds = seconds
        self._session = requests.Session()
        self._session.trust_env = False  # nor is `.netrc` read
        self._auth = auth
        self._session.headers.update(_HEADERS)
        variables = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        bundles = filter(None, map(os.environ.get, variables))
        self._adapter = WatchedAdapter(next(bundles, None))
        self._drafts: dict[tuple[str, str, bool], requests.PreparedRequest] = {}

    @cached_property
    def _proxies(self) -> dict[str, str]:
        """The environment's proxies for this host, which a process reads once."""
        url = self._base_url
        return {} if _is_this_machine(url) else get_environ_proxies(url)

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str],
        body: bytes | None = None,
        seconds: float | None = None,
        longest: int = MAX_ANSWER_BYTES,
    ) -> HttpAnswer:
        """Send one request and return its answer, whatever its status.

        `seconds` is this request's own limit, and `longest` that of the answer, in bytes
        beyond what an answer may echo.

        Raises `NotSentError`, `NoAnswerError`, or `MalformedResponseError` for a 200
        that cannot be read. None of them holds the request, nor do their tracebacks.
        """
        prepare = partial(self._prepare, method, path, params, body)
        outcome = self._outcome(prepare, seconds or self._seconds, longest)
        if isinstance(outcome, CleverTapError):
            # Out of the handler: an exception's context would hold the request.
            raise outcome
        return outcome

    def close(self) -> None:
        """Close the kept connection."""
        self._adapter.close()

    def _prepare(
        self, method: str, path: str, params: Mapping[str, str], body: bytes | None
    ) -> requests.PreparedRequest:
        """Return a request with the credentials, from a draft that has none.

        To prepare one anew takes ten times as long. A draft is kept only where the address
        names nobody.
        """
        key = (method, path, body is None)
        draft = self._drafts.get(key) if not params else None
        if draft is None:
            request = requests.Request(
                method, self._base_url + path, params=dict(params), auth=_add_nothing
            )
            if body is not None:
                request.headers["Content-Type"] = "application/json"
            draft = self._session.prepare_request(request)
            if not params:
                self._drafts[key] = draft
        prepared = draft.copy()
        prepared.prepare_body(body, None)
        return self._auth(prepared)

    def _outcome(
        self, prepare: _Prepare, seconds: float, longest: int
    ) -> HttpAnswer | CleverTapError:
        with deadline.set_deadline(seconds) as limit:
            outcome, again = self._try(prepare, limit, longest)
            if again:
                outcome, _ = self._try(prepare, limit, longest)
            return outcome

    def _try(
        self, prepare: _Prepare, limit: deadline.Deadline, longest: int
    ) -> tuple[HttpAnswer | CleverTapError, bool]:
        """Return the outcome, and whether to try again on a fresh connection.

        That is safe where a kept connection was closed before the request's first byte
        left: CleverTap cannot have seen it.
        """
        with watch_exchange(limit) as now:
            try:
                return self._exchange(prepare, limit, longest), False
            except RAISED as fault:
                again = now.reused and not now.sent and not limit.is_over
                return self._failure(now, describe_fault_class(fault)), again

    def _exchange(
        self, prepare: _Prepare, limit: deadline.Deadline, longest: int
    ) -> HttpAnswer | CleverTapError:
        if limit.is_over:
            raise TimeoutError
        prepared = prepare()
        response = self._adapter.send(
            prepared, stream=True, timeout=limit.remaining(), proxies=self._proxies
        )
        with closing(response):
            if response.status_code == HTTPStatus.OK:
                echo = _ECHO_FACTOR * len(prepared.body or b"")
                return _read_whole(response, limit, longest + echo)
            start = _read_start(response)
            return HttpAnswer(response.status_code, response.headers, start)

    def _failure(self, now: WatchedExchange, words: str) -> CleverTapError:
        cause = UnknownCause.CONNECTION_CUT
        if now.limit.aborted:
            words = "stopped, because this worker is shutting down"
            cause = UnknownCause.WORKER_STOPPED
        elif now.limit.expired or words == TIMED_OUT:
            words = f"{TIMED_OUT} after {self._seconds:g} s"
            cause = UnknownCause.DEADLINE
        if now.sent:
            # The proxy had done its part by then.
            return NoAnswerError(words.removeprefix("proxy: "), unknown_cause=cause)
        timed_out = words.startswith(TIMED_OUT)
        return NotSentError(f"{now.stage}: {words}" if timed_out else words)


def _add_nothing(draft: requests.PreparedRequest) -> requests.PreparedRequest:
    """Leave a draft without credentials, such as those that an address may name."""
    return draft


def _read_whole(
    response: requests.Response, limit: deadline.Deadline, longest: int
) -> HttpAnswer | CleverTapError:
    """Read a 200 whole and decompressed, up to a limit."""
    try:
        body = response.raw.read(longest + 1, decode_content=True)
    except DecodeError as fault:
        return MalformedResponseError(
            describe_fault_class(fault), status=response.status_code
        )
    if limit.expired or limit.aborted:
        # Reading a socket that was shut returns an end, not an error.
        raise TimeoutError
    if len(body) > longest:
        return MalformedResponseError("it is too long", status=response.status_code)
    return HttpAnswer(response.status_code, response.headers, body)


def _read_start(response: requests.Response) -> bytes:
    """Return the beginning of an error's body; empty if unreadable, its status suffices."""
    try:
        start: bytes = response.raw.read(_MAX_ERROR_BYTES, decode_content=True)
    except RAISED:
        return b""
    return start


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
