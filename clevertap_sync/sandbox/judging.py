"""From the body of an upload to a verdict on each of its records."""

from collections import Counter
from typing import Any, NamedTuple

import msgspec

from clevertap_sync.sandbox.answers import MALFORMED, Answer, echo, entry, usual
from clevertap_sync.sandbox.desk import Desk
from clevertap_sync.sandbox.event_types import Room
from clevertap_sync.sandbox.limits import normalised
from clevertap_sync.sandbox.people import People
from clevertap_sync.sandbox.schema import SchemaJudge
from clevertap_sync.sandbox.validation import check
from clevertap_sync.sandbox.verdicts import Refusal, wording

Record = dict[str, Any]


class Verdicts(NamedTuple):
    """What becomes of the records of one upload."""

    #: As they were received, and as the account keeps them: what its schema cuts is gone.
    stored: list[Record]
    kept: list[Record]
    #: Answered as processed and then dropped, each with the reason.
    lost: list[tuple[Record, str]]
    #: What `unprocessed` lists, in the order of the records.
    entries: list[dict[str, Any]]
    #: Why records were refused, for people, with how many there were.
    reasons: Counter[str]

    @property
    def processed(self) -> int:
        """Return how many records the answer counts as processed."""
        return len(self.stored) + len(self.lost)


def read(body: bytes, desk: Desk) -> list[object] | Answer:
    """Return the records in `body`, or what CleverTap answers to an unreadable one.

    Guess: more records than allowed are answered like an unreadable body.
    """
    try:
        decoded = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return MALFORMED
    records = decoded.get("d") if isinstance(decoded, dict) else None
    if not isinstance(records, list) or len(records) > desk.rules.records_per_request:
        return MALFORMED
    return records


def judge(
    records: list[object], desk: Desk, people: People, now: float
) -> Verdicts | Answer:
    """Return a verdict on each record, or the answer to a request refused as a whole."""
    verdicts = Verdicts([], [], [], [], Counter())
    account = _Account(desk, people, now)
    for number, record in enumerate(records, 1):
        refusal = check(record, desk.rules)
        if refusal is None and isinstance(record, dict):
            outcome = account.take(record)
            if isinstance(outcome, Answer):
                return outcome
            refusal = _file(record, outcome, verdicts)
        if refusal is not None:
            verdicts.reasons[f"{refusal.code}: {refusal.why}"] += 1
            verdicts.entries.append(_entry(refusal, number, record, desk))
    return verdicts


def _entry(refusal: Refusal, number: int, record: object, desk: Desk) -> dict[str, Any]:
    echoed = echo(record, mutated=desk.rules.mutated_echoes)
    return entry(refusal.code, wording(refusal.code, number), echoed)


def _file(
    record: Record, outcome: Refusal | str | Record, verdicts: Verdicts
) -> Refusal | None:
    if isinstance(outcome, Refusal):
        return outcome
    if isinstance(outcome, str):
        verdicts.lost.append((record, outcome))
    else:
        verdicts.stored.append(record)
        verdicts.kept.append(outcome)
    return None


class _Account:
    """What one account makes of the valid records of an upload."""

    def __init__(self, desk: Desk, people: People, now: float) -> None:
        self._desk = desk
        self._people = people
        self._schema = SchemaJudge(desk.rules.schema, now)
        self._room = Room(desk.rules, people)
        drops = desk.rules.discarded_records == "drop"
        self._discarded = frozenset(
            map(normalised, desk.rules.discarded_names if drops else ())
        )
        #: Whether any event of a known name is kept as it is.
        self._keeps_all = (
            self._schema.is_idle and not self._discarded and not desk.poison
        )

    def take(self, record: Record) -> Answer | Refusal | str | Record:
        """Return what becomes of a valid record.

        That is an answer that refuses the whole request, a refusal of the record, the
        reason for which it is dropped without a word, or the record as it is kept.
        """
        is_event = record["type"] == "event"
        if self._keeps_all and is_event and self._people.knows_event(record["evtName"]):
            return record
        poison = self._desk.poison_for(record)
        if poison is not None:
            if poison.code is not None:
                return Refusal(poison.code, "poison")
            return "dropped on order" if poison.drop else usual(poison.status)
        return self._take_event(record) if is_event else record

    def _take_event(self, record: Record) -> str | Record:
        name = record["evtName"]
        if self._discarded and normalised(name) in self._discarded:
            return "The event was discarded in the dashboard"
        kept = record
        if not self._schema.is_idle:
            kept, reason = self._schema.judge(record)
            if reason:
                return reason
        if not self._room.has_room(name):
            return "Maximum event limit exceeded due to undefined events"
        return kept
