"""What CleverTap has to get for the events that the fault tests send.

Written down once more, apart from the product's own mapping: one mistake is then not
made twice, where neither finds the other.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

#: The events' only key, by which CleverTap knows people, and what comes before sign-up.
KEY: Final = "email"
LOOSE: Final = "anonymous_id"
TITLES: Final = {"app_install": "App Install", "link_click": "Link Click"}


@dataclass(frozen=True)
class Expected:
    """One side of an event: the records that CleverTap may have got of it.

    It gets one of them, unless the side ends as a dead letter. That may wait for its person
    only where `may_wait` is set, and have waited in vain only where `may_expire` is.
    """

    position: int
    side: str
    #: The identity that stands on it.
    carries: str
    #: By identity, the record under it.
    records: Mapping[str, str]
    may_wait: bool = False
    may_expire: bool = False


@dataclass
class WhoIsWho:
    """Who has claimed each loose ID, in the order of the log.

    `forgotten` are identities that were erased. What they claimed may be known, or not.
    """

    forgotten: Collection[str] = ()
    #: Loose ID → (position, key) of each first claim.
    claims: defaultdict[str, list[tuple[int, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def learn(self, position: int, event: Mapping[str, Any]) -> None:
        """Learn from the next event of the log, as it was sent."""
        for _, who in _sides_of(event):
            known = (who or {}).get("identities", {})
            key, loose = known.get(KEY), known.get(LOOSE)
            if key and loose and key not in {each for _, each in self.claims[loose]}:
                self.claims[loose].append((position, key))

    def expect(
        self, position: int, side: str, who: Mapping[str, Any], record: dict[str, Any]
    ) -> Expected:
        """Return what is expected of a record that is whole but for its identity."""
        known = who["identities"]
        if KEY in known:
            key = known[KEY]
            return Expected(position, side, key, _under([key], record))
        loose = known[LOOSE]
        claims = self.claims[loose]
        sure = [claim for claim in claims if claim[1] not in self.forgotten]
        is_forgotten = loose in self.forgotten
        possible = [claims, [] if is_forgotten else sure]
        names = {
            found[0][1]
            for found in possible
            # Shared before it came, the ID names nobody.
            if found and not (found[1:] and found[1][0] < position)
        }
        return Expected(
            position,
            side,
            loose,
            _under(sorted(names), record),
            may_wait=is_forgotten or not sure,
            may_expire=len(claims) > 1,
        )


def expected_of(
    log: Sequence[tuple[int, Mapping[str, Any]]], forgotten: Collection[str] = ()
) -> list[Expected]:
    """Return what is expected of each side of the log's events, as they were sent."""
    people = WhoIsWho(forgotten)
    for position, event in log:
        people.learn(position, event)
    found = []
    for position, event in log:
        for side, who, record in _records_of(event):
            each = people.expect(position, side, who, record)
            if "Content" in record["evtData"] and _names(event, forgotten):
                each = _add_form(each, _strip(record))
            found.append(each)
    return found


def _names(event: Mapping[str, Any], people: Collection[str]) -> bool:
    """Return whether an event names one of these people."""
    sides = [who or {} for _, who in _sides_of(event)]
    return any(x in people for who in sides for x in who.get("identities", {}).values())


def _strip(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record as it is sent where its event was erased before: for the other side."""
    told = {name: record["evtData"][name] for name in ("Channel", "Status")}
    return {**record, "evtData": told}


def _add_form(each: Expected, form: Mapping[str, Any]) -> Expected:
    forms = {
        f"{name}, erased beside": canonical({**form, "identity": name})
        for name in each.records
    }
    return replace(each, records={**each.records, **forms})


def records_of(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (side, record as canonical JSON) for each record of an event as it was sent.

    Of an event whose sides carry the key.
    """
    for side, who, record in _records_of(event):
        yield side, canonical({**record, "identity": who["identities"][KEY]})


def _records_of(
    event: Mapping[str, Any],
) -> Iterator[tuple[str, Mapping[str, Any], dict[str, Any]]]:
    """Yield (side, who it is about, record without an identity) for each record."""
    if event["type"] == "identify":
        return
    title = TITLES.get(event["type"]) or event["name"]
    occurred_at = datetime.fromisoformat(event["occurred_at"])
    for side, who in _sides_of(event):
        if who is None:
            continue
        record = {
            "ts": int(occurred_at.timestamp()),
            "type": "event",
            "evtName": f"{side.title()} {title}",
            "evtData": _properties(event),
        }
        yield side, who, record


def _sides_of(event: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return ("referred", event.get("user")), ("generated", event.get("referrer"))


def _under(names: Sequence[str], record: dict[str, Any]) -> dict[str, str]:
    return {name: canonical({**record, "identity": name}) for name in names}


def canonical(record: object) -> str:
    """Return a record so that equal ones are equal texts, and different ones never."""
    return json.dumps(record, sort_keys=True)


def _properties(event: Mapping[str, Any]) -> dict[str, Any]:
    if event["type"] == "custom":
        data = event["event_data"]
        return {f"Event Data {key}": value for key, value in data.items()}
    return {
        "Channel": event["channel"],
        "Content": event["content"],
        "Status": event.get("status", "valid"),
    }
