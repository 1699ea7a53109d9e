"""What can become of an item of a call. Pure."""

from typing import Any

import msgspec

from referrals.schema import EventProblem
from referrals.sources.mapping.rules import Reason


class Ignored(msgspec.Struct, frozen=True):
    """An item that is no event of ours, and why.

    `kind` is what the platform calls it, in at most 255 characters, or "".
    """

    reason: Reason
    kind: str = ""


Outcome = dict[str, Any] | Ignored | EventProblem
