"""The two people of an event, as a mapping finds them in a call. Pure."""

from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from referrals import fraud_signals, rules
from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.sources.mapping.evaluate import Reader
from referrals.sources.mapping.rules import Choices, Mapping, ReferrerKeys
from referrals.sources.mapping.words import is_nothing, write_text

USER: Final = "user"
REFERRER: Final = "referrer"
_DEVICES: Final = ("device_id", "advertising_id")


class _Targets(NamedTuple):
    """Which of a mapping's targets belong to one side, each with the name that it fills."""

    id: str
    ip: str
    devices: tuple[tuple[str, str], ...]
    identities: str
    single: tuple[tuple[str, str], ...]
    handles: tuple[tuple[str, str], ...]


class Found(msgspec.Struct, frozen=True):
    """One person, as the event has it; `is_named` says that it has an identity."""

    fields: dict[str, Any]
    is_named: bool


def read_person(side: str, reader: Reader, mapping: Mapping, choices: Choices) -> Found:
    """Return who stands on `side`, `user` or `referrer`. Raises `BrokenRuleError`.

    An identity that the call names by itself wins over the platform's user ID under the
    provider that the source has chosen for those.
    """
    targets = _sort_targets(side, tuple(mapping.event))
    identities = _read_identities(side, targets, reader, mapping, choices)
    fields: dict[str, Any] = {"identities": identities} if identities else {}
    ip = reader.read_text(mapping.event.get(targets.ip))
    if ip is not None:
        fields["ip"] = ip
    for target, name in targets.devices:
        signal = reader.read_text(mapping.event[target])
        # All zeros is what everybody sends who limits tracking.
        if signal is not None and fraud_signals.normalise_device(signal):
            fields[name] = signal
    return Found(fields, bool(identities))


# A mapping is read for every call, and its targets are always the same.
@lru_cache(maxsize=256)
def _sort_targets(side: str, targets: tuple[str, ...]) -> _Targets:
    def below(prefix: str) -> tuple[tuple[str, str], ...]:
        return tuple(
            (target, target.removeprefix(prefix))
            for target in targets
            if target.startswith(prefix)
        )

    return _Targets(
        id=f"{side}.id",
        ip=f"{side}.ip",
        devices=tuple(pair for pair in below(f"{side}.") if pair[1] in _DEVICES),
        identities=f"{side}.identities",
        single=below(f"{side}.identities."),
        handles=below(f"{side}.handles."),
    )


def _read_identities(
    side: str, targets: _Targets, reader: Reader, mapping: Mapping, choices: Choices
) -> dict[str, str]:
    found: dict[str, str] = {}
    if side == REFERRER and mapping.referrer is not None:
        user_id = _find_referrer(reader, mapping.referrer, choices)
    else:
        user_id = reader.read(mapping.event.get(targets.id))
    _put(found, side, choices.identity, user_id)
    several = reader.read(mapping.event.get(targets.identities))
    # Whatever else stands there is no identities: a referrer may be an address.
    if isinstance(several, dict):
        reader.work.charge(len(several))
        for provider, value in several.items():
            _put(found, side, provider.lower(), value)
    for target, provider in targets.single:
        _put(found, side, provider, reader.read(mapping.event[target]))
    for target, provider in targets.handles:
        signal = reader.read_text(mapping.event[target])
        device = fraud_signals.normalise_device(signal or "")
        if device is not None:
            found[provider] = reader.keyed_hash.hash_texts("handle", [device])
    return found


def _find_referrer(reader: Reader, where: ReferrerKeys, choices: Choices) -> object:
    """Return the first value that one of the keys has in one of the places."""
    places = [reader.read(place) for place in where.places]
    for key in choices.referrer_keys or where.keys:
        for place in places:
            if not isinstance(place, dict):
                continue
            value = reader.read_path(key, within=place)
            if value is not None and not isinstance(value, dict | bool):
                return value
    return None


def _put(found: dict[str, str], side: str, provider: str, value: object) -> None:
    if is_nothing(value):
        return
    text = None if isinstance(value, bool) else write_text(value)
    if text is None or not provider:
        raise BrokenRuleError(
            code=Code.BAD_IDENTITY,
            at=rules.extend_pointer(f"/{side}/identities", provider),
            detail=f"What should be an identity of the {side} is no text: the call has a "
            "list, an object or a flag there, or the same parameter with several values.",
        )
    found[provider] = text
