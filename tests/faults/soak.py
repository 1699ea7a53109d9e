"""`make soak`: a thousand random schedules, with new seeds each time.

As many requests, of the kinds that the OpenAPI document tells apart, go to each of the
API's addresses. `make soak ARGS="--seed 17 --count 1"` carries out the schedule whose seed
is 17 again, and nothing else.
"""

import argparse
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from tests.harness.environment import Kind

#: "first:count", for the processes of pytest.
SEEDS: Final = "SOAK_SEEDS"
KINDS: Final = "SOAK_DATABASES"
SCHEDULES: Final = "tests/faults/test_random.py"
CONTRACT: Final = "tests/acceptance/test_api_contract.py"
#: What `make faults` takes, and how many of them `make test ARGS=--all` and `make test` do.
FIRST, COUNT, SOME, FEW = 1, 25, 5, 2
FEW_EXAMPLES: Final = 10
SOAK_COUNT: Final = 1000


def seeds() -> Sequence[int]:
    """Return the seeds of this run."""
    first, count = map(int, os.environ.get(SEEDS, f"{FIRST}:{COUNT}").split(":"))
    return range(first, first + count)


def examples() -> int:
    """Return how many requests of chance each address of the API gets in this run."""
    return len(seeds()) if SEEDS in os.environ else FEW_EXAMPLES


def kinds(known: Sequence[Kind]) -> Sequence[Kind]:
    """Return the kinds of database that this run is on."""
    return [kind for kind in known if kind in os.environ.get(KINDS, kind)]


def main(arguments: Sequence[str]) -> int:
    """Carry the schedules out, and return pytest's exit status."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seed", type=int, help="the first seed; default: a new one")
    parser.add_argument("--count", type=int, default=SOAK_COUNT)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="")
    parser.add_argument("--workers", type=int, default=2, help="at the same time")
    options, more = parser.parse_known_args(arguments)
    first = secrets.randbelow(10**9) if options.seed is None else options.seed
    print(f"Seeds {first} to {first + options.count - 1}.", flush=True)
    env = {**os.environ, SEEDS: f"{first}:{options.count}"}
    if options.database:
        env[KINDS] = options.database
    files = [SCHEDULES] if options.seed is not None else [SCHEDULES, CONTRACT]
    command = [sys.executable, "-m", "pytest", *files, *more]
    return subprocess.call([*command, "-q", f"-n{options.workers}"], env=env)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
