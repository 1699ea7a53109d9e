"""The books: check that no record is missing and none is counted twice.

Range uploads tile the log from the tail to the cursor. The parts of a split upload cover its
records. Each record of a settled upload is delivered, a dead letter, or waits for a person,
and each record that an upload booked as dead or waiting has a dead letter. Replays are booked
apart. What waits says whom for, and what is sent under pins has one for each record.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from clevertap_sync.insight import book_sums
from clevertap_sync.insight.book_sums import BookSums, list_uploads, read_book_sums
from clevertap_sync.insight.integration_query import ask_about
from clevertap_sync.models import Integration, Upload

# How many uploads a check for a page reads.
_NEWEST = 200


class Ledger(NamedTuple):
    """An integration, its log's head, and what its books are checked by."""

    integration: Integration
    head: int
    sums: BookSums


def find_imbalances(
    integrations: Sequence[Integration], heads: Sequence[int]
) -> list[list[str]]:
    """Return, for each integration, a sentence for each book that does not balance.

    Three statements, and more only where something is wrong, or is sent under pins.
    """
    sums = read_book_sums([each.pk for each in integrations])
    return [
        _check_all(Ledger(each, head, sums[each.pk]))
        for each, head in zip(integrations, heads, strict=True)
    ]


def _check_all(ledger: Ledger) -> list[str]:
    return [
        *_check_cursor(ledger.integration, ledger.head),
        *_check_ranges(ledger),
        *_check_parts(ledger),
        *_check_leaves(ledger),
        *_check_letters(ledger),
        *_check_replays(ledger),
        *_check_waiting(ledger),
        *_check_pins(ledger),
        *_check_tallies(ledger),
    ]


def find_recent_imbalances(
    integrations: Sequence[Integration], heads: Sequence[int]
) -> list[list[str]]:
    """Check the newest uploads alone, for pages that are read often. Returns sentences."""
    return [
        [
            *_check_cursor(each, head),
            *_check_newest_ranges(each),
            *_check_newest_leaves(each),
        ]
        for each, head in zip(integrations, heads, strict=True)
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


def _check_ranges(ledger: Ledger) -> Iterator[str]:
    if ledger.sums.ranges.untiled:
        for row in book_sums.list_untiled_ranges(ledger.integration.pk):
            yield _describe_gap(*row)
    yield from _check_reach(ledger.integration, ledger.sums.ranges.reached)


def _check_reach(integration: Integration, last: int | None) -> Iterator[str]:
    reached = integration.tail if last is None else last
    if reached != integration.cursor:
        yield f"Uploads reach to {reached}, the cursor to {integration.cursor}."


def _describe_gap(pk: int, first: int, last_before: int) -> str:
    return f"Upload {pk} begins at {first}, but {last_before} came before it."


def _check_newest_ranges(integration: Integration) -> Iterator[str]:
    rows = ask_about([integration.pk], _NEWEST_RANGES)
    yield from _check_neighbours(integration, [UploadRange(*row) for row in rows])


_NEWEST_RANGES = f"""
    SELECT id, first, last, state FROM clevertap_sync_upload
    WHERE integration_id IN ({{ids}}) AND parent_id IS NULL AND replay_id IS NULL
    ORDER BY first DESC LIMIT {_NEWEST}
"""  # noqa: S608 - our own number


def _check_neighbours(
    integration: Integration, newest: Sequence[UploadRange]
) -> Iterator[str]:
    for later, earlier in pairwise(newest):
        if later.first != earlier.last + 1:
            yield _describe_gap(later.pk, later.first, earlier.last)
    yield from _check_reach(integration, newest[0].last if newest else None)


def _check_newest_leaves(integration: Integration) -> Iterator[str]:
    for state, *sums in ask_about([integration.pk], _NEWEST_SUMS):
        _, records, *outcomes = sums
        if state == Upload.State.SETTLED and records != sum(outcomes):
            yield _describe_sums(*sums)


_NEWEST_SUMS = f"""
    SELECT state, id, records, delivered, dead, waiting FROM clevertap_sync_upload
    WHERE integration_id IN ({{ids}}) ORDER BY id DESC LIMIT {_NEWEST}
"""  # noqa: S608 - our own number


def _check_parts(ledger: Ledger) -> Iterator[str]:
    key = ledger.integration.pk
    if ledger.sums.uploads.without_parts:
        for (pk,) in list_uploads(key, book_sums.HAS_NO_PARTS, "u.id"):
            yield f"Upload {pk} was split, but has no parts."
    if ledger.sums.uploads.with_other_parts:
        columns = f"u.id, u.records, {book_sums.COVERED_BY_PARTS}"
        for pk, records, n in list_uploads(key, book_sums.HAS_OTHER_PARTS, columns):
            yield f"Upload {pk} has {records} records, its parts cover {n}."


def _check_leaves(ledger: Ledger) -> Iterator[str]:
    key = ledger.integration.pk
    if ledger.sums.uploads.with_wrong_sums:
        columns = "u.id, u.records, u.delivered, u.dead, u.waiting"
        for row in list_uploads(key, book_sums.HAS_WRONG_SUMS, columns):
            yield _describe_sums(*row)
    if ledger.sums.uploads.covering_others:
        columns = "u.id, u.covers, u.records"
        for pk, covers, records in list_uploads(key, book_sums.COVERS_OTHERS, columns):
            yield f"Part {pk} covers {covers} records, but has {records}."


def _describe_sums(
    pk: int, records: int | None, delivered: int, dead: int, waiting: int
) -> str:
    return (
        f"Upload {pk} has {records} records, of which {delivered} were delivered, {dead} "
        f"are dead letters and {waiting} wait."
    )


def _check_letters(ledger: Ledger) -> Iterator[str]:
    booked, written = ledger.sums.uploads.booked, ledger.sums.written
    if booked != written:
        yield (
            f"Uploads booked {booked} dead or waiting records, but there are {written} "
            "dead letters."
        )


def _check_replays(ledger: Ledger) -> Iterator[str]:
    if ledger.sums.stranded:
        yield f"{ledger.sums.stranded} dead letters are in a replay that has ended."


def _check_waiting(ledger: Ledger) -> Iterator[str]:
    if ledger.sums.without_wait:
        yield f"{ledger.sums.without_wait} dead letters wait, but for nobody."
    if ledger.sums.idle_waits:
        yield f"{ledger.sums.idle_waits} waits belong to dead letters that do not wait."


def _check_pins(ledger: Ledger) -> Iterator[str]:
    if not ledger.sums.uploads.pinned:
        return
    pinned = Upload.objects.filter(
        integration=ledger.integration, identities__isnull=False
    )
    for pk, state, picks, identities in pinned.values_list(
        "pk", "state", "picks", "identities"
    ):
        if state != Upload.State.OPEN:
            yield f"Upload {pk} has ended, but still says under whom it goes out."
        elif {str(pick) for pick in picks or ()} != set(identities or ()):
            yield f"Upload {pk} does not say under whom each of its records goes out."


def _check_tallies(ledger: Ledger) -> Iterator[str]:
    summed, tallied = ledger.sums.uploads.delivered_to_tallies, ledger.sums.tallied
    if summed != tallied:
        yield f"Uploads delivered {summed} records, their tallies say {tallied}."
