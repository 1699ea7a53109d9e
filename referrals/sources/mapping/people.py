"""The two people of an event, as a mapping finds them in a call. Pure."""

from typing import Any, Final

import msgspec

from referrals import fraud_signals, rules
from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.sources.mapping.program import PersonProgram, ReferrerProgram
from referrals.sources.mapping.reader import Reader
from referrals.sources.mapping.rules import Choices
from referrals.sources.mapping.words import is_nothing, write_text

_HANDLE: Final = "handle"


class Found(msgspec.Struct, frozen=True, gc=False):
    """One person, as the event has it; `is_named` says that it has an identity."""

    fields: dict[str, Any]
    is_named: bool


def read_person(
    program: PersonProgram,
    reader: Reader,
    choices: Choices,
    referrer: ReferrerProgram | None = None,
) -> Found:
    """Return who stands on the program's side. Raises `BrokenRuleError`.

    An identity that the call names by itself wins over the platform's user ID under the
    provider that the source has chosen for those. `referrer` is where that ID is looked
    for, in place of the program's own.
    """
    if referrer is None:
        user_id = program.id(reader)
    else:
        user_id = _find_referrer(reader, referrer, choices)
    identities = _read_identities(program, reader, choices.identity, user_id)
    fields: dict[str, Any] = {"identities": identities} if identities else {}
    ip = program.ip(reader)
    if ip is not None:
        fields["ip"] = ip
    for name, read in program.devices:
        signal = read(reader)
        # All zeros is what everybody sends who limits tracking.
        if signal is not None and fraud_signals.normalise_device(signal):
            fields[name] = signal
    return Found(fields, bool(identities))


def _read_identities(
    program: PersonProgram, reader: Reader, provider_of_ids: str, user_id: object
) -> dict[str, str]:
    found: dict[str, str] = {}
    side = program.side
    _put(found, side, provider_of_ids, user_id)
    several = program.identities(reader)
    # Whatever else stands there is no identities: a referrer may be an address.
    if isinstance(several, dict):
        reader.work.charge(len(several))
        for provider, value in several.items():
            _put(found, side, provider.lower(), value)
    for provider, read in program.single:
        _put(found, side, provider, read(reader))
    for provider, read_signal in program.handles:
        device = fraud_signals.normalise_device(read_signal(reader) or "")
        if device is not None:
            found[provider] = reader.keyed_hash.hash_texts(_HANDLE, [device])
    # The case of a provider does not count: an identity that the call names wins here, too.
    folded = provider_of_ids.casefold()
    if any(each != provider_of_ids and each.casefold() == folded for each in found):
        found.pop(provider_of_ids, None)
    return found


def _find_referrer(reader: Reader, where: ReferrerProgram, choices: Choices) -> object:
    """Return the first value that one of the keys has in one of the places."""
    places = [place for read in where.places if isinstance(place := read(reader), dict)]
    if not places:
        return None
    for key in choices.referrer_keys or where.keys:
        for place in places:
            value = reader.read_path(key, place)
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
