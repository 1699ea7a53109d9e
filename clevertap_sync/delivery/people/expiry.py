"""Expiry: a record that has waited for `WAIT_DAYS` waits for nobody any more.

Under the lock of the app's steps, so that in the second in which its person becomes known
either the step has the record or the expiry, never both. Then under those of the accounts,
in the order of a step: whoever replays or folds what waits writes the same rows.
"""

import time
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from clevertap_sync.clevertap.reasons import NEVER_KNOWN, NO_REFERRER_KNOWN
from clevertap_sync.delivery.account_lock import lock_accounts
from clevertap_sync.delivery.people import lookups
from clevertap_sync.models import DeadLetter, Integration, WaitingRecord
from clevertap_sync.process import clock
from referrals import failpoints, log, people
from referrals.failpoints import Place

#: As many as a statement takes on SQLite.
LETTERS: Final = 500
BUDGET_SECONDS: Final = 2.0


def expire_waits(*, seconds: float = BUDGET_SECONDS) -> None:
    """Give up what has waited long enough, for about `seconds`; the next call goes on.

    Safe to run anywhere, any number of times.
    """
    ends_at = time.monotonic() + seconds
    old = _select_waits_until(clock.read_now())
    for app_id in set(old.order_by().values_list("app", flat=True).distinct()):
        while _expire_next_records(app_id) and time.monotonic() < ends_at:
            pass


def _select_waits_until(instant: datetime) -> QuerySet[WaitingRecord]:
    """Return what has waited long enough at an instant, and is known by nobody."""
    began = instant - timedelta(days=settings.WAIT_DAYS)
    return WaitingRecord.objects.filter(matched=None, since__lte=began)


def _expire_next_records(app_id: int) -> bool:
    """Give up the app's next records; return whether there may be more."""
    with transaction.atomic():
        people.lock_progress(app_id)
        lock_accounts(Integration.objects.filter(app=app_id).values("account_id"))
        old = _select_waits_of(app_id)
        found = list(old.order_by("since").values_list("letter", "hash")[:LETTERS])
        letters = {letter for letter, _ in found}
        undecided = {letter for letter, hash_ in found if hash_ is None}
        now = clock.read_now()
        _give_up(undecided, NO_REFERRER_KNOWN, now)
        _give_up(letters - undecided, NEVER_KNOWN, now)
        old.filter(letter__in=letters).delete()
        failpoints.reach_failpoint(Place.WAITS_EXPIRED)
    return len(found) == LETTERS


def _select_waits_of(app_id: int) -> QuerySet[WaitingRecord]:
    """Return what has waited long enough by all that the log says of the app's people.

    A link that came in time counts, however late it is learned; and what is to be looked up,
    for the first time or anew, is looked up before, by each of its IDs.
    """
    if people.read_rules(app_id) is None:
        return _select_waits_until(clock.read_now()).filter(app=app_id)
    if not people.is_complete(app_id) or lookups.has_more_to_mark(app_id):
        return WaitingRecord.objects.none()
    old = _select_waits_until(_find_last_learned(app_id))
    fresh = WaitingRecord.objects.filter(letter=OuterRef("letter"), fresh=True)
    return old.filter(~Exists(fresh), app=app_id)


def _find_last_learned(app_id: int) -> datetime:
    """Return up to when all that the log says of the app's people was learned."""
    # The log may begin far beyond an app that has not learned anything yet.
    learned = people.find_cursor(app_id) or 0
    place = (app_id, max(learned + 1, log.find_tail(app_id)))
    return log.read_received_at([place]).get(place, clock.read_now())


def _give_up(letter_ids: Collection[int], reason: str, now: datetime) -> None:
    """Close the dead letters, but none of which another ID has become known."""
    letters = DeadLetter.objects.filter(
        pk__in=letter_ids, state=DeadLetter.State.WAITING
    )
    known = WaitingRecord.objects.filter(letter=OuterRef("pk"), matched__isnull=False)
    letters.filter(~Exists(known)).update(
        state=DeadLetter.State.EXPIRED, reason=reason, changed_at=now
    )
