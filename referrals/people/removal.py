"""What is removed of what was learned: by age, by erasure, and to learn anew."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Final

from django.db import transaction
from django.db.models import F

from referrals import log
from referrals.learning.known import Identity, KnownPerson
from referrals.models import (
    KnownIdentity as IdentityRow,
    KnownPerson as PersonRow,
    PeopleProgress,
    ReferrerDecision,
)
from referrals.people import lately, tables
from referrals.people.app_rules import find_pinned_identities, read_rules

#: Rows of one statement, as far as SQLite takes them everywhere.
BATCH: Final = 1000
#: When that was last seen of which only the value is kept.
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


def lock_progress(app_id: int) -> bool:
    """Let no step run until the transaction ends. False: nothing was learned of the app."""
    return _lock_row(app_id) is not None


def _lock_row(app_id: int) -> PeopleProgress | None:
    rows = PeopleProgress.objects.select_for_update()
    return rows.filter(app=app_id).first()


def relearn(app_id: int) -> bool:
    """Let the app's next steps forget what was learned, and learn from the log anew.

    What uploads under way have pinned stays, and so do marks by hand. False: nothing was
    learned of the app.
    """
    with transaction.atomic():
        progress = _lock_row(app_id)
        if progress is None:
            return False
        begin_anew(progress)
        progress.save()
    return True


def begin_anew(progress: PeopleProgress) -> None:
    """Order that what was learned is removed. The caller holds the lock, and saves."""
    progress.emptying = True
    progress.cursor = 0
    progress.generation += 1
    pinned = sorted(find_pinned_identities(progress.app_id))
    for start in range(0, len(pinned), BATCH):
        chunk = pinned[start : start + BATCH]
        rows = IdentityRow.objects.filter(app_id=progress.app_id, hash__in=chunk)
        rows.update(
            person=None,
            shared_at=None,
            learned_at=0,
            referrer=None,
            referrer_at=0,
            seen_at=_NEVER,
        )


def remove_learned(app_id: int, *, limit: int) -> int:
    """Remove up to `limit` rows of what was learned of an app; return how many.

    But what uploads under way have pinned. The caller holds the lock.
    """
    pinned = find_pinned_identities(app_id)
    removed = tables.empty_table(tables.IDENTITIES, app_id, limit=limit, but=pinned)
    for table in (tables.PEOPLE, tables.DECISIONS):
        if removed < limit:
            removed += tables.empty_table(table, app_id, limit=limit - removed)
    return removed


def forget_hashes(app_id: int, hashes: Collection[str]) -> None:
    """Forget identities, in production and test, and whom they invited.

    A person of whom no key is left is forgotten whole. The caller holds the lock of
    `lock_progress`. Doing it twice changes nothing more.
    """
    raise_generation(app_id)
    rows = tables.read_identities(app_id, "hash", set(hashes))
    remove_identities(app_id, rows)
    found = {"app_id": app_id, "referrer__in": list(hashes)}
    IdentityRow.objects.filter(**found).update(referrer=None, referrer_at=0)
    PersonRow.objects.filter(**found).update(referrer=None, referrer_at=0)
    ReferrerDecision.objects.filter(**found).update(referrer=None)
    asked = ReferrerDecision.objects.filter(app_id=app_id, user__in=list(hashes))
    asked.update(user=None, referrer=None)


def trim_people(cutoff: datetime, *, limit: int = BATCH) -> int:
    """Remove who was not seen since `cutoff`; return how many rows went.

    Up to about `limit` of each app. Call it again while it returns anything. A key of a
    living person stays, and so does what uploads under way have pinned. Of an app that
    does not learn any more, everything goes; one that learns again meanwhile begins anew.
    """
    return sum(
        _trim_app(app_id, cutoff, limit)
        for app_id in PeopleProgress.objects.values_list("app_id", flat=True)
    )


def _trim_app(app_id: int, cutoff: datetime, limit: int) -> int:
    with transaction.atomic():
        progress = _lock_row(app_id)
        if progress is None:
            return 0
        if read_rules(app_id) is None:
            return _trim_all(progress, limit)
        gone = _trim_persons(app_id, cutoff, limit)
        gone += _trim_identities(app_id, cutoff, limit)
        if gone:
            raise_generation(app_id)
        return gone + _trim_decisions(app_id, limit)


def _trim_all(progress: PeopleProgress, limit: int) -> int:
    if not progress.emptying:
        # What is left is not whole: nobody may be known by it.
        begin_anew(progress)
        progress.save()
    removed = remove_learned(progress.app_id, limit=limit)
    pinned_is_left = IdentityRow.objects.filter(app_id=progress.app_id).exists
    if not removed and not pinned_is_left():
        progress.delete()
        lately.forget_app(progress.app_id)
    return removed


def _trim_persons(app_id: int, cutoff: datetime, limit: int) -> int:
    """Remove people whom nobody has seen, with all that they were known by."""
    old = PersonRow.objects.filter(app_id=app_id, seen_at__lt=cutoff)
    numbers = list(old.order_by("seen_at").values_list("number", flat=True)[:limit])
    rows = tables.read_identities(app_id, "person", numbers)
    pinned = find_pinned_identities(app_id)
    kept = {each.person for _, each in rows if each.hash in pinned}
    gone = [number for number in numbers if number not in kept]
    _delete_identities(app_id, (row for row in rows if row[1].person not in kept))
    PersonRow.objects.filter(app_id=app_id, number__in=gone).delete()
    return len(gone)


def _trim_identities(app_id: int, cutoff: datetime, limit: int) -> int:
    """Remove identities that nobody has, and those that a person has no more."""
    old = IdentityRow.objects.filter(app_id=app_id, seen_at__lt=cutoff)
    hashes = old.order_by("seen_at").values_list("hash", flat=True)
    found = {each.hex for each in hashes[:limit]} - find_pinned_identities(app_id)
    rows = [
        row
        for row in tables.read_identities(app_id, "hash", found)
        if row[1].seen_at < cutoff
    ]
    people = _read_owners(app_id, rows)
    unneeded = []
    for test, identity in rows:
        owner = people.get(identity.person or 0)
        if owner and owner[1].keys.get(identity.provider) == identity.hash:
            # Seen with its person, so that it does not stand before others again.
            identity.seen_at = owner[1].seen_at
            tables.write_identities(app_id, [(test, identity)])
        else:
            unneeded.append((test, identity))
    remove_identities(app_id, unneeded)
    return len(unneeded)


def _trim_decisions(app_id: int, limit: int) -> int:
    """Remove decisions about events that retention removed."""
    old = ReferrerDecision.objects.filter(
        app_id=app_id, position__lt=log.find_tail(app_id)
    )
    found = list(old.order_by("position").values_list("position", flat=True)[:limit])
    ReferrerDecision.objects.filter(app_id=app_id, position__in=found).delete()
    return len(found)


def remove_identities(app_id: int, rows: Iterable[tuple[bool, Identity]]) -> None:
    """Remove identities from their people. Who has no key left is nobody, and goes."""
    gone = list(rows)
    people = _read_owners(app_id, gone)
    for _, identity in gone:
        if (owner := people.get(identity.person or 0)) is not None:
            person = owner[1]
            person.size -= 1
            if person.keys.get(identity.provider) == identity.hash:
                del person.keys[identity.provider]
    nobody = [number for number, (_, person) in people.items() if not person.keys]
    gone += tables.read_identities(app_id, "person", nobody)
    _delete_identities(app_id, gone)
    PersonRow.objects.filter(app_id=app_id, number__in=nobody).delete()
    tables.write_people(app_id, (p for n, p in people.items() if n not in nobody))


def _read_owners(
    app_id: int, rows: Iterable[tuple[bool, Identity]]
) -> dict[int, tuple[bool, KnownPerson]]:
    numbers = {each.person for _, each in rows if each.person is not None}
    return {p.number: (test, p) for test, p in tables.read_people(app_id, numbers)}


def _delete_identities(app_id: int, rows: Iterable[tuple[bool, Identity]]) -> None:
    hashes: dict[bool, list[str]] = {False: [], True: []}
    for test, identity in rows:
        hashes[test].append(identity.hash)
    for test, found in hashes.items():
        for start in range(0, len(found), BATCH):
            chunk = found[start : start + BATCH]
            mine = IdentityRow.objects.filter(app_id=app_id, hash__in=chunk)
            mine.filter(test=test).delete()


def raise_generation(app_id: int) -> None:
    """Say that something which was learned is no longer true."""
    progress = PeopleProgress.objects.filter(app=app_id)
    progress.update(generation=F("generation") + 1)
