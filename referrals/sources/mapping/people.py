"""The two people of an event, as a mapping finds them in a call. Pure."""

from typing import Any, Final

import msgspec

from referrals import rules, traces
from referrals.refusals import Code
from referrals.rules import RefusedError
from referrals.sources.mapping.evaluate import Reader
from referrals.sources.mapping.rules import Choices, Mapping, ReferrerKeys
from referrals.sources.mapping.words import is_nothing, write_text

USER: Final = "user"
REFERRER: Final = "referrer"
_DEVICES: Final = ("device_id", "advertising_id")
_ID: Final = "{}.id"
_ALL: Final = "{}.identities"
_ONE: Final = "{}.identities."
_HANDLE: Final = "{}.handles."


class Found(msgspec.Struct, frozen=True):
    """One person, as the event has it; `is_named` says that it has an identity."""

    fields: dict[str, Any]
    is_named: bool


def read_person(side: str, reader: Reader, mapping: Mapping, choices: Choices) -> Found:
    """Return who stands on `side`, `user` or `referrer`. Raises `RefusedError`.

    An identity that the call names by itself wins over the platform's user ID under the
    provider that the source has chosen for those.
    """
    identities = _read_identities(side, reader, mapping, choices)
    fields: dict[str, Any] = {"identities": identities} if identities else {}
    ip = reader.read_text(mapping.event.get(f"{side}.ip"))
    if ip is not None:
        fields["ip"] = ip
    for name in _DEVICES:
        signal = reader.read_text(mapping.event.get(f"{side}.{name}"))
        # All zeros is what everybody sends who limits tracking.
        if signal is not None and traces.normalise_device(signal):
            fields[name] = signal
    return Found(fields, bool(identities))


def _read_identities(
    side: str, reader: Reader, mapping: Mapping, choices: Choices
) -> dict[str, str]:
    found: dict[str, str] = {}
    _put(found, side, choices.identity, _read_id(side, reader, mapping, choices))
    several = reader.read(mapping.event.get(_ALL.format(side)))
    # Whatever else stands there is no identities: a referrer may be an address.
    if isinstance(several, dict):
        reader.work.charge(len(several))
        for provider, value in several.items():
            _put(found, side, provider.lower(), value)
    one, handle = _ONE.format(side), _HANDLE.format(side)
    for target, rule in mapping.event.items():
        if target.startswith(one):
            _put(found, side, target.removeprefix(one), reader.read(rule))
        elif target.startswith(handle):
            device = traces.normalise_device(reader.read_text(rule) or "")
            if device is not None:
                hashed = reader.keyed_hash.hash_texts("handle", [device])
                found[target.removeprefix(handle)] = hashed
    return found


def _read_id(side: str, reader: Reader, mapping: Mapping, choices: Choices) -> object:
    if side == REFERRER and mapping.referrer is not None:
        return _find_referrer(reader, mapping.referrer, choices)
    return reader.read(mapping.event.get(_ID.format(side)))


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
        raise RefusedError(
            code=Code.BAD_IDENTITY,
            at=rules.extend_pointer(f"/{side}/identities", provider),
            detail=f"What should be an identity of the {side} is no text: the call has a "
            "list, an object or a flag there, or the same parameter with several values.",
        )
    found[provider] = text
