"""`make repeat`: the tests again and again, beside busy processors, to find what is rarely red.

`make repeat ARGS="--times 10 --busy 2 tests/acceptance tests/faults"`. What stands behind
the options is for `make test`. A run that ended is noted, so that the same command goes
on where it was cut off; another commit begins anew.
"""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final

from tests.harness.commands import ROOT
from tests.harness.process import Process, temporary_folder

NOTES: Final = ROOT / "test-results" / "repeat.jsonl"
INTERRUPTED: Final = 130
BUSY: Final = "while True: pass"


@dataclass(frozen=True)
class Round:
    """One run that ended: what was run, beside how many busy processes, and how it went."""

    commit: str
    arguments: list[str]
    busy: int
    status: int
    seconds: float
    summary: str


def main(arguments: Sequence[str]) -> int:
    """Run the tests until there are enough rounds; return 0 where none was red."""
    parser = argparse.ArgumentParser(prog="make repeat", description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--busy", type=int, default=0, help="processes beside it")
    options, more = parser.parse_known_args(arguments)
    # As in the runs themselves: it may have been started with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    commit = _commit()
    while len(done := _rounds(commit, more, options.busy)) < options.times:
        print(f"Round {len(done) + 1} of {options.times}", flush=True)
        with _busy(options.busy):
            ended = _run(commit, more, options.busy)
        if ended.status == INTERRUPTED:
            return INTERRUPTED
        _note(ended)
        print(f"{ended.seconds:7.1f} s  {ended.summary}", flush=True)
    red = [each for each in done if each.status]
    print(f"{len(done)} rounds, {len(red)} of them red; notes: {NOTES}")
    return int(bool(red))


def _run(commit: str, arguments: Sequence[str], busy: int) -> Round:
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.harness.run", *arguments]
    popen = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    # It ends in order where this process is killed.
    log = temporary_folder("repeat") / "log"
    process = Process(command, log=log, started=popen, last_signal=signal.SIGTERM)
    try:
        said, _ = popen.communicate()
    except KeyboardInterrupt:
        process.stop(signal.SIGINT)
        raise
    status = process.wait()
    seconds = round(time.monotonic() - began, 1)
    # The parts' own summaries stand above that of the whole run.
    lines = said.decode(errors="replace").rstrip().splitlines()
    last = "\n".join(lines[-24:] if status else lines[-1:])
    return Round(commit, [*arguments], busy, status, seconds, last)


def _rounds(commit: str, arguments: Sequence[str], busy: int) -> list[Round]:
    if not NOTES.exists():
        return []
    lines = NOTES.read_text("utf-8").splitlines()
    noted = [Round(**json.loads(line)) for line in lines]
    wanted = (commit, [*arguments], busy)
    return [
        each for each in noted if (each.commit, each.arguments, each.busy) == wanted
    ]


def _note(ended: Round) -> None:
    NOTES.parent.mkdir(exist_ok=True)
    with NOTES.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(ended)) + "\n")


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """Keep so many processors busy meanwhile, at the priority of the tests."""
    log = temporary_folder("busy") / "log"
    loops = [Process([sys.executable, "-c", BUSY], log=log) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
