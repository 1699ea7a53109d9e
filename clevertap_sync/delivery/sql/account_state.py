"""What there is to do on an account: one message, most often under the account's lock.

Every ring leads to a claim, and most claims of a quiet account find nothing. The statements
are SQL, because the ORM would take ten times as long to compose them as the database to answer
them. They are several, because PostgreSQL plans five short ones in a third of the time that
it takes for one with all their tables; and on PostgreSQL they travel together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

from clevertap_sync.delivery.sql import open_floor, row_writer
from clevertap_sync.delivery.work import EVENTS_PER_UPLOAD
from clevertap_sync.insight.mapping_settings import AppSettings, decode_app_settings
from clevertap_sync.models import Account, Integration
from clevertap_sync.process import clock
from referrals import log, suppression
from referrals.models import App

LONGEST_PARTIAL_WAIT = timedelta(seconds=2)

_ACCOUNT = f"""
    SELECT {row_writer.list_columns(Account, "account")} FROM clevertap_sync_account account
    WHERE account.id =
        (SELECT account_id FROM clevertap_sync_integration WHERE id = %(integration)s)
"""
# `no_key` lets other transactions go on inserting rows that point at it.
_LOCK = " FOR NO KEY UPDATE"
_INTEGRATIONS = f"""
    SELECT i.id, i.app_id, i.cursor, i.enabled AND i.archived_at IS NULL,
        i.hold_reason <> '', app.slug, app.loose_ids, app.remembers_referrers,
        {row_writer.list_columns(Integration, "i")}
    FROM clevertap_sync_integration i JOIN referrals_app app ON app.id = i.app_id
    WHERE i.account_id = %(account)s
    ORDER BY i.last_served_at NULLS FIRST, i.id
"""
_BEFORE_ROW: Final = 8
# What a glance needs of the two dearest statements: their columns are not read.
_INTEGRATIONS_AT_A_GLANCE = """
    SELECT i.id, i.app_id, i.cursor, i.enabled AND i.archived_at IS NULL,
        i.hold_reason <> '', '', '[]', FALSE
    FROM clevertap_sync_integration i WHERE i.account_id = %(account)s
"""
# The clock is read once the lock is held: each statement of a message waits for the one before.
_INSTANT = """
    (SELECT now, now + %(newly)s * interval '1 second' AS slow
     FROM clock_timestamp() AS now)
"""
_INSTANT_GIVEN = "(SELECT %(now)s AS now, %(slow)s AS slow)"
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
_OPEN_UPLOADS = """
    LEFT JOIN clevertap_sync_upload u
        ON u.integration_id = i.id AND u.state = 'open' AND u.id >= {floor}
"""
_COUNTS = """
    SELECT i.id, instant.now,
        count(CASE WHEN u.leased_until > instant.now THEN 1 END)
            + CASE WHEN i.probe_leased_until > instant.now THEN 1 ELSE 0 END,
        count(CASE WHEN u.leased_until > instant.now THEN 1 END),
        count(CASE WHEN u.leased_until > instant.now AND u.leased_until >= instant.slow
                AND u.replay_id IS NULL THEN 1 END),
        count(CASE WHEN u.leased_until > instant.now AND u.leased_until >= instant.slow
                AND u.identities IS NOT NULL THEN 1 END),
        count(CASE WHEN u.leased_until <= instant.now
                OR u.leased_until IS NULL AND u.due_at <= instant.now THEN 1 END),
        min(u.id)
    FROM {instant} AS instant CROSS JOIN clevertap_sync_integration i
    {open_uploads}
    WHERE i.account_id = %(account)s
    GROUP BY i.id, instant.now, instant.slow
"""
_REPLAYS = """
    SELECT r.integration_id, CASE r.kind WHEN 'people' THEN r.id END
    FROM clevertap_sync_integration i
    JOIN clevertap_sync_replay r ON r.integration_id = i.id AND r.state = 'running'
    WHERE i.account_id = %(account)s
"""
# Last, so that no event is missed that is older than the rest.
_LOGS = f"""
    SELECT i.id,
        EXISTS (SELECT 1 FROM referrals_customname c
                WHERE c.app_id = i.app_id AND c.approved_at IS NOT NULL),
        coalesce({suppression.build_newest_suppression_sql("i.app_id")}, 0),
        coalesce({log.build_head_sql("i.app_id")}, 0)
    FROM clevertap_sync_integration i WHERE i.account_id = %(account)s
"""
_LOGS_AT_A_GLANCE = f"""
    SELECT i.id, FALSE, 0, coalesce({log.build_head_sql("i.app_id")}, 0)
    FROM clevertap_sync_integration i WHERE i.account_id = %(account)s
"""


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
    row: Sequence[Any] = field(repr=False)
    #: Whether the caller would begin a small range in the same transaction.
    may_begin: bool = False

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


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account at an instant of the database's, and its integrations.

    Those come least recently served first. Disabled ones are included: their uploads in
    flight count against the limit.
    """

    now: datetime
    account: Account
    integrations: Sequence[IntegrationState]

    @property
    def in_flight(self) -> int:
        """Return what counts against the account's limit."""
        return sum(each.leases for each in self.integrations)


_Rows = list[tuple[Any, ...]]

#: Integration → account, as they were last seen: a guess that saves a message.
_guesses: Final[dict[int, int]] = {}


