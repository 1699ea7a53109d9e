"""What there is to do on an account: one query, made under the account's lock.

Every ring leads to a claim, and most claims of a quiet account find nothing. The query is
SQL, because the ORM would take ten times as long to compose it as the database to answer it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import connection

from clevertap_sync.delivery.sql import open_floor, row_writer
from clevertap_sync.delivery.work import EVENTS_PER_UPLOAD
from clevertap_sync.insight.mapping_settings import AppSettings, decode_app_settings
from clevertap_sync.models import Account, Integration
from referrals import log, suppression
from referrals.models import App

LONGEST_PARTIAL_WAIT = timedelta(seconds=2)

_OPEN_UPLOADS = """
    LEFT JOIN clevertap_sync_upload u
        ON u.integration_id = i.id AND u.state = 'open' AND u.id >= {floor}
"""
# Where hardly any upload is open, PostgreSQL takes the index of open ones for empty, and reads
# it whole, dead entries included, rather than from the floor on. In a subquery it cannot.
_OPEN_UPLOADS_APART = """
    LEFT JOIN LATERAL (
        SELECT u.id, u.leased_until, u.due_at, u.replay_id, u.identities
        FROM clevertap_sync_upload u
        WHERE u.integration_id = i.id AND u.state = 'open' AND u.id >= {floor}
        OFFSET 0
    ) u ON TRUE
"""
_QUERY = f"""
    SELECT i.id, i.app_id, i.cursor, i.enabled AND i.archived_at IS NULL,
        i.hold_reason <> '',
        count(CASE WHEN u.leased_until > %(now)s THEN 1 END)
            + CASE WHEN i.probe_leased_until > %(now)s THEN 1 ELSE 0 END,
        count(CASE WHEN u.leased_until > %(now)s THEN 1 END),
        count(CASE WHEN u.leased_until > %(now)s AND u.leased_until >= %(slow)s
                AND u.replay_id IS NULL THEN 1 END),
        count(CASE WHEN u.leased_until > %(now)s AND u.leased_until >= %(slow)s
                AND u.identities IS NOT NULL THEN 1 END),
        count(CASE WHEN u.leased_until <= %(now)s
                OR u.leased_until IS NULL AND u.due_at <= %(now)s THEN 1 END),
        min(u.id),
        EXISTS (SELECT 1 FROM clevertap_sync_replay r WHERE r.integration_id = i.id
                AND r.state = 'running' AND r.kind <> 'people'),
        (SELECT r.id FROM clevertap_sync_replay r WHERE r.integration_id = i.id
                AND r.state = 'running' AND r.kind = 'people'),
        EXISTS (SELECT 1 FROM referrals_customname c
                WHERE c.app_id = i.app_id AND c.approved_at IS NOT NULL),
        coalesce({suppression.build_newest_suppression_sql("i.app_id")}, 0),
        coalesce({log.build_head_sql("i.app_id")}, 0),
        app.slug, app.loose_ids, app.remembers_referrers,
        {row_writer.list_columns(Integration, "i")}
    FROM clevertap_sync_integration i
    JOIN referrals_app app ON app.id = i.app_id
    {{open_uploads}}
    WHERE i.account_id = %(account)s
    GROUP BY i.id, app.id
    ORDER BY i.last_served_at NULLS FIRST, i.id
"""


@dataclass(frozen=True)
class IntegrationState:
    """The columns and counts of one integration that a claim decides by."""

    integration_id: int
    app_id: int
    cursor: int
    is_enabled: bool
    is_held: bool
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
    app_slug: str
    #: The app's IDs that come before sign-up, as JSON.
    loose_ids: str
    remembers_referrers: bool
    #: The integration's columns, the encrypted passcode among them.
    row: Sequence[Any] = field(repr=False)

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
        integration = row_writer.read_row(Integration, self.row)
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


_BEFORE_ROW = len(fields(IntegrationState)) - 1


def read_integration_states(account_id: int, now: datetime) -> list[IntegrationState]:
    """Return the state of each integration of the account, least recently served first.

    Disabled ones are included: their uploads in flight count against the limit.
    """
    with connection.cursor() as cursor:
        cursor.execute(*build_state_query(account_id, now))
        states = [
            IntegrationState(*(*row[:_BEFORE_ROW], row[_BEFORE_ROW:]))
            for row in cursor.fetchall()
        ]
    open_floor.learn_first_open(
        account_id, {state.integration_id: state.first_open for state in states}
    )
    return states


def build_state_query(account_id: int, now: datetime) -> tuple[str, dict[str, Any]]:
    """Return the query and its parameters."""
    slow = now + timedelta(seconds=settings.LEASE_SECONDS) - LONGEST_PARTIAL_WAIT
    adapt = connection.ops.adapt_datetimefield_value
    known = open_floor.read_floors(account_id)
    asked = {"now": adapt(now), "slow": adapt(slow), "account": account_id}
    asked |= {f"floor_{key}": floor for key, floor in known.items()}
    return _compose_query(tuple(known), connection.vendor), asked


@lru_cache(maxsize=1024)
def _compose_query(known: tuple[int, ...], vendor: str) -> str:
    """Return the query that reads open uploads from the floor of each known integration."""
    cases = " ".join(f"WHEN {key} THEN %(floor_{key})s" for key in known)
    floor = f"CASE i.id {cases} ELSE 0 END" if known else "0"
    uploads = _OPEN_UPLOADS_APART if vendor == "postgresql" else _OPEN_UPLOADS
    return _QUERY.format(open_uploads=uploads.format(floor=floor))
