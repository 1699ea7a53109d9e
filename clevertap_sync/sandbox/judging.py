"""From the body of an upload to a verdict on each of its records."""

from collections import Counter
from typing import Any, NamedTuple

import msgspec

from clevertap_sync.sandbox.answers import MALFORMED, Answer, echo, entry, usual
from clevertap_sync.sandbox.desk import Desk
from clevertap_sync.sandbox.people import People
from clevertap_sync.sandbox.validation import check
from clevertap_sync.sandbox.verdicts import Refusal, wording

Record = dict[str, Any]


class Verdicts(NamedTuple):
    """What becomes of the records of one upload."""

    stored: list[Record]
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


def judge(records: list[object], desk: Desk, people: People) -> Verdicts | Answer:
    """Return a verdict on each record, or the answer to a request refused as a whole."""
    verdicts = Verdicts([], [], [], Counter())
    new_names: set[str] = set()
    for number, record in enumerate(records, 1):
        refusal = check(record, desk.rules)
        if refusal is None and isinstance(record, dict):
            outcome = _fate(record, desk, people, new_names)
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


def _file(record: Record, outcome: Refusal | str, verdicts: Verdicts) -> Refusal | None:
    if isinstance(outcome, Refusal):
        return outcome
    if outcome:
        verdicts.lost.append((record, outcome))
    else:
        verdicts.stored.append(record)
    return None


def _fate(
    record: Record, desk: Desk, people: People, new_names: set[str]
) -> Answer | Refusal | str:
    """Return what becomes of a valid record.

    That is an answer that refuses the whole request, a refusal of the record, the
    reason for which it is lost, or an empty text: it is stored.
    """
    poison = desk.poison_for(record)
    if poison is not None:
        if poison.code is not None:
            return Refusal(poison.code, "poison")
        return "dropped on order" if poison.drop else usual(poison.status)
    if record["type"] == "event" and not people.knows_event(record["evtName"]):
        new_names.add(record["evtName"])
        if people.event_types() + len(new_names) > desk.rules.event_types:
            new_names.discard(record["evtName"])
            return "Maximum event limit exceeded due to undefined events"
    return ""