def read_account_state(integration_id: int, *, locks: bool) -> AccountState | None:
    """Return the state of the integration's account; None where there is none.

    With `locks`, the account is locked until the transaction ends, before all else is read.
    Without, it is a glance: it says truly that there is nothing to do, and no more. The
    integrations of a glance cannot be built.
    """
    guess = _guesses.get(integration_id, 0)
    first, *answers = _ask(integration_id, guess, locks=locks)
    if not first:
        return None
    account = row_writer.read_row(Account, first[0])
    if account.pk != guess:
        _guesses[integration_id] = account.pk
        answers = _send_message(*_ask_about(account.pk, glances=not locks))
    if not all(answers[:2]):
        # A glance found it on this account, and then no more.
        return None
    state = _read_answers(account, answers)
    if locks:
        first_open = {
            each.integration_id: each.first_open for each in state.integrations
        }
        open_floor.learn_first_open(account.pk, first_open)
    return state


def build_account_query(*, locks: bool) -> str:
    """Return the statement that reads an `integration`'s account, and may lock it."""
    can_lock = connection.features.has_select_for_no_key_update
    return _ACCOUNT + _LOCK if locks and can_lock else _ACCOUNT


def build_count_query(account_id: int) -> tuple[str, dict[str, Any]]:
    """Return the statement that counts open uploads, and its parameters."""
    # Once: they may be forgotten, or others learned, from one moment to the next.
    floors = dict(open_floor.read_floors(account_id))
    statement = _compose_counts(tuple(floors), connection.vendor)
    return statement, _list_parameters(account_id, floors)


def _ask(integration_id: int, account_id: int, *, locks: bool) -> list[_Rows]:
    """Ask for the integration's account, and in the same message about the guessed one."""
    asked = build_account_query(locks=locks)
    given: dict[str, Any] = {"integration": integration_id}
    if not account_id:
        return _send_message([asked], given)
    statements, about = _ask_about(account_id, glances=not locks)
    return _send_message([asked, *statements], given | about)


def _ask_about(account_id: int, *, glances: bool) -> tuple[list[str], dict[str, Any]]:
    """Return the statements about an account, and their parameters."""
    counts, given = build_count_query(account_id)
    rows = _INTEGRATIONS_AT_A_GLANCE if glances else _INTEGRATIONS
    logs = _LOGS_AT_A_GLANCE if glances else _LOGS
    return [rows, counts, _REPLAYS, logs], given


def _list_parameters(account_id: int, floors: Mapping[int, int]) -> dict[str, Any]:
    newly = timedelta(seconds=settings.LEASE_SECONDS) - LONGEST_PARTIAL_WAIT
    given: dict[str, Any] = {"account": account_id}
    if connection.vendor == "postgresql":
        given["newly"] = newly.total_seconds()
    else:
        now = clock.read_now()
        adapt = connection.ops.adapt_datetimefield_value
        given |= {"now": adapt(now), "slow": adapt(now + newly)}
    return given | {f"floor_{key}": floor for key, floor in floors.items()}


def _send_message(statements: Sequence[str], given: Mapping[str, Any]) -> list[_Rows]:
    """Carry out the statements, in one message where there are messages; return their rows."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(";".join(statements), given)
            return _fetch_all(cursor)
        found = []
        for statement in statements:
            cursor.execute(statement, given)
            found.append(cursor.fetchall())
        return found


def _fetch_all(cursor: CursorWrapper) -> list[_Rows]:
    found = [cursor.fetchall()]
    while cursor.nextset():
        found.append(cursor.fetchall())
    return found


def _read_answers(account: Account, answers: Sequence[_Rows]) -> AccountState:
    integrations, counts, replays, logs = answers
    counted = {key: numbers for key, _, *numbers in counts}
    logged = {key: rest for key, *rest in logs}
    replaying = {key for key, people_replay in replays if people_replay is None}
    reviving = {key: replay for key, replay in replays if replay is not None}
    states = [
        IntegrationState(
            *(
                *row[:_BEFORE_ROW],
                *counted[row[0]],
                *(row[0] in replaying, reviving.get(row[0])),
                *logged[row[0]],
                row[_BEFORE_ROW:],
            )
        )
        for row in integrations
        # One that came to this account between two statements waits for the next claim.
        if row[0] in counted and row[0] in logged
    ]
    return AccountState(_read_instant(counts[0][1]), account, states)


def _read_instant(found: datetime | str) -> datetime:
    """Return the instant that the statements went by. SQLite gives a text back as it was."""
    return (
        found
        if isinstance(found, datetime)
        else datetime.fromisoformat(found).replace(tzinfo=UTC)
    )


@lru_cache(maxsize=1024)
def _compose_counts(known: tuple[int, ...], vendor: str) -> str:
    """Return the query that reads open uploads from the floor of each known integration."""
    cases = " ".join(f"WHEN {key} THEN %(floor_{key})s" for key in known)
    floor = f"CASE i.id {cases} ELSE 0 END" if known else "0"
    is_postgresql = vendor == "postgresql"
    uploads = _OPEN_UPLOADS_APART if is_postgresql else _OPEN_UPLOADS
    return _COUNTS.format(
        instant=_INSTANT if is_postgresql else _INSTANT_GIVEN,
        open_uploads=uploads.format(floor=floor),
    )
