"""The sandbox's command line, shared by `python -m` and `manage.py`."""

import argparse
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from clevertap_sync.sandbox.sandbox import Sandbox

DEFAULT_PORT = 9100
KEPT_RECORDS = 20_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help="0 takes a free port."
    )
    parser.add_argument(
        "--location",
        choices=[each.value for each in Location],
        default=Location.EU1.value,
        help="The location of addresses that name none (default: eu1).",
    )
    parser.add_argument(
        "--ledger",
        type=Path,
        help="A file that gets one JSON line for each upload, before it is answered.",
    )
    parser.add_argument(
        "--keep",
        type=int,
        default=KEPT_RECORDS,
        help="How many records to keep for the page (counts are complete).",
    )


def run(
    *,
    port: int,
    location: str,
    ledger: Path | None,
    keep: int,
    write: Callable[[str], object],
) -> None:
    """Serve until SIGINT or SIGTERM. Raises OSError where the port is taken."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with Sandbox(
        port=port, location=Location(location), ledger=ledger, keep=keep
    ) as sandbox:
        write(greeting(sandbox))
        stop.wait()


def greeting(sandbox: Sandbox) -> str:
    """Return what a person needs to use the sandbox."""
    accounts = "\n".join(
        f"  {location.value:<9} {account.account_id:<14} {account.passcode}"
        for location, account in ACCOUNTS.items()
    )
    return (
        f"The CleverTap sandbox listens on {sandbox.url}\n"
        f"What arrives is shown on {sandbox.url}/_sandbox/\n\n"
        "Accounts (these passcodes are valid here only):\n"
        f"  {'location':<9} {'account ID':<14} passcode\n{accounts}\n\n"
        "Point the product at it with\n"
        f"  CLEVERTAP_BASE_URL={sandbox.template}\n\n"
        "Ctrl-C stops it."
    )
