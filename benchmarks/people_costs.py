"""What people cost one app, as JSON: `python -m benchmarks.people_costs PID [PEOPLE …]`.

PID is the database's first process. Without a number of people: the CPU of pairs of stages,
without people and with them, taken in turns, so that both meet the same machine. With some:
the CPU of steps and look-ups at each of these sizes, and the bytes that a person takes.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from statistics import fmean, median
from typing import Any, Final

from benchmarks.stages import Cost, Stage, let_go, measure_step, set_up

#: How often each is measured at a size.
TIMES: Final = 10
#: So many turns open connections and fill caches.
WARM: Final = 2
_SIZES: Final = """
    SELECT pg_total_relation_size('referrals_knownperson')
        + pg_total_relation_size('referrals_knownidentity')
"""


def main(arguments: Sequence[str]) -> None:
    """Measure, and print what was found."""
    database, *sizes = map(int, arguments)
    set_up()
    try:
        found = measure_sizes(database, sizes) if sizes else measure_pairs(database)
    finally:
        let_go()
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()


def measure_pairs(database: int) -> dict[str, list[dict[str, float]]]:
    """Return, by stage, the CPU seconds per event without people and with them."""
    from benchmarks.people_steps import paired_stages

    return {
        name: [asdict(each) for each in _take_turns(pair, database)]
        for name, pair in paired_stages().items()
    }


def measure_sizes(database: int, sizes: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return, by number of people, CPU seconds per event or look-up, and bytes per person."""
    from benchmarks.people_steps import LINKS, PeopleSteps

    steps = PeopleSteps()
    found: dict[int, dict[str, Any]] = {}
    for size in sizes:
        steps.fill(size)
        stages = {
            "in vain": Stage(TIMES, 1, steps.step_in_vain),
            "new": Stage(TIMES, LINKS, steps.meet),
            "again": Stage(TIMES, LINKS, steps.meet_again),
            "rows": Stage(TIMES, LINKS, steps.meet_by_rows),
            "look-up": Stage(TIMES, LINKS, steps.look_up),
            "newest": Stage(TIMES, LINKS, steps.look_up_newest),
            "row": Stage(TIMES, LINKS, steps.read_rows),
        }
        costs = _take_turns(list(stages.values()), database)
        named = zip(stages, costs, strict=True)
        found[size] = {name: asdict(cost) for name, cost in named}
        found[size]["bytes"] = _weigh_person()
    return found


def _take_turns(stages: Sequence[Stage], database: int) -> list[Cost]:
    """Return what each stage costs per event: they go in turns, there and back."""
    taken: list[list[Cost]] = [[] for _ in stages]
    numbers = range(len(stages))
    for turn in range(WARM + stages[0].times):
        for number in numbers if turn % 2 else reversed(numbers):
            cost = measure_step(stages[number].prepare(), database)
            if turn >= WARM:
                taken[number].append(cost)
    return [
        _summarize(costs).divide(stage.events)
        for costs, stage in zip(taken, stages, strict=True)
    ]


def _summarize(costs: Sequence[Cost]) -> Cost:
    """Return the median of this process, and the mean of the database, whose clock ticks."""
    return Cost(
        median(each.mine for each in costs), fmean(each.database for each in costs)
    )


def _weigh_person() -> float:
    """Return how many bytes of tables and indexes a person takes."""
    from django.db import connection

    from benchmarks.people_fill import vacuum_people
    from referrals.models import KnownPerson

    vacuum_people()
    with connection.cursor() as cursor:
        cursor.execute(_SIZES)
        size: int = cursor.fetchone()[0]
    return size / KnownPerson.objects.count()


if __name__ == "__main__":
    main(sys.argv[1:])
