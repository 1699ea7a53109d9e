"""`make attack`: everything at once against the running product, beside ordinary load.

Slow callers, bombs, a greedy app, guesses and garbage in Redis. Prints what another app's
backend saw before and meanwhile, and the ledger: `make attack ARGS="--minutes 30"`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import requests

from tests.attack import attackers
from tests.harness.descent import descendants, pids
from tests.harness.memory import peaks_of
from tests.harness.stack import Stack

MEGABYTE: Final = 1024 * 1024
THREADS: Final = 4
PAUSE_SECONDS: Final = 0.1
ANSWER_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 600.0


@dataclass
class Ordinary:
    """An app's backend that sends an event now and then, and notes what it sees."""

    stack: Stack
    number: int = 0
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    accepted: set[int] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, seconds: float) -> None:
        """Send for so long, from a few threads."""
        self.seconds, self.statuses = [], Counter()
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(target=self._send, args=(until,)) for _ in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def row(self, name: str) -> str:
        """Return what was seen, as a row of the table."""
        times = sorted(1000 * each for each in self.seconds)
        p50, p99 = times[len(times) // 2], times[len(times) * 99 // 100]
        statuses = ", ".join(f"{n} of {status}" for status, n in self.statuses.items())
        return f"| {name} | {statuses} | {p50:.0f} | {p99:.0f} | {times[-1]:.0f} |"

    def _send(self, until: float) -> None:
        with requests.Session() as session:
            while time.monotonic() < until:
                with self.lock:
                    self.number += 1
                    number = self.number
                self._send_one(session, number)
                time.sleep(PAUSE_SECONDS)

    def _send_one(self, session: requests.Session, number: int) -> None:
        began = time.monotonic()
        answer = session.post(
            f"{self.stack.web_url}/v1/events",
            json=attackers.an_event(f"shop-{number}"),
            headers={"Authorization": f"Bearer {self.stack.keys['shop']}"},
            timeout=ANSWER_SECONDS,
        )
        with self.lock:
            self.seconds.append(time.monotonic() - began)
            self.statuses[answer.status_code] += 1
            if answer.status_code == requests.codes.accepted:
                self.accepted.add(number)


def main(arguments: Sequence[str]) -> int:
    """Attack, and print the table. The status is 0 where the ledger is right."""
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack("postgresql", Path(folder)) as stack,
    ):
        stack.web(WEB_CONCURRENCY="2")
        worker = stack.worker()
        for app in ("shop", "greedy"):
            stack.provision(app)
        ordinary = Ordinary(stack)
        say("| ordinary load | answers | p50, ms | p99, ms | slowest, ms |")
        say("|---|---|---|---|---|")
        ordinary.run(min(60.0, 20 * options.minutes))
        say(ordinary.row("before"))
        seconds = 60 * options.minutes
        with attack(stack, seconds) as attacking:
            ordinary.run(seconds)
            say(ordinary.row("meanwhile"))
            output, _ = attacking.communicate()
        for name, number in json.loads(output).items():
            say(f"- {name}: {number:,}")
        say(f"- most memory of a process, MB: {peaks(stack)}")
        wrong = check(stack, ordinary)
        say(f"- worker still the same: {worker.returncode is None}")
    return int(wrong)


def attack(stack: Stack, seconds: float) -> "subprocess.Popen[str]":
    """Start the attackers, for so long."""
    assert stack.broker is not None
    env = {
        **os.environ,
        attackers.URL: stack.web_url,
        attackers.KEY: stack.keys["greedy"],
        attackers.REDIS: stack.broker.url,
        attackers.SECONDS: str(seconds),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.attack.attackers"],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )


def check(stack: Stack, ordinary: Ordinary) -> bool:
    """Say what the ledger says of the ordinary load. Return whether it is wrong."""
    stack.wait_until_settled(SETTLE_SECONDS)
    wanted = {
        f"{side}-shop-{number}@example.com"
        for number in ordinary.accepted
        for side in ("user", "referrer")
    }
    arrived = Counter(
        record["identity"]
        for line in stack.ledger.read_text("utf-8").splitlines()
        for record in json.loads(line)["records"]
        if "-shop-" in record["identity"]
    )
    lost = len(wanted - set(arrived))
    repeated = sum(number - 1 for number in arrived.values())
    books = [row for row in stack.status() if not row["balanced"]]
    say(
        f"- ledger: {len(ordinary.accepted):,} events accepted, {len(wanted):,} records, "
        f"{lost} lost, {repeated} repeated, {len(books)} books that do not balance"
    )
    return bool(lost or repeated or books)


def peaks(stack: Stack) -> list[int]:
    """Return the most memory that each web process has had, in MB."""
    web = stack.processes[0]
    return sorted(peak // MEGABYTE for peak in peaks_of(pids(descendants(web.pid))))


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
