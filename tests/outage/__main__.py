"""`make outage`: what it costs each platform's events that PostgreSQL is away.

Prints, for each, how many events it had, what it was answered, how many are in the log, and
how many twice: `make outage ARGS="--minutes 30"`.
"""

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.harness import databases
from tests.harness.postgres import PostgreSQL
from tests.harness.stack import Stack
from tests.outage.senders import BEHAVIOURS, SECRET, Sender

#: Before and after the outage.
CALM_SECONDS: Final = 20.0
SETTLE_SECONDS: Final = 600.0
STORED: Final = """
    SELECT count(*), count(DISTINCT key) FROM referrals_referralevent
    WHERE body LIKE '%{platform}-%' AND NOT test
"""


def main(arguments: Sequence[str]) -> int:
    """Take the database away, and print the table. The status is 0 without a loss."""
    parser = argparse.ArgumentParser(prog="make outage", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--pause", type=float, default=1.0, help="between events, s")
    options = parser.parse_args(arguments)
    server = PostgreSQL(durable=True)
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            Stack(
                "postgresql", Path(folder), database=databases.PostgreSQL(server)
            ) as stack,
        ):
            stack.web(WEB_CONCURRENCY="2")
            stack.worker()
            stack.provision("shop", identity_provider="custom_id")
            senders = [_connect(stack, each, options.pause) for each in BEHAVIOURS]
            _run(server, senders, 60 * options.minutes)
            stack.wait_until_settled(SETTLE_SECONDS)
            return _report(stack, senders)
    finally:
        server.stop()


def _connect(stack: Stack, platform: str, pause: float) -> Sender:
    output = stack.manage(
        *("provision_source", "shop", "--platform", platform, "--json"),
        "--secret-stdin",
        stdin=SECRET,
    )
    # The command shows no secret that it was given.
    path = json.loads(output)["url"].replace("…", SECRET)
    return Sender(platform, stack.web_url + path, pause)


def _run(server: PostgreSQL, senders: Sequence[Sender], seconds: float) -> None:
    ends = time.monotonic() + seconds + 2 * CALM_SECONDS
    threads = [
        threading.Thread(target=each.run, args=(lambda: time.monotonic() > ends,))
        for each in senders
    ]
    for thread in threads:
        thread.start()
    time.sleep(CALM_SECONDS)
    server.end()
    time.sleep(seconds)
    server.start_again()
    for thread in threads:
        thread.join()
    for each in senders:
        each.wait()


def _report(stack: Stack, senders: Sequence[Sender]) -> int:
    lost = 0
    print("| platform | events | answers | slowest, s | stored | lost | doubles |")
    print("|---|---|---|---|---|---|---|")
    for each in senders:
        ((stored, keys),) = stack.database.rows(STORED.format(platform=each.platform))
        missing, doubles = each.sent - stored, stored - keys
        lost += missing + doubles
        answers = ", ".join(
            f"{n} of {code}" for code, n in sorted(each.answers.items())
        )
        print(
            f"| {each.platform} | {each.sent} | {answers} | {each.slowest:.1f} | {stored} "
            f"| {missing} | {doubles} |"
        )
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
