"""The reader: asks CleverTap about one account, one request at a time, and never in a hurry.

CleverTap allows three reads at a time for an account, shared with its owner's own exports.
So one process asks; it backs off where CleverTap is busy, and stops at once when it is to
end. The upload's limits are never touched.

Reference: https://developer.clevertap.com/docs/api-request-limit
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import partial
from typing import Final, TypeAlias, TypeVar

from django.conf import settings

from clevertap_sync.clevertap.causes.week import Schema
from clevertap_sync.clevertap.client import (
    Client,
    Condition,
    CountAnswer,
    EventCount,
    is_reading_forbidden,
)
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    GatewayError,
    MalformedResponseError,
    NoAnswerError,
    RequestRejectedError,
    ServerError,
    WrongAddressError,
)
from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.insight.seen_failures import MAY_NOT_READ
from clevertap_sync.models import Account, Attempt, Integration
from clevertap_sync.process import clock, stopping
from clevertap_sync.process.account_access import open_client
from clevertap_sync.reconciliation.account_lease import (
    SPARE_SECONDS,
    AccountLease,
    take_lease,
)
from clevertap_sync.reconciliation.reconciling_account import read_reconciling_account
from referrals.database_connection import give_connection_back

#: Public clients ask for a pending count every 2 to 10 seconds.
FIRST_POLL_SECONDS: Final = 2.0
LONGEST_POLL_SECONDS: Final = 10.0
#: A count that is pending for longer is given up. It is less than a comparison's turn.
PENDING_SECONDS: Final = 45.0
#: With less time left, no request is sent.
_SHORTEST_SECONDS: Final = 0.05
#: An upload that was accepted so lately shows that the credentials are right.
_RECENT = timedelta(days=1)

#: Why a reading stopped, besides the codes of `clevertap.errors` and of `seen_failures`.
STOPPING: Final = "stopping"
NO_TIME: Final = "no_time"
LEASE_LOST: Final = "lease_lost"
STILL_PENDING: Final = "still_pending"

#: CleverTap may have these with one question alone, again and again.
_FAULTS: Final = (ServerError, NoAnswerError, MalformedResponseError)
FAULT_CODES: Final = frozenset({*(each.code for each in _FAULTS), GatewayError.code})

T = TypeVar("T")
_CountQuestion: TypeAlias = Callable[[Client, float], CountAnswer | None]


class ReadingStopped(Exception):  # noqa: N818 # it is no error that somebody has to stop
    """Nothing more can be asked now. `code` says why."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class QuestionRefused(ReadingStopped):
    """CleverTap has no answer to this one question; others may be asked."""


