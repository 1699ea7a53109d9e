"""The request that asks CleverTap once more, for a person to run. Pure."""

import shlex
from datetime import date

from clevertap_sync.clevertap.causes.repeat import spell_query
from clevertap_sync.clevertap.locations import Location, find_base_url
from clevertap_sync.models import Account

#: What stands for the passcode, which no page shows.
NO_PASSCODE = "YOUR-PASSCODE"


def write_query(account: Account, name: str, day: date) -> str:
    """Return a line for a shell that asks how many of `name` the account counts on `day`.

    Reference: https://developer.clevertap.com/docs/get-event-count-api
    """
    base = find_base_url(Location(account.location))
    return " \\\n  ".join(
        (
            f"curl -sS {base}/1/counts/events.json",
            f"-H {shlex.quote(f'X-CleverTap-Account-Id: {account.account_id}')}",
            f"-H 'X-CleverTap-Passcode: {NO_PASSCODE}'",
            "-H 'Content-Type: application/json; charset=utf-8'",
            f"-d {shlex.quote(spell_query(name, day))}",
        )
    )
