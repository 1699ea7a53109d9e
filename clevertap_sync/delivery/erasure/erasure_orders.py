"""Erase one person: suppress them, wait for uploads, take them out of the log.

Each step is a short transaction, so that a crash leaves no step half done: a worker's
sweep, or the same command again, goes on where it stopped. Only the first step knows the
identities; from then on keyed hashes recognise the person.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F

from clevertap_sync.delivery.account_lock import lock_accounts
from clevertap_sync.delivery.erasure import uploads_under_way, waiting_records
from clevertap_sync.delivery.erasure.known_others import KnownOther, find_known_others
from clevertap_sync.delivery.map_upload import ERASED
from clevertap_sync.models import DeadLetter, Integration
from clevertap_sync.process import clock
from referrals import (
    failpoints,
    log,
    people,
    rejections,
    source_setup,
    suppression,
)
from referrals.failpoints import Place
from referrals.identity import Identity
from referrals.models import App, ErasureRequest
from referrals.schema import Event, Person
from referrals.vocabulary import Side

EVENTS_PER_STEP = 500
BUDGET_SECONDS = 2.0

ErasureState = ErasureRequest.State
#: Called now and then with the last position that was read, and the last one to read.
ReportProgress = Callable[[int, int], object]


@dataclass(slots=True)
class ErasurePlan:
    """How many events an erasure would change.

    `others` are further identities that the person's events name. The erasure does not use
    them: an identity that several people share must not erase all of them. An operator who
    means them as well has to give them as well. `known_others` are those that were tied to
    the person, who is learned of: an operator may take them along, but for shared ones.
    """

    events: int = 0
    as_user: int = 0
    as_referrer: int = 0
    others: set[Identity] = field(default_factory=set)
    known_others: list[KnownOther] = field(default_factory=list)

    def add(self, event: Event, is_meant: Callable[[Person], bool]) -> None:
        """Count an event, if the person is in it."""
        people = [p for p in (event.user, event.referrer) if p and is_meant(p)]
        sides = suppression.find_sides_meant(event, is_meant)
        self.events += bool(sides)
        self.as_user += Side.REFERRED in sides
        self.as_referrer += Side.GENERATED in sides
        for person in people:
            self.others.update(Identity(*pair) for pair in person.identities.items())


def plan_erasure(
    app: App,
    identities: Sequence[Identity],
    *,
    including: Sequence[KnownOther] = (),
    progress: ReportProgress = lambda *_: None,
) -> ErasurePlan:
    """Read the log and count the events that an erasure would change. Writes nothing."""
    hashes = _hash_person(app, identities, including)
    is_meant = suppression.make_person_matcher(app.pk, hashes)
    found, reached, head = ErasurePlan(), 0, log.read_head(app.pk)
    found.known_others = find_known_others(app, identities)
    while chunk := log.scan_events(app.pk, reached, head, limit=EVENTS_PER_STEP):
        for logged in chunk:
            found.add(logged.event, is_meant)
        reached = chunk[-1].position
        progress(reached, head)
    found.others = {
        other
        for other in found.others
        if not set(suppression.hash_identities(app.pk, [other])) & set(hashes)
    }
    return found


def order_erasure(
    app: App,
    identities: Sequence[Identity],
    *,
    including: Sequence[KnownOther] = (),
    requested_by: str = "",
) -> ErasureRequest:
    """Suppress the person from now on, and order the erasure. Running it twice is harmless.

    `including` are identities that the person is known by besides; shared ones are left out.
    Returns the same order again while it is not fulfilled, or while no event came after it.
    """
    hashes = _hash_person(app, identities, including)
    with transaction.atomic():
        # The locks prevent claims meanwhile: an upload either has the suppressions or was
        # claimed before, and then the erasure finds it. The app's lock also numbers
        # suppressions one at a time.
        App.objects.select_for_update(no_key=True).get(pk=app.pk)
        lock_accounts(Integration.objects.filter(app=app).values("account_id"))
        until = suppression.suppress_hashes(app.pk, hashes)
        values = [each.value for each in (*identities, *list_own(including))]
        rejections.remove_rejections(app.pk, values)
        source_setup.remove_captures(app.pk, values)
        order = _find_same_order(
            app.pk, hashes, until
        ) or ErasureRequest.objects.create(
            app=app,
            hashes=hashes,
            suppressions_until=until,
            requested_at=clock.read_now(),
            requested_by=requested_by[:150],
        )
    failpoints.reach_failpoint(Place.ERASURE_REQUESTED)
    return order


def list_own(others: Sequence[KnownOther]) -> list[Identity]:
    """Return those that are the person's alone, as far as their values are known."""
    return [
        each.identity for each in others if each.identity.value and not each.is_shared
    ]


def advance_erasure(
    order: ErasureRequest,
    *,
    seconds: float = BUDGET_SECONDS,
    progress: ReportProgress = lambda *_: None,
) -> ErasureRequest:
    """Go on with an order for about `seconds`; return it as it is then.

    Safe to run anywhere, any number of times, at the same time too.
    """
    ends_at = time.monotonic() + seconds
    order.refresh_from_db()
    if order.state == ErasureState.WAITING:
        _wait_for_uploads(order)
        order.refresh_from_db()
    while order.state == ErasureState.ERASING and time.monotonic() < ends_at:
        _erase_next_events(order)
        order.refresh_from_db()
        progress(order.erased_to, order.head)
    return order


