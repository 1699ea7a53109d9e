"""A step of who is who: learn from the next events, match what waits, commit, ring.

Learning and matching are one transaction. So a record whose person became known is matched,
or what was learned is not written either; and whoever reads the tables sees both or none.
"""

from collections.abc import Callable

from django.db import transaction

from clevertap_sync.delivery.people import lookups, match
from clevertap_sync.process import doorbell
from referrals import failpoints, log, people
from referrals.failpoints import Place


def advance_people(
    app_id: int, *, ring: Callable[[int], object] = doorbell.ring_doorbell
) -> bool:
    """Take one step for the app; return whether there is more to do at once.

    Safe to run any number of times, anywhere: one step at a time holds the app's lock, and
    another returns False meanwhile. `ring` is called, once it is committed, for each
    integration that has something to send.
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
    for integration_id in sorted(integration_ids):
        ring(integration_id)
    return is_marking or _is_more_to_do(step)


def _is_more_to_do(step: people.Step) -> bool:
    """Return what came meanwhile: whoever brought it found the lock taken, and left."""
    if step.completes and lookups.has_more_to_mark(step.app_id):
        return True
    if step.has_more or step.last < log.read_head(step.app_id):
        return True
    return match.select_passed_waits(step).filter(fresh=True).exists()
