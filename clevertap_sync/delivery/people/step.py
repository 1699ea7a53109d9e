"""A step of who is who: learn from the next events, match what waits, commit, ring.

Learning and matching are one transaction. So a record whose person became known is matched,
or what was learned is not written either; and whoever reads the tables sees both or none.
"""

from collections.abc import Callable

from django.db import transaction

from clevertap_sync.delivery.people import lookups, match
from clevertap_sync.delivery.sql import waiting_rows
from clevertap_sync.models import Integration
from clevertap_sync.process import doorbell
from referrals import failpoints, people
from referrals.failpoints import Place


def advance_people(
    app_id: int, *, ring: Callable[[int], object] = doorbell.ring_doorbell
) -> bool:
    """Take one step for the app; return whether there is more to do at once.

    Safe to run any number of times, anywhere: one step at a time holds the app's lock, and
    another returns False meanwhile. `ring` is called, once it is committed, for each
    integration that has something to send, or to pass by.
    """
    is_marking = lookups.mark_for_lookup(app_id)
    with transaction.atomic():
        step = people.take_step(app_id)
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
    readers = Integration.objects.filter(enabled=True, archived_at=None)
    lagging = readers.filter(app=step.app_id, cursor__lt=step.last).order_by()
    return set(lagging.values_list("pk", flat=True))


def _is_more_to_do(step: people.Step) -> bool:
    """Return what came meanwhile: whoever brought it found the lock taken, and left."""
    if step.completes and lookups.has_more_to_mark(step.app_id):
        return True
    return step.has_more or waiting_rows.has_more_to_do(
        step.app_id, step.last, match.find_end(step)
    )
