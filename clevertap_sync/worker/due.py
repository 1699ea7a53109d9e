"""Find the integrations that have something to do now, for the sweep: one statement for all.

It is SQL, because every worker asks it every few seconds, and nearly always in vain.
"""

from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from django.db import connection

from clevertap_sync.clevertap.hold_reasons import ABOUT_IDENTITIES
from clevertap_sync.delivery import hold
from clevertap_sync.delivery.work import EVENTS_PER_UPLOAD
from clevertap_sync.models import Integration
from clevertap_sync.process import clock
from referrals import log

_QUERY: Final = f"""
    SELECT i.id, coalesce({log.build_head_sql("i.app_id")}, 0) - i.cursor,
        (SELECT count(*) FROM clevertap_sync_upload u
            WHERE u.integration_id = i.id AND u.state = 'open'
            AND (u.leased_until IS NULL AND u.due_at <= {{now}}
                OR u.leased_until <= {{now}})),
        EXISTS (SELECT 1 FROM clevertap_sync_replay r
            WHERE r.integration_id = i.id AND r.state = 'running'),
        i.hold_probes, i.hold_reason, i.failures, account.current_limit
    FROM clevertap_sync_integration i
    JOIN clevertap_sync_account account ON account.id = i.account_id
    WHERE i.enabled AND i.archived_at IS NULL
        AND (i.held_until IS NULL OR i.held_until <= {{now}})
    ORDER BY i.id
"""  # noqa: S608 - our own words


class _Standing(NamedTuple):
    """What one integration's threads would find to do."""

    integration_id: int
    waiting: int
    #: Open uploads whose time has come, and that no worker has.
    free_uploads: int
    is_replaying: bool
    probes: bool
    hold_reason: str
    failures: int
    account_limit: int

    @property
    def workers_wanted(self) -> int:
        """The number of threads that would find something to do."""
        wanted = -(-self.waiting // EVENTS_PER_UPLOAD) + self.free_uploads
        if not wanted:
            # A probe has to end a hold even where nothing is left to send.
            wanted = int(self.probes or self.is_replaying)
        # While it fails, its uploads go one at a time.
        return min(wanted, 1 if self.failures else self.account_limit)


def find_due_integrations() -> Iterator[tuple[int, int]]:
    """Yield (integration ID, number of threads that would find something to do).

    Without a broker no ring comes, so only this number gets several uploads in flight.
    """
    now, parameters = clock.write_instant("now")
    with connection.cursor() as cursor:
        cursor.execute(_QUERY.format(now=now), parameters)
        found = [_Standing(*row) for row in cursor.fetchall()]
    due = [each for each in found if each.workers_wanted]
    stopped = _find_waiting_for_person(
        [each.integration_id for each in due if each.hold_reason in ABOUT_IDENTITIES]
    )
    for each in due:
        if each.integration_id not in stopped:
            yield each.integration_id, each.workers_wanted


def _find_waiting_for_person(ids: Collection[int]) -> set[int]:
    """Return those of the integrations whose hold neither time nor a dry run may end."""
    rows = Integration.objects.filter(pk__in=ids) if ids else ()
    return {row.pk for row in rows if hold.is_waiting_for_person(row)}
