"""What a finished run left behind, as plain values: in the database, and at CleverTap.

Read with the product's models, but judged without its code: that is the oracle's work.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from clevertap_sync import insight
from clevertap_sync.delivery.upkeep import tallies
from clevertap_sync.insight.delivered_counts import read_delivered
from clevertap_sync.models import (
    Attempt,
    DeadLetter,
    Integration,
    Upload,
    WaitingRecord,
)
from referrals.models import KnownIdentity, ReferralEvent
from tests.faults.expected import canonical

SIDES = ("referred", "generated")
#: (event name, quarter-hour of the `ts`) → records delivered, and maybe more, maybe fewer.
Counts = dict[tuple[str, int], tuple[int, int, int]]
#: Beyond every quarter-hour.
LAST_QUARTER = 10**10


@dataclass
class Stored:
    """One upload that CleverTap stored something of: a line of its ledger."""

    sha256: str
    records: list[str]
    #: CleverTap's clock.
    at: float = 0.0


@dataclass
class UploadRow:
    """An upload, as the product keeps it."""

    pk: int
    parent: int | None
    replay: int | None
    state: str
    first: int
    last: int
    picks: list[int] | None
    body_hash: str
    body_changed: bool
    records: int | None
    delivered: int
    dead: int
    unsent: int
    leased: bool
    waiting: int = 0


@dataclass
class AttemptRow:
    """One request for an upload, as the product keeps it."""

    upload: int | None
    ended: bool
    unknown: bool
    records: int


@dataclass
class LetterRow:
    """A dead letter. `position` is None where the record could not be told.

    `of_replay` says that it fell out of a replayed range, not out of the log's own upload.
    """

    position: int | None
    side: str
    reason: str
    state: str
    of_replay: bool = False


@dataclass
class WaitRow:
    """One identity that a record waits for. `known`: whether somebody has it by now."""

    position: int
    side: str
    known: bool
    fresh: bool


@dataclass
class Evidence:
    """One app's run with one integration, from what was sent to what arrived."""

    #: By id, every event that was sent, whether or not an answer came.
    sent: Mapping[str, Mapping[str, Any]]
    #: By id, the position that a 202 named.
    accepted: dict[str, int]
    #: Position and id, ascending.
    log: list[tuple[int, str]]
    stored: list[Stored]
    cursor: int
    tail: int
    leased: bool
    uploads: list[UploadRow]
    attempts: list[AttemptRow]
    letters: list[LetterRow]
    #: What `delivery_status` says.
    status: dict[str, Any] = field(default_factory=dict)
    waits: list[WaitRow] = field(default_factory=list)
    #: The keys of people that are known, in plain text.
    known: list[str] = field(default_factory=list)
    #: Identities that were erased, and when by CleverTap's clock that had ended.
    forgotten: Mapping[str, float] = field(default_factory=dict)
    #: What the product says that it delivered, before its uploads are tallied and after.
    #: Empty where it does not count.
    counts: tuple[Counts, ...] = ()


def gather(
    integration_id: int,
    *,
    sent: Mapping[str, Mapping[str, Any]],
    accepted: Mapping[str, int],
    stored: Sequence[Stored],
    forgotten: Mapping[str, float] | None = None,
) -> Evidence:
    """Read everything about one integration from the database that Django uses."""
    with insight.read_in_snapshot():
        integration = Integration.objects.select_related("app").get(pk=integration_id)
        events = ReferralEvent.objects.filter(app=integration.app_id)
        uploads = Upload.objects.filter(integration=integration).order_by("first", "pk")
        attempts = Attempt.objects.filter(integration=integration).order_by("pk")
        letters = DeadLetter.objects.select_related("upload").order_by("pk")
        found = Evidence(
            sent=sent,
            accepted=dict(accepted),
            log=list(events.order_by("position").values_list("position", "key")),
            stored=list(stored),
            cursor=integration.cursor,
            tail=integration.tail,
            leased=integration.probe_leased_until is not None,
            uploads=[_upload(row) for row in uploads],
            attempts=[_attempt(row) for row in attempts if not row.dry_run],
            letters=[_letter(row) for row in letters.filter(integration=integration)],
            status=insight.read_status(integration).as_json(),
            waits=[
                _wait(row)
                for row in WaitingRecord.objects.filter(integration=integration)
            ],
            known=list(
                KnownIdentity.objects.filter(app=integration.app_id)
                .exclude(value="")
                .values_list("value", flat=True)
            ),
            forgotten=dict(forgotten or {}),
            counts=(_counts(integration_id),) if integration.reconciles else (),
        )
    if found.counts:
        while tallies._tally_next_uploads(integration_id, worthwhile=1):
            pass
        found.counts += (_counts(integration_id),)
    return found


def _counts(integration_id: int) -> Counts:
    found = read_delivered([integration_id], 0, LAST_QUARTER)
    return {
        (name, quarter): (each.delivered, each.maybe_more, each.maybe_fewer)
        for name, quarters in found.items()
        for quarter, each in quarters.items()
    }


def _upload(row: Upload) -> UploadRow:
    return UploadRow(
        pk=row.pk,
        parent=row.parent_id,
        replay=row.replay_id,
        state=row.state,
        first=row.first,
        last=row.last,
        picks=row.picks,
        body_hash=row.body_hash,
        body_changed=row.body_changed,
        records=row.records,
        delivered=row.delivered,
        dead=row.dead,
        unsent=row.unsent,
        leased=row.leased_until is not None,
        waiting=row.waiting,
    )


def _attempt(row: Attempt) -> AttemptRow:
    ended = row.ended_at is not None
    return AttemptRow(row.upload_id, ended, row.outcome_unknown, row.records)


def _letter(row: DeadLetter) -> LetterRow:
    of_replay = row.upload.replay_id is not None
    return LetterRow(row.position, row.side, row.reason, row.state, of_replay)


def _wait(row: WaitingRecord) -> WaitRow:
    position, side = divmod(row.pick, 2)
    return WaitRow(position, SIDES[side], row.matched is not None, row.fresh)


class _Line(msgspec.Struct):
    at: float
    location: str
    sha256: str
    records: list[dict[str, Any]]


def ledger(path: Path, *, start: int = 0, location: str = "eu1") -> list[Stored]:
    """Return what the sandbox's ledger says from byte `start` on, of one location.

    A line that is being written is left to who reads next.
    """
    with path.open("rb") as file:
        file.seek(start)
        whole = [line for line in file if line.endswith(b"\n")]
    lines: Iterable[_Line] = [msgspec.json.decode(x, type=_Line) for x in whole]
    return [
        Stored(line.sha256, [canonical(record) for record in line.records], line.at)
        for line in lines
        if line.location == location
    ]
