"""SQLite's state of an account: five statements, which it answers without a round trip.

They are SQL, because the ORM would take ten times as long to compose them as the database to
answer them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.db import connection

from clevertap_sync.delivery.sql import open_floor, row_writer
from clevertap_sync.delivery.sql.account_query import ACCOUNT
from clevertap_sync.delivery.sql.state_values import (
    LONGEST_PARTIAL_WAIT,
    AccountState,
    IntegrationState,
)
from clevertap_sync.models import Integration
from clevertap_sync.process import clock
from referrals import log, suppression

_INTEGRATIONS: Final = f"""
    SELECT i.id, i.app_id, i.cursor, i.enabled AND i.archived_at IS NULL,
        i.hold_reason <> '', app.slug, app.loose_ids, app.remembers_referrers,
        {row_writer.list_columns(Integration, "i")}
    FROM clevertap_sync_integration i JOIN referrals_app app ON app.id = i.app_id
    WHERE i.account_id = %(account)s
    ORDER BY i.last_served_at NULLS FIRST, i.id
"""
_BEFORE_ROW: Final = 8
_COUNTS: Final = """
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
    FROM (SELECT %(now)s AS now, %(slow)s AS slow) AS instant
    CROSS JOIN clevertap_sync_integration i
    LEFT JOIN clevertap_sync_upload u
        ON u.integration_id = i.id AND u.state = 'open' AND u.id >= {floor}
    WHERE i.account_id = %(account)s
    GROUP BY i.id, instant.now, instant.slow
"""
_REPLAYS: Final = """
    SELECT r.integration_id, CASE r.kind WHEN 'people' THEN r.id END
    FROM clevertap_sync_integration i
    JOIN clevertap_sync_replay r ON r.integration_id = i.id AND r.state = 'running'
    WHERE i.account_id = %(account)s
"""
# Last, so that no event is missed that is older than the rest.
_LOGS: Final = f"""
    SELECT i.id,
        EXISTS (SELECT 1 FROM referrals_customname c
                WHERE c.app_id = i.app_id AND c.approved_at IS NOT NULL),
        coalesce({suppression.build_newest_suppression_sql("i.app_id")}, 0),
        coalesce({log.build_head_sql("i.app_id")}, 0)
    FROM clevertap_sync_integration i WHERE i.account_id = %(account)s
"""

_Rows = list[tuple[Any, ...]]


def read_state(integration_id: int) -> AccountState | None:
    """Return the state of the integration's account; None where there is none.

    Nobody else writes meanwhile where the caller is in a transaction.
    """
    first = _ask(ACCOUNT, [integration_id])
    if not first:
        return None
    row = first[0]
    given, floors = _list_parameters(row[0])
    counts = _compose_counts(tuple(floors))
    statements = (_INTEGRATIONS, counts, _REPLAYS, _LOGS)
    answers = [_ask(statement, given) for statement in statements]
    if not all(answers[:2]):
        # The first statement found it on this account, and the others no more.
        return None
    return _read_answers(row, answers, (first, *answers))


def _ask(statement: str, given: Mapping[str, Any] | Sequence[Any]) -> _Rows:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        found: _Rows = cursor.fetchall()
    return found


def _list_parameters(account_id: int) -> tuple[dict[str, Any], Mapping[int, int]]:
    """Return the statements' parameters, and the floors that are among them."""
    # Once: they may be forgotten, or others learned, from one moment to the next.
    floors = dict(open_floor.read_floors(account_id))
    newly = timedelta(seconds=settings.LEASE_SECONDS) - LONGEST_PARTIAL_WAIT
    now = clock.read_now()
    adapt = connection.ops.adapt_datetimefield_value
    given = {"account": account_id, "now": adapt(now), "slow": adapt(now + newly)}
    return given | {f"floor_{key}": floor for key, floor in floors.items()}, floors


def _read_answers(
    account_row: tuple[Any, ...], answers: Sequence[_Rows], everything: Sequence[_Rows]
) -> AccountState:
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
    # SQLite gives a text back as it was.
    now = datetime.fromisoformat(counts[0][1]).replace(tzinfo=UTC)
    return AccountState(now, account_row, states, _take_fingerprint(everything))


def _take_fingerprint(everything: Sequence[_Rows]) -> object:
    """Return all answers without the clock and the logs' heads."""
    account, integrations, counts, replays, logs = everything
    return (
        *(account, integrations, frozenset(replays)),
        sorted((key, *numbers) for key, _, *numbers in counts),
        sorted(row[:-1] for row in logs),
    )


@lru_cache(maxsize=1024)
def _compose_counts(known: tuple[int, ...]) -> str:
    """Return the query that reads open uploads from the floor of each known integration."""
    cases = " ".join(f"WHEN {key} THEN %(floor_{key})s" for key in known)
    return _COUNTS.format(floor=f"CASE i.id {cases} ELSE 0 END" if known else "0")
