"""New names: what settled uploads delivered of a name that the account never had from us.

Uploads settle in any order. So each integration has a mark: the upload up to which all were
looked at, and those below it that were open then. An upload gets its ID under the account's
lock, or is a part whose parent is open until then: none is missed.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db.models import Q

from clevertap_sync.clevertap.limits import normalise_event_name
from clevertap_sync.clevertap.stored_schema import unpack_schema
from clevertap_sync.models import AccountReading, FirstSight, Integration, Upload

#: So many uploads are looked at in one go; the next call goes on.
UPLOADS: Final = 2_000
#: With more of them open, the mark stays where it is.
MOST_LEFT: Final = 500
#: A name is asked for so long after its first delivery.
FIRST_WAIT: Final = timedelta(minutes=1)


class Mark(NamedTuple):
    """All uploads up to `to` were looked at, but for those in `left`: they were open."""

    to: int
    left: tuple[int, ...] = ()


class Counting(NamedTuple):
    """For which account an integration counts, and since when: before, it was another."""

    account_id: int
    since: datetime


class SeenUpload(NamedTuple):
    """The columns of an upload that tell what it delivered, and when."""

    pk: int
    integration_id: int
    state: str
    counts: list[list[Any]] | None
    settled_at: datetime | None


def find_new_names() -> None:
    """Write down each name that was delivered to an account for the first time.

    Safe to run anywhere, any number of times: what is looked at twice changes nothing. It
    takes two queries where no upload is new.
    """
    counting, kept = _read_marks()
    marks = {
        pk: kept.get(pk) or _begin(pk, mine.since) for pk, mine in counting.items()
    }
    uploads = _read_uploads(marks) if marks else []
    if uploads:
        _add_first_sights(counting, uploads)
    moved = marks | _move_marks(marks, uploads)
    _keep_marks(counting, {pk: at for pk, at in moved.items() if at != kept.get(pk)})


def _read_marks() -> tuple[dict[int, Counting], dict[int, Mark]]:
    """Return, by integration that reconciles, its account and since when, and its mark.

    One that was not looked at yet has no mark.
    """
    rows = Integration.objects.filter(
        reconciles=True, archived_at=None, counts_since__isnull=False
    ).values_list("pk", "account_id", "counts_since", "account__reading__seen_to")
    counting, marks = {}, {}
    for pk, account_id, since, seen_to in rows:
        if since is None:
            continue
        counting[pk] = Counting(account_id, since)
        kept = (seen_to or {}).get(str(pk))
        if kept:
            marks[pk] = Mark(kept[0], tuple(kept[1]))
    return counting, marks


def _begin(integration_id: int, counts_since: datetime) -> Mark:
    """Return the mark of an integration that was not looked at yet: where counting began."""
    uploads = Upload.objects.filter(integration=integration_id)
    before = uploads.filter(created_at__lt=counts_since)
    newest = before.order_by("-pk").values_list("pk", flat=True).first()
    still_open = before.open().order_by("pk").values_list("pk", flat=True)
    return Mark(newest or 0, tuple(still_open[:MOST_LEFT]))


def _read_uploads(marks: Mapping[int, Mark]) -> list[SeenUpload]:
    """Return the uploads beyond the marks, and what became of those that were left."""
    wanted = Q()
    for pk, mark in marks.items():
        wanted |= Q(integration=pk, pk__gt=mark.to)
    if left := [upload for mark in marks.values() for upload in mark.left]:
        wanted |= Q(pk__in=left) | Q(parent__in=left)
    rows = Upload.objects.filter(wanted).order_by("pk")
    return [SeenUpload(*row) for row in rows.values_list(*SeenUpload._fields)[:UPLOADS]]


def _move_marks(
    marks: Mapping[int, Mark], uploads: Sequence[SeenUpload]
) -> dict[int, Mark]:
    """Return the marks after a look at these uploads, which are the next by ID."""
    by_integration: defaultdict[int, list[SeenUpload]] = defaultdict(list)
    for each in uploads:
        by_integration[each.integration_id].append(each)
    moved = {
        pk: _move_mark(marks[pk], seen)
        for pk, seen in by_integration.items()
        if pk in marks
    }
    return {pk: mark for pk, mark in moved.items() if len(mark.left) <= MOST_LEFT}


def _move_mark(mark: Mark, seen: Sequence[SeenUpload]) -> Mark:
    to = max(mark.to, *(each.pk for each in seen))
    known = {each.pk for each in seen}
    # Of one that was left and is split now, the parts were read with it. A part of it that
    # is split as well has parts in its turn, which may lie below the mark.
    left = {
        each.pk
        for each in seen
        if each.state == Upload.State.OPEN
        or (
            each.state == Upload.State.SPLIT
            and each.pk <= mark.to
            and each.pk not in mark.left
        )
    }
    unread = {pk for pk in mark.left if pk not in known and pk > to}
    return Mark(to, tuple(sorted(left | unread)))


def _keep_marks(counting: Mapping[int, Counting], moved: Mapping[int, Mark]) -> None:
    """Keep the marks. If another process keeps older ones, they are looked at again."""
    for account_id in {counting[pk].account_id for pk in moved}:
        AccountReading.objects.get_or_create(pk=account_id)
        row = AccountReading.objects.filter(pk=account_id)
        seen_to = row.values_list("seen_to", flat=True).get()
        mine = {
            str(pk): mark
            for pk, mark in moved.items()
            if counting[pk].account_id == account_id
        }
        row.update(seen_to={**seen_to, **mine})


def _add_first_sights(
    counting: Mapping[int, Counting], uploads: Iterable[SeenUpload]
) -> None:
    first: dict[tuple[int, str], tuple[str, datetime]] = {}
    for account_id, name, settled_at in _list_deliveries(counting, uploads):
        key = (account_id, normalise_event_name(name))
        if key not in first or settled_at < first[key][1]:
            first[key] = (name, settled_at)
    known = FirstSight.objects.filter(
        account__in={account_id for account_id, _ in first},
        folded_name__in={folded for _, folded in first},
    )
    for key in known.values_list("account_id", "folded_name"):
        first.pop(key, None)
    if not first:
        return
    schemas = _read_schemas({account_id for account_id, _ in first})
    sights = [
        FirstSight(
            account_id=account_id,
            folded_name=folded,
            name=name,
            first_at=settled_at,
            is_new=_is_new(folded, schemas.get(account_id)),
            next_at=settled_at + FIRST_WAIT,
        )
        for (account_id, folded), (name, settled_at) in first.items()
    ]
    FirstSight.objects.bulk_create(sights, ignore_conflicts=True)


def _list_deliveries(
    counting: Mapping[int, Counting], uploads: Iterable[SeenUpload]
) -> Iterator[tuple[int, str, datetime]]:
    """Yield account, name and time of what the uploads delivered, a row for each count."""
    for each in uploads:
        mine = counting.get(each.integration_id)
        if mine is None or each.settled_at is None or each.settled_at < mine.since:
            continue
        for name, _, delivered, *_ in each.counts or ():
            if delivered:
                yield mine.account_id, name, each.settled_at


def _read_schemas(account_ids: Iterable[int]) -> dict[int, frozenset[str]]:
    """Return the folded names that each account's schema had when it was read last."""
    rows = AccountReading.objects.filter(pk__in=account_ids, schema__isnull=False)
    found = {
        pk: unpack_schema(packed) for pk, packed in rows.values_list("pk", "schema")
    }
    return {pk: frozenset(schema.events) for pk, schema in found.items() if schema}


def _is_new(folded: str, schema: frozenset[str] | None) -> bool | None:
    """Return whether the schema lacks a name; None where no schema was read yet."""
    return None if schema is None else folded not in schema
