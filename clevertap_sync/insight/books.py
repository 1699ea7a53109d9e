"""The books: check that no record is missing and none is counted twice.

Range uploads tile the log from the tail to the cursor. The parts of a split upload cover its
records. Each record of a settled upload is delivered, a dead letter, or waits for a person,
and each record that an upload booked as dead or waiting has a dead letter. Replays are booked
apart. What waits says whom for, and what is sent under pins has one for each record.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from django.db.models import Exists, F, OuterRef, Q, Subquery, Sum, Window
from django.db.models.functions import Coalesce, Lag

from clevertap_sync.models import DeadLetter, Integration, Tally, Upload, WaitingRecord

_SHOWN = 5
# How many uploads a check for a page reads.
_NEWEST = 200
_SUMS = ("pk", "records", "delivered", "dead", "waiting")


def find_imbalances(integration: Integration, head: int) -> list[str]:
    """Return a sentence for each book that does not balance; none when all do."""
    return [
        *_check_cursor(integration, head),
        *_check_ranges(integration),
        *_check_parts(integration),
        *_check_leaves(integration),
        *_check_letters(integration),
        *_check_replays(integration),
        *_check_waiting(integration),
        *_check_pins(integration),
        *_check_tallies(integration),
    ]


def find_recent_imbalances(integration: Integration, head: int) -> list[str]:
    """Check the newest uploads alone, for pages that are read often. Returns sentences."""
    return [
        *_check_cursor(integration, head),
        *_check_newest_ranges(integration),
        *_check_newest_leaves(integration),
    ]


class UploadRange(NamedTuple):
    """The columns of a range upload that tiling is checked by."""

    pk: int
    first: int
    last: int
    state: str


def find_newest_imbalances(
    integration: Integration, head: int, newest: Sequence[UploadRange]
) -> tuple[str, ...]:
    """Check `newest`, the last range uploads, the newest first. Returns sentences.

    For callers that have read these already. Reads nothing.
    """
    return (
        *_check_cursor(integration, head),
        *_check_neighbours(integration, newest),
    )


def _check_cursor(integration: Integration, head: int) -> Iterator[str]:
    if integration.cursor > head:
        yield f"The cursor, {integration.cursor}, is beyond the head of the log, {head}."


def _check_ranges(integration: Integration) -> Iterator[str]:
    ranges = Upload.objects.ranges().filter(integration=integration)
    before = Coalesce(Window(Lag("last"), order_by=F("first").asc()), integration.tail)
    untiled = ranges.annotate(before=before).filter(~Q(first=F("before") + 1))
    for pk, first, last_before in untiled.order_by("first").values_list(
        "pk", "first", "before"
    )[:_SHOWN]:
        yield _describe_gap(pk, first, last_before)
    last = ranges.order_by("-first").values_list("last", flat=True).first()
    yield from _check_reach(integration, last)


def _check_reach(integration: Integration, last: int | None) -> Iterator[str]:
    reached = integration.tail if last is None else last
    if reached != integration.cursor:
        yield f"Uploads reach to {reached}, the cursor to {integration.cursor}."


def _describe_gap(pk: int, first: int, last_before: int) -> str:
    return f"Upload {pk} begins at {first}, but {last_before} came before it."


def _check_newest_ranges(integration: Integration) -> Iterator[str]:
    ranges = Upload.objects.ranges().filter(integration=integration)
    rows = ranges.order_by("-first").values_list("pk", "first", "last", "state")
    yield from _check_neighbours(
        integration, [UploadRange(*row) for row in rows[:_NEWEST]]
    )


def _check_neighbours(
    integration: Integration, newest: Sequence[UploadRange]
) -> Iterator[str]:
    for later, earlier in pairwise(newest):
        if later.first != earlier.last + 1:
            yield _describe_gap(later.pk, later.first, earlier.last)
    yield from _check_reach(integration, newest[0].last if newest else None)


def _check_newest_leaves(integration: Integration) -> Iterator[str]:
    newest = Upload.objects.filter(integration=integration).order_by("-pk")
    rows = newest.values_list("state", *_SUMS)[:_NEWEST]
    for state, pk, records, delivered, dead, waiting in rows:
        if state == Upload.State.SETTLED and records != delivered + dead + waiting:
            yield _describe_sums(pk, records, delivered, dead, waiting)


def _check_parts(integration: Integration) -> Iterator[str]:
    split = Upload.objects.filter(integration=integration, state=Upload.State.SPLIT)
    parts = Upload.objects.filter(parent=OuterRef("pk"))
    for upload in split.filter(~Exists(parts))[:_SHOWN]:
        yield f"Upload {upload.pk} was split, but has no parts."
    covered = Subquery(parts.values("parent").annotate(n=Sum("covers")).values("n"))
    untiled = (
        split.filter(records__isnull=False).annotate(n=covered).exclude(n=F("records"))
    )
    for pk, records, n in untiled.values_list("pk", "records", "n")[:_SHOWN]:
        yield f"Upload {pk} has {records} records, its parts cover {n}."


def _check_leaves(integration: Integration) -> Iterator[str]:
    leaves = Upload.objects.leaves().filter(integration=integration)
    wrong = ~Q(records=F("delivered") + F("dead") + F("waiting")) | Q(records=None)
    for sums in leaves.filter(wrong).values_list(*_SUMS)[:_SHOWN]:
        yield _describe_sums(*sums)
    uncovered = ~Q(covers=F("records") + F("unsent"))
    for upload in leaves.filter(uncovered, covers__isnull=False)[:_SHOWN]:
        yield f"Part {upload.pk} covers {upload.covers} records, but has {upload.records}."


def _describe_sums(
    pk: int, records: int | None, delivered: int, dead: int, waiting: int
) -> str:
    return (
        f"Upload {pk} has {records} records, of which {delivered} were delivered, {dead} "
        f"are dead letters and {waiting} wait."
    )


def _check_letters(integration: Integration) -> Iterator[str]:
    live = Upload.objects.leaves().filter(integration=integration, replay=None)
    booked = live.aggregate(n=Coalesce(Sum(F("dead") + F("waiting")), 0))["n"]
    written = DeadLetter.objects.filter(
        integration=integration, upload__replay=None
    ).count()
    if booked != written:
        yield (
            f"Uploads booked {booked} dead or waiting records, but there are {written} "
            "dead letters."
        )


def _check_replays(integration: Integration) -> Iterator[str]:
    replaying = DeadLetter.objects.filter(
        integration=integration, state=DeadLetter.State.REPLAYING
    )
    family = Upload.objects.open().filter(
        Q(pk=OuterRef("replay_upload")) | Q(root=OuterRef("replay_upload"))
    )
    stranded = replaying.filter(~Exists(family)).count()
    if stranded:
        yield f"{stranded} dead letters are in a replay that has ended."


def _check_waiting(integration: Integration) -> Iterator[str]:
    rows = WaitingRecord.objects.filter(integration=integration)
    letters = DeadLetter.objects.filter(
        integration=integration, state=DeadLetter.State.WAITING
    )
    nobody = letters.filter(~Exists(rows.filter(letter=OuterRef("pk")))).count()
    if nobody:
        yield f"{nobody} dead letters wait, but for nobody."
    idle = rows.exclude(letter__state=DeadLetter.State.WAITING).count()
    if idle:
        yield f"{idle} waits belong to dead letters that do not wait."


def _check_pins(integration: Integration) -> Iterator[str]:
    pinned = Upload.objects.filter(integration=integration, identities__isnull=False)
    for pk, state, picks, identities in pinned.values_list(
        "pk", "state", "picks", "identities"
    ):
        if state != Upload.State.OPEN:
            yield f"Upload {pk} has ended, but still says under whom it goes out."
        elif {str(pick) for pick in picks or ()} != set(identities or ()):
            yield f"Upload {pk} does not say under whom each of its records goes out."


def _check_tallies(integration: Integration) -> Iterator[str]:
    leaves = Upload.objects.leaves().filter(
        integration=integration, pk__lte=integration.tallied_to
    )
    summed = leaves.aggregate(n=Coalesce(Sum("delivered"), 0))["n"]
    both = Coalesce(Sum(F("delivered") + F("replayed")), 0)
    tallied = Tally.objects.filter(integration=integration).aggregate(n=both)["n"]
    if summed != tallied:
        yield f"Uploads delivered {summed} records, their tallies say {tallied}."
