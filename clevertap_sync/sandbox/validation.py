"""What CleverTap says to one record: nothing, or the first check that it fails.

Pure. The checks and their codes are CleverTap's; their order is a guess.
Reference: https://developer.clevertap.com/docs/api-errors
"""

import re
from collections.abc import Mapping
from typing import Any

from clevertap_sync.sandbox import limits, verdicts
from clevertap_sync.sandbox.profiles import check_profile
from clevertap_sync.sandbox.properties import check_properties
from clevertap_sync.sandbox.rules import Rules
from clevertap_sync.sandbox.verdicts import Refusal

_TYPES = frozenset({"event", "profile", "token"})
# Reference: https://developer.clevertap.com/docs/android-custom-clevertap-id
_OBJECT_ID = re.compile(r"[A-Za-z0-9()!:@$_-]{1,67}")


def check(record: object, rules: Rules) -> Refusal | None:
    """Return why `record` is refused, or None if it is fine."""
    if not isinstance(record, dict) or record.get("type") not in _TYPES:
        return Refusal(verdicts.NO_TYPE, "type is not event, profile or token")
    refusal = _identity(record, rules)
    if refusal is not None:
        return refusal
    if record["type"] == "event":
        return _event(record, rules)
    return _timestamp(record, rules) or check_profile(record)


def identity_of(record: Mapping[str, Any]) -> tuple[str, str]:
    """Return the kind and the text of the identity of a record that was accepted."""
    for kind in limits.IDENTITY_KEYS:
        if kind in record:
            return kind, str(record[kind])
    msg = "The record has no identity: it cannot have been accepted."
    raise ValueError(msg)


def _identity(record: Mapping[str, Any], rules: Rules) -> Refusal | None:
    kinds = [kind for kind in limits.IDENTITY_KEYS if kind in record]
    if not kinds:
        return Refusal(verdicts.NO_IDENTITY, "no identity")
    if len(kinds) > 1 and rules.several_identities == "refuse":
        return Refusal(verdicts.NO_IDENTITY, "more than one identity")
    return _identity_value(kinds[0], record[kinds[0]], rules)


def _identity_value(kind: str, value: object, rules: Rules) -> Refusal | None:
    text = str(value) if type(value) is int else value
    if not isinstance(text, str):
        return Refusal(verdicts.NO_IDENTITY, f"{kind} is not a text")
    if text.strip().casefold() in limits.DISALLOWED_IDENTITIES:
        return Refusal(verdicts.NO_IDENTITY, f"{kind} is a placeholder")
    if len(text) > rules.identity_characters:
        return Refusal(verdicts.NO_IDENTITY, f"{kind} is too long")
    if kind == "objectId" and not _OBJECT_ID.fullmatch(text):
        return Refusal(verdicts.OBJECT_ID, "objectId has a wrong form")
    return None


def _event(record: Mapping[str, Any], rules: Rules) -> Refusal | None:
    name = record.get("evtName")
    if not isinstance(name, str) or not name.strip():
        return Refusal(verdicts.NO_NAME, "evtName is missing")
    data = record.get("evtData")
    if not isinstance(data, dict):
        return Refusal(verdicts.STRUCTURE, "evtData is not an object")
    return (
        _name(name, rules)
        or _timestamp(record, rules)
        or check_properties(name, data, rules)
        or _discarded(name, rules)
    )


def _name(name: str, rules: Rules) -> Refusal | None:
    if rules.long_names == "refuse" and len(name) > rules.name_characters:
        return Refusal(verdicts.STRUCTURE, "evtName is too long")
    plain = limits.PROHIBITED_CHARACTERS.isdisjoint(name)
    if not plain and rules.prohibited_characters == "refuse":
        return Refusal(verdicts.STRUCTURE, "evtName has a prohibited character")
    compared = limits.normalised(name)
    if compared in limits.RESTRICTED_NAMES:
        return Refusal(verdicts.RESTRICTED, "evtName is restricted")
    if rules.system_names == "refuse" and compared in limits.SYSTEM_NAMES:
        return Refusal(verdicts.RESTRICTED, "evtName is a system event")
    return None


def _timestamp(record: Mapping[str, Any], rules: Rules) -> Refusal | None:
    if "ts" not in record:
        return None
    ts = record["ts"]
    if type(ts) is not int or ts <= 0:
        return Refusal(verdicts.TIMESTAMP, "ts is not a whole second after 1970")
    if ts > limits.LATEST_SECOND and rules.milliseconds == "refuse":
        return Refusal(verdicts.TIMESTAMP, "ts looks like milliseconds")
    return None


def _discarded(name: str, rules: Rules) -> Refusal | None:
    if not rules.discarded_names or rules.discarded_records == "drop":
        return None
    discarded = {limits.normalised(each) for each in rules.discarded_names}
    if limits.normalised(name) in discarded:
        return Refusal(verdicts.DISCARDED, "evtName was discarded in the dashboard")
    return None
