"""`make mutants`: breaks what decides in several hundred places, and names what no test sees.

`make mutants ARGS="--module clevertap_sync/delivery/claim.py --count 40"`. The same seed
chooses the same mutants, spread evenly over the modules. What was cut off goes on where it
was: results stay in test-results/mutants.
"""

import argparse
import os
import random
import signal
import sys
from argparse import Namespace
from collections.abc import Iterable, Sequence
from itertools import chain, islice, zip_longest

from tests.mutants.covering import RESULTS, TESTS, Trial, covering, digest_of
from tests.mutants.operators import Mutant, mutants_of
from tests.mutants.places import Module, modules
from tests.mutants.results import Result, keep, kept, table_of
from tests.mutants.runner import SURVIVED, try_out

KEPT = RESULTS / "results.jsonl"


def main(arguments: Sequence[str]) -> int:
    """Try the mutants that have no result yet; print the table of all that were chosen."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--count", type=int, default=320, help="mutants to make")
    parser.add_argument("--seed", type=int, default=1, help="chooses the mutants")
    parser.add_argument("--module", default="", help="break this file alone")
    parser.add_argument("--workers", type=int, default=2, help="mutants at a time")
    parser.add_argument(
        "--seconds", type=float, default=30, help="of tests against one mutant"
    )
    options = parser.parse_args(arguments)
    # Also where it was started with SIGINT ignored; its forks go along with it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        wanted = list(modules(options.module))
    except LookupError as error:
        parser.error(error.args[0])
    mutants = spread(map(_mutants_of, wanted), options.count, options.seed)
    done = _tried(mutants, options)
    print(table_of(done[mutant] for mutant in mutants))
    return int(any(done[mutant].verdict == SURVIVED for mutant in mutants))


def spread(
    by_module: Iterable[Sequence[Mutant]], count: int, seed: int
) -> list[Mutant]:
    """Choose mutants of each module by chance, of all as many until one has no more."""
    dice = random.Random(seed)
    shuffled = [dice.sample(some, len(some)) for some in by_module]
    by_turns = chain.from_iterable(zip_longest(*shuffled))
    return list(islice((mutant for mutant in by_turns if mutant), count))


def _mutants_of(module: Module) -> list[Mutant]:
    return mutants_of(module.name, module.path.read_text("utf-8"), module.only)


def _tried(mutants: Sequence[Mutant], options: Namespace) -> dict[Mutant, Result]:
    """Return the results that hold for the tree as it is, once each mutant has one."""
    known = covering()
    trials = [known.trial_of(mutant, options.seconds) for mutant in mutants]
    tests = digest_of(TESTS)
    sources = {mutant.module: "" for mutant in mutants}
    sources |= {name: digest_of([name]) for name in sources}
    done = kept(KEPT)
    left = [
        trial
        for trial in trials
        if (result := done.get(trial.mutant)) is None
        or not result.holds(sources[trial.mutant.module], tests, len(trial.tests))
    ]
    # pytest prints into a file meanwhile.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as screen:

        def tell(trial: Trial, verdict: str, seconds: float) -> None:
            name = trial.mutant.module
            done[trial.mutant] = Result(
                trial.mutant,
                verdict,
                tests=len(trial.tests),
                covering=trial.covering,
                seconds=round(seconds, 1),
                source=sources[name],
                tests_digest=tests,
            )
            keep(KEPT, done[trial.mutant])
            line = f"{verdict:9} {seconds:6.1f} s  {name}:{trial.mutant.line}"
            print(line, file=screen, flush=True)

        if left:
            try_out(left, tell, workers=options.workers)
    return done


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
