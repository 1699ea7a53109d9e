"""Misplaced events: test events for a production account, production events for a test account.

Said before they go, wherever a person decides about it. That they do go is a finding.
"""

from typing import Final, NamedTuple

from clevertap_sync.models import EventKinds, Integration

_TESTS: Final = "the reports and campaigns of real users take them for real"
_PRODUCTION: Final = "nothing of them reaches your production account"


class Misplaced(NamedTuple):
    """What an integration would send to an account of the other kind."""

    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}"


def find_misplaced(integration: Integration) -> Misplaced | None:
    """Return what the settings send where it does not belong, or None. Reads no event."""
    account, kinds = integration.account, integration.event_kinds
    if account.is_test and kinds != EventKinds.TEST:
        return Misplaced(
            f"Production events go to {account.account_id}, a test account of "
            f"CleverTap's: {_PRODUCTION}.",
            "Enter the production account's ID and passcode, or send test events alone.",
        )
    if not account.is_test and kinds != EventKinds.PRODUCTION:
        return Misplaced(
            f"Test events go to {account.account_id}, a production account: {_TESTS}.",
            "Send production events alone, and connect the test account, whose ID begins "
            "with TEST-, as an integration of its own.",
        )
    return None