def advance_all_erasures(*, seconds: float = BUDGET_SECONDS) -> None:
    """Go on with every order that is not fulfilled yet. Each worker's sweep calls this."""
    unfinished = ErasureRequest.objects.exclude(state=ErasureState.DONE)
    for order in unfinished.order_by("pk"):
        advance_erasure(order, seconds=seconds)


def lift_suppressions(app: App, identities: Sequence[Identity]) -> int:
    """End the suppression of a person who agrees again; return how many identities had one."""
    return suppression.lift_suppression(
        app.pk, suppression.hash_identities(app.pk, identities)
    )


def find_latest_completion(order: ErasureRequest) -> datetime:
    """Return when uploads that still contain the person are replaced at the latest."""
    return order.requested_at + timedelta(seconds=settings.ERASURE_WAIT_SECONDS)


def is_under_way(order: ErasureRequest) -> bool:
    """Return whether a worker is sending the person's records at this moment."""
    return order.state == ErasureState.WAITING and uploads_under_way.are_any_leased(
        uploads_under_way.find_uploads_of_person(order)
    )


def _hash_person(
    app: App, identities: Sequence[Identity], including: Sequence[KnownOther]
) -> list[str]:
    named = suppression.hash_identities(app.pk, identities)
    known = [each.hash for each in including if not each.is_shared]
    return sorted({*named, *known})


def _find_same_order(
    app_id: int, hashes: list[str], until: int
) -> ErasureRequest | None:
    """Return the last order for the same person, unless there is something new to do."""
    orders = ErasureRequest.objects.filter(app=app_id, hashes=hashes)
    last = orders.order_by("-pk").first()
    if last is None or last.suppressions_until != until:
        return None
    is_old = last.state == ErasureState.DONE and last.head != log.read_head(app_id)
    return None if is_old else last


def _wait_for_uploads(order: ErasureRequest) -> None:
    """Begin to erase, once no upload may bring the person to CleverTap any more."""
    uploads = uploads_under_way.find_uploads_of_person(order)
    replaced = 0
    if uploads and clock.read_now() >= find_latest_completion(order):
        replaced = sum(
            uploads_under_way.replace_upload(upload, order) for upload in uploads
        )
        uploads = uploads_under_way.find_uploads_of_person(order)
    waiting = ErasureRequest.objects.filter(pk=order.pk, state=ErasureState.WAITING)
    waiting.update(
        uploads_waiting=len(uploads), uploads_replaced=F("uploads_replaced") + replaced
    )
    if not uploads:
        waiting.update(state=ErasureState.ERASING, head=log.read_head(order.app_id))


def _erase_next_events(order: ErasureRequest) -> None:
    """Erase from the next events, unless another process just did."""
    chunk = log.scan_events(
        order.app_id, order.erased_to, order.head, limit=EVENTS_PER_STEP
    )
    is_meant = suppression.make_person_matcher(order.app_id, order.hashes)
    sides = {
        logged.position: suppression.find_sides_meant(logged.event, is_meant)
        for logged in chunk
    }
    named = {position: found for position, found in sides.items() if found}
    reached = chunk[-1].position if len(chunk) == EVENTS_PER_STEP else order.head
    with transaction.atomic():
        _stop_learning(order.app_id)
        own_turn = ErasureRequest.objects.select_for_update().filter(
            pk=order.pk, state=ErasureState.ERASING, erased_to=order.erased_to
        )
        locked = own_turn.first()
        if locked is None:
            return
        locked.events += log.erase_people(order.app_id, named, is_meant=is_meant)
        locked.dead_letters += _mark_letters_erased(order.app_id, named)
        locked.erased_to = reached
        if reached >= locked.head:
            locked.dead_letters += _forget_person(order)
            locked.state, locked.finished_at = ErasureState.DONE, clock.read_now()
        locked.save()
        failpoints.reach_failpoint(Place.ERASURE_WRITTEN)
    failpoints.reach_failpoint(Place.ERASURE_COMMITTED)


def _stop_learning(app_id: int) -> None:
    """Let nobody learn of the app's people until the transaction ends, nor claim what waits."""
    if people.lock_progress(app_id):
        # In the order of a step: its lock first, then the accounts'.
        lock_accounts(Integration.objects.filter(app=app_id).values("account_id"))


def _forget_person(order: ErasureRequest) -> int:
    """Forget who the person is; return how many dead letters waited for them.

    The log has nothing more to learn from: only what comes later names the person, and a
    suppressed side teaches nothing.
    """
    waited = waiting_records.erase_records_waiting_for(order.app_id, order.hashes)
    people.forget_hashes(order.app_id, order.hashes)
    return waited


def _mark_letters_erased(app_id: int, named: dict[int, frozenset[Side]]) -> int:
    """Give the person's open dead letters the reason `erased`; return how many letters there are.

    A dead letter has no identity. But CleverTap's words in `detail` could, so they go.
    """
    count = 0
    for side in Side:
        positions = [position for position, sides in named.items() if side in sides]
        if not positions:
            continue
        letters = DeadLetter.objects.filter(
            integration__app=app_id, side=side, position__in=positions
        )
        count += letters.update(detail="")
        letters.open().update(reason=ERASED, changed_at=clock.read_now())
        waiting_records.erase_waiting_letters(letters)
    return count
