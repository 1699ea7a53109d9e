"""Why the settings keep a record back, for people.

Pure. It runs the mapping itself, with one setting as it is and all others open, so that
the explanation always agrees with delivery.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from clevertap_sync.clevertap.mapping import KeptBack, MappingSettings, map_event
from referrals.schema import Event
from referrals.vocabulary import Side


class KeepingSetting(NamedTuple):
    """A setting that keeps the record back, and how to have the record sent anyway."""

    setting: str
    meaning: str
    remedy: str


#: Each setting that can keep a record back, with the value that never does.
_OPEN: Final[dict[str, Any]] = {
    "event_kinds": "both",
    "send_suspicious": True,
    "send_rejected": True,
    "not_sent": (),
    "since": None,
}
_WORDS: Final = {
    "event_kinds": (
        "The integration takes events of the other kind: production or test.",
        "Let it take both kinds, under What to send.",
    ),
    "send_suspicious": (
        "The event is suspected of fraud, and the settings keep suspicious events back.",
        "Let it send suspicious events, under What to send.",
    ),
    "send_rejected": (
        "The event is rejected as fraud, and the settings keep rejected events back.",
        "Let it send rejected events, under What to send.",
    ),
    "not_sent": (
        "This event is switched off for this side.",
        "Tick it under Events to send.",
    ),
    "since": (
        "The event happened before the date from which the integration delivers.",
        "Enable the integration from an earlier date before such events arrive.",
    ),
}


def find_keeping_settings(
    event: Event, side: Side, settings: MappingSettings
) -> Iterator[KeepingSetting]:
    """Yield each setting that alone would keep the side's record back."""
    for setting, words in _WORDS.items():
        others = {name: value for name, value in _OPEN.items() if name != setting}
        alone = msgspec.structs.replace(settings, **others)
        made = {value.side: value for value in map_event(event, alone)}
        if isinstance(made.get(side), KeptBack):
            yield KeepingSetting(setting, *words)
