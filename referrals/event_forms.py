"""The form of an event by which an equal one is known. Pure.

Neither key order nor blanks nor the spelling of an instant differ in it, and a default of a
later release changes nothing.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from referrals.json_lines import encode_each
from referrals.schema import IncomingEvent

_encoder: Final = msgspec.json.Encoder(order="deterministic")


def make_forms(events: Sequence[IncomingEvent]) -> list[bytes]:
    """Return the form of each event, which is JSON, as long as any other without blanks."""
    return encode_each(_encoder, events)
