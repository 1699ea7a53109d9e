"""What a comparison ends early with, besides the codes of `clevertap.errors` and `reader`."""

from typing import Final

NOT_SWITCHED_ON: Final = "not_switched_on"
NOTHING_TO_COMPARE: Final = "nothing_to_compare"
#: CleverTap was busy, or another process read the account, for hours.
NO_TURN: Final = "no_turn"
OVER_BUDGET: Final = "over_budget"
#: It was still open when the next night came.
NEXT_NIGHT: Final = "next_night"
#: A fault of ours.
INTERNAL_ERROR: Final = "internal_error"
