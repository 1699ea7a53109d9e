"""What there is to do on an account, as a claim decides by it: values alone."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, TypeVar

from django.db import connection
from django.db.models import Model

from clevertap_sync.delivery.sql import row_writer
from clevertap_sync.delivery.work import EVENTS_PER_UPLOAD
from clevertap_sync.insight.mapping_settings import AppSettings, decode_app_settings
from clevertap_sync.models import Account, Integration
from referrals.models import App

M = TypeVar("M", bound=Model)
#: A row's columns in order, or by name as in JSON.
Row = tuple[Any, ...] | dict[str, Any]
LONGEST_PARTIAL_WAIT: Final = timedelta(seconds=2)


@dataclass(frozen=True)
class IntegrationState:
    """The columns and counts of one integration that a claim decides by."""

    integration_id: int
    app_id: int
    cursor: int
    is_enabled: bool
    is_held: bool
    app_slug: str
    #: The app's IDs that come before sign-up, as JSON.
    loose_ids: str
    remembers_referrers: bool
    #: Live leases: what counts against the account's limit.
    leases: int
    #: Uploads in flight.
    in_flight: int
    #: Of these, the log's own that are no older than `LONGEST_PARTIAL_WAIT`: a partial one waits.
    newly_in_flight: int
    #: The same of what waited for a person.
    newly_reviving: int
    #: Uploads that wait for a worker.
    unleased: int
    #: The first of the open uploads, by ID.
    first_open: int | None
    is_replaying: bool
    #: The replay of what waited for a person, while something of that may go.
    people_replay: int | None
    has_approved_names: bool
    newest_suppression: int
    head: int
    #: The integration's columns, the encrypted passcode among them.
    row: Row = field(repr=False)
    #: The first that wait, as (position, body, request): where they were asked for.
    events: Sequence[tuple[int, str, str]] | None = field(default=None, repr=False)

    @property
    def waiting(self) -> int:
        """Events that no upload has yet."""
        return self.head - self.cursor

    @property
    def app_settings(self) -> AppSettings:
        """Return what the app decides of its integrations' records."""
        return decode_app_settings(
            self.loose_ids, self.remembers_referrers, self.newest_suppression
        )

    def build_integration(self, account: Account) -> Integration:
        """Return the integration with its `account`, and its app's slug for the log line."""
        integration = _read_row(Integration, self.row)
        integration.account = account
        named = (self.app_id, self.app_slug)
        integration.app = App.from_db(connection.alias, ["id", "slug"], named)
        return integration

    def may_have_work(self) -> bool:
        """Return False only where a claim would find nothing."""
        if not self.is_enabled:
            return False
        if self.unleased or self.is_held or self.is_replaying:
            return True
        if self.people_replay is not None:
            return True
        return self.may_hand_over()

    def may_hand_over(self) -> bool:
        """Return whether the log's next range may go: a full one, or a partial one alone."""
        return self.waiting >= EVENTS_PER_UPLOAD or (
            self.waiting > 0 and not self.newly_in_flight
        )


@dataclass(frozen=True)
class AccountState:
    """An account at an instant of the database's, and its integrations.

    Those come least recently served first. Disabled ones are included: their uploads in
    flight count against the limit.
    """

    now: datetime
    #: The account's columns.
    row: Row
    integrations: Sequence[IntegrationState]
    #: Equal where nothing has changed that a claim decides by, but for clock and log.
    fingerprint: object = field(repr=False)

    @cached_property
    def account(self) -> Account:
        """Return the account. Who finds nothing to do does not need it."""
        return _read_row(Account, self.row)

    @property
    def in_flight(self) -> int:
        """Return what counts against the account's limit."""
        return sum(each.leases for each in self.integrations)


def _read_row(model: type[M], row: Row) -> M:
    if isinstance(row, dict):
        return row_writer.read_json_row(model, row)
    return row_writer.read_row(model, row)
