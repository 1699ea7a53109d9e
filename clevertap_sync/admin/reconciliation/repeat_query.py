"""The request that asks CleverTap once more, for a person to run. Pure."""

import shlex
from datetime import date

from clevertap_sync.clevertap.causes.repeat import spell_query

#: What stands for the passcode, which no page shows.
NO_PASSCODE = "YOUR-PASSCODE"


def write_query(base_url: str, account_id: str, name: str, day: date) -> str:
    """Return a line for a shell that asks how many of `name` the account counts on `day`.

    `base_url` is that of the account's location.

    Reference: https://developer.clevertap.com/docs/get-event-count-api
    """
    return " \\\n  ".join(
        (
            f"curl -sS {base_url}/1/counts/events.json",
            f"-H {shlex.quote(f'X-CleverTap-Account-Id: {account_id}')}",
            f"-H 'X-CleverTap-Passcode: {NO_PASSCODE}'",
            "-H 'Content-Type: application/json; charset=utf-8'",
            f"-d {shlex.quote(spell_query(name, day))}",
        )
    )