class Reading:
    """The present reading of an account. Made by `open_reader`, for one thread."""

    def __init__(
        self,
        lease: AccountLease,
        usable: list[Integration],
        *,
        seconds: float,
        wait: Callable[[float], bool],
    ) -> None:
        self._lease = lease
        self._usable = usable
        self._ends_at = time.monotonic() + seconds
        self._wait = wait
        self._schema: Schema | None = None
        self._is_known_good = False
        self._spare = SPARE_SECONDS
        self._stopped: ReadingStopped | None = None
        #: How many requests were sent.
        self.requests = 0
        #: How often in a row readings had failed when this one began.
        self.failures_before = lease.count_failures()

    @property
    def seconds_left(self) -> float:
        """The time in which more may be asked."""
        return self._ends_at - time.monotonic()

    def count(
        self,
        name: str,
        first_day: date,
        last_day: date,
        condition: Condition | None = None,
    ) -> int:
        """Return how many events called `name` CleverTap counts, both days included.

        A name that CleverTap does not know has none. The name is spelled as the schema
        has it, once that was read. Raises `QuestionRefused` or `ReadingStopped`.
        """
        return self.count_exactly(name, first_day, last_day, condition).events

    def count_exactly(
        self,
        name: str,
        first_day: date,
        last_day: date,
        condition: Condition | None = None,
    ) -> EventCount:
        """Return the same, and whether CleverTap knows the name."""
        spelled = self._spell(name)
        conditions = [condition] if condition else []

        def ask_anew(client: Client, seconds: float) -> CountAnswer:
            return client.count_events(
                spelled, first_day, last_day, conditions, seconds=seconds
            )

        return self._await_count(ask_anew)

    def read_schema(self) -> Schema:
        """Return the account's event types, asked once for a reading, and keep them.

        Raises `QuestionRefused` where the account has none to show: counts may be read, and
        nobody goes by an older one.
        """
        if self._schema is None:
            try:
                self._schema = self._ask(
                    lambda client, seconds: client.fetch_event_schema(seconds=seconds),
                    is_essential=False,
                )
            except QuestionRefused:
                self._lease.keep_schema(None)
                raise
            self._lease.keep_schema(self._schema)
        return self._schema

    def remember_schema(self, schema: Schema) -> None:
        """Spell names as this schema has them, which was read lately."""
        self._schema = schema

    def _await_count(self, ask_anew: _CountQuestion) -> EventCount:
        """Ask, and where CleverTap is still counting ask again by its request ID.

        A request that CleverTap has forgotten meanwhile is made anew.
        """
        answer, ask = self._ask(ask_anew), ask_anew
        gives_up_at, poll = time.monotonic() + PENDING_SECONDS, FIRST_POLL_SECONDS
        while not isinstance(answer, EventCount):
            if time.monotonic() >= gives_up_at:
                raise QuestionRefused(STILL_PENDING)
            if answer is None:
                ask = ask_anew
            elif answer.request_id:
                ask = partial(_ask_later, answer.request_id)
            self.pause(poll)
            poll = min(2 * poll, LONGEST_POLL_SECONDS)
            answer = self._ask(ask)
        return answer

    def is_still_ours(self) -> bool:
        """Return whether no other process has taken the account over."""
        return self._lease.renew(spare=self._spare)

    def keep_account(self, seconds: float) -> None:
        """Keep others from the account also where nothing is asked for so long."""
        self._spare = seconds
        self._lease.renew(spare=seconds)

    def _spell(self, name: str) -> str:
        """Return a name as CleverTap has it: it reads exactly, though it writes loosely."""
        events = self._schema.events if self._schema else {}
        event = events.get(normalise_event_name(name))
        return event.name if event else name

    def pause(self, seconds: float) -> None:
        """Wait; stop where the process is to end, or no time is left."""
        if seconds >= self.seconds_left:
            raise ReadingStopped(NO_TIME)
        give_connection_back()
        if self._wait(seconds):
            raise ReadingStopped(STOPPING)

    def _ask(
        self, call: Callable[[Client, float], T], *, is_essential: bool = True
    ) -> T:
        """Make one request, with the next credentials where the first may not read."""
        if self._stopped is not None:
            raise self._stopped
        while True:
            integration = self._usable[0]
            try:
                answer = self._ask_once(integration, call)
            except CleverTapError as error:
                if not is_essential and _is_about_the_call(error):
                    raise QuestionRefused(error.code, error.detail) from None
                if isinstance(error, AuthenticationError) and len(self._usable) > 1:
                    self._usable.pop(0)
                    continue
                raise self._stop(integration, error) from None
            if not self._is_known_good:
                self._lease.record_success()
                self._is_known_good = True
            return answer

    def _ask_once(
        self, integration: Integration, call: Callable[[Client, float], T]
    ) -> T:
        if stopping.is_stopping():
            raise ReadingStopped(STOPPING)
        seconds = min(settings.REQUEST_SECONDS, self.seconds_left)
        if seconds < _SHORTEST_SECONDS:
            raise ReadingStopped(NO_TIME)
        if not self._lease.renew(spare=self._spare):
            raise ReadingStopped(LEASE_LOST)
        client = open_client(integration)
        give_connection_back()
        self.requests += 1
        return call(client, seconds)

    def _stop(self, integration: Integration, error: CleverTapError) -> ReadingStopped:
        """Write down what a failed request means for the next ones, and return why."""
        if stopping.is_stopping():
            return ReadingStopped(STOPPING)
        if isinstance(error, NoAnswerError) and self.seconds_left < _SHORTEST_SECONDS:
            return ReadingStopped(NO_TIME)
        if isinstance(error, RequestRejectedError):
            return QuestionRefused(error.code, error.detail)
        if isinstance(error, AuthenticationError):
            self._stopped = self._refuse(integration, error)
        else:
            self._lease.record_failure(error.code, retry_after=error.retry_after)
            self._stopped = ReadingStopped(error.code, error.detail)
        return self._stopped

    def _refuse(
        self, integration: Integration, error: AuthenticationError
    ) -> ReadingStopped:
        """Write down a refusal of the passcode: for reading alone, or for all."""
        if is_reading_forbidden(error) or _are_uploads_accepted(integration):
            self._lease.record_refusal(MAY_NOT_READ)
            return ReadingStopped(MAY_NOT_READ, error.detail)
        self._lease.record_failure(error.code, retry_after=None)
        return ReadingStopped(error.code, error.detail)


@contextmanager
def open_reader(
    account: Account,
    *,
    seconds: float,
    insists: bool = False,
    wait: Callable[[float], bool] | None = None,
) -> Iterator[Reading | None]:
    """Yield the account's reading for at most `seconds`.

    None where another process reads, or nothing may be asked yet (`AccountReading` says
    until when), or no integration of the account reconciles. A person who `insists` asks
    also where the passcode was refused. `wait` waits for some seconds, and returns whether
    to stop.
    """
    found = read_reconciling_account(account.pk)
    usable = found.usable if found else []
    if found is None or not usable:
        yield None
        return
    lease = take_lease(account, found.integrations, insists=insists)
    if lease is None:
        yield None
        return
    try:
        yield Reading(
            lease, usable, seconds=seconds, wait=wait or stopping.wait_for_stop
        )
    finally:
        lease.release()


def _is_about_the_call(error: CleverTapError) -> bool:
    """Return whether CleverTap, or this passcode's role, may lack this one call.

    A fault or silence may be of this call too: what is asked next tells.
    """
    lacking = (RequestRejectedError, WrongAddressError, *_FAULTS)
    return isinstance(error, lacking) or is_reading_forbidden(error)


def _ask_later(request_id: str, client: Client, seconds: float) -> CountAnswer | None:
    return client.fetch_count(request_id, seconds=seconds)


def _are_uploads_accepted(integration: Integration) -> bool:
    """Return whether CleverTap lately took an upload with these very credentials."""
    since = max(
        filter(None, [integration.credentials_since, clock.read_now() - _RECENT])
    )
    attempts = Attempt.objects.filter(integration=integration, began_at__gte=since)
    newest = attempts.exclude(ended_at=None).order_by("-pk").first()
    return newest is not None and newest.outcome == "ok"
