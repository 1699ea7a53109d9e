"""A step of who is who: learn from the next events, match what waits, commit, ring.

Learning and matching are one transaction. So a record whose person became known is matched,
or what was learned is not written either; and whoever reads the tables sees both or none.
"""

from collections.abc import Callable
from typing import Final

from django.db import connection, transaction

from clevertap_sync.delivery.people import lookups, match
from clevertap_sync.delivery.sql import waiting_rows
from clevertap_sync.process import doorbell
from referrals import failpoints, people
from referrals.failpoints import Place

_LAGGING: Final = """
    SELECT id FROM clevertap_sync_integration
    WHERE app_id = %s AND enabled AND archived_at IS NULL AND cursor < %s
"""


def advance_people(
    app_id: int, *, ring: Callable[[int], object] = doorbell.ring_doorbell
) -> bool:
    """Take one step for the app; return whether there is more to do at once.

    Safe to run any number of times, anywhere: one step at a time holds the app's lock, and
    another returns False meanwhile. `ring` is called, once it is committed, for each
    integration that has something to send, or to pass by.
    """
    is_marking = lookups.mark_for_lookup(app_id)
    # Where one lock is for all who write, as on SQLite, nobody has to wait for that.
    has_lock_of_its_own = connection.features.has_select_for_update
    lesson = None if has_lock_of_its_own else people.study_ahead(app_id)
    with transaction.atomic():
        step = people.take_step(app_id, lesson=lesson)
        if step is None:
            return False
        failpoints.reach_failpoint(Place.PEOPLE_LEARNED)
        integration_ids = match.match_waiting_records(step)
        failpoints.reach_failpoint(Place.PEOPLE_MATCHED)
    failpoints.reach_failpoint(Place.PEOPLE_COMMITTED)
    if step.ends_with_identify:
        # Whoever was rung for any later event passes all before it by.
        integration_ids |= _find_who_lags(step)
    for integration_id in sorted(integration_ids):
        ring(integration_id)
    return is_marking or _is_more_to_do(step)


def _find_who_lags(step: people.Step) -> set[int]:
    """Return the integrations that have yet to pass by what the step has learned."""
    with connection.cursor() as cursor:
        cursor.execute(_LAGGING, [step.app_id, step.last])
        return {pk for (pk,) in cursor.fetchall()}


def _is_more_to_do(step: people.Step) -> bool:
    """Return what came meanwhile: whoever brought it found the lock taken, and left."""
    if step.completes and lookups.has_more_to_mark(step.app_id):
        return True
    return step.has_more or waiting_rows.has_more_to_do(
        step.app_id, step.last, match.find_end(step)
    )
