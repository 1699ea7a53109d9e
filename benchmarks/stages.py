"""What each stage costs in CPU, one after the other in one process and one thread.

`python -m benchmarks.stages [--top STAGE …] [--profile STAGE] [STAGE …]`. Unlike a time, the
CPU seconds of one thread say something even on a machine that others use. The database's are
those of its own processes. `--top` tells the ten packages that take most of a stage's, and
`--profile` every call of it.
"""

import argparse
import cProfile
import io
import os
import pstats
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import django

from benchmarks import usage
from benchmarks.ground import Ground
from benchmarks.ours import Ours
from benchmarks.report import Row, Table, number
from benchmarks.stage_top import measure_top

LINES: Final = 45
#: Before anything is measured: imports, connections, plans.
WARM: Final = 3

Step = Callable[[], object]


@dataclass(frozen=True)
class Stage:
    """Something that is done `times` times, for so many events each time.

    `prepare` makes the step, outside the measurement.
    """

    times: int
    events: int
    prepare: Callable[[], Step]


@dataclass(frozen=True)
class Cost:
    """CPU seconds: this process's, and those of the database's processes."""

    mine: float = 0.0
    database: float = 0.0

    @property
    def both(self) -> float:
        """Return the sum."""
        return self.mine + self.database

    def __add__(self, other: Self) -> Self:
        return type(self)(self.mine + other.mine, self.database + other.database)

    def divide(self, count: int) -> Self:
        """Return the cost of one of `count`."""
        return type(self)(self.mine / count, self.database / count)


def measure_step(step: Step, database: int) -> Cost:
    """Take a step and return its cost. `database` is the server's first process."""
    before, began = usage.cpu_seconds(database), time.process_time()
    step()
    mine = time.process_time() - began
    return Cost(mine, usage.cpu_seconds(database) - before)


def main(arguments: Sequence[str]) -> None:
    """Measure the stages and print what they cost."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stages")
    parser.add_argument("stages", nargs="*", metavar="STAGE")
    parser.add_argument("--profile", metavar="STAGE")
    parser.add_argument("--top", action="append", default=[], metavar="STAGE")
    wanted = parser.parse_args(arguments)
    with Ground() as ground, Ours(ground) as ours:
        os.environ |= {k: v for k, v in ours.env.items() if k != "PATH"}
        os.environ["DJANGO_SETTINGS_MODULE"] = "integration_project.settings"
        set_up()
        try:
            _measure(ours, wanted)
        finally:
            let_go()


def _measure(ours: Ours, wanted: argparse.Namespace) -> None:
    from benchmarks.people_steps import people_stages
    from benchmarks.stage_list import stages

    columns = (
        "",
        "statements",
        "CPU ms",
        "of the database",
        "CPU s per million events",
    )
    table = Table("CPU of each stage", columns)
    for name, stage in (stages(ours) | people_stages()).items():
        if name in wanted.top:
            sys.stdout.write(f"{measure_top(name, stage.prepare).text()}\n\n")
        elif name == wanted.profile:
            sys.stdout.write(_profile(stage))
        elif name in wanted.stages or not (
            wanted.top or wanted.profile or wanted.stages
        ):
            table.rows.append(_row(name, stage, ours.ground.server.process.pid))
    sys.stdout.write(f"{table.text()}\n" if table.rows else "")


def _row(name: str, stage: Stage, database: int) -> Row:
    from benchmarks.stage_list import counting

    for _ in range(WARM):
        stage.prepare()()
    step = stage.prepare()
    with counting() as statements:
        step()
    cost = Cost()
    for _ in range(stage.times):
        cost += measure_step(stage.prepare(), database)
    each = cost.divide(stage.times)
    return (
        name,
        str(len(statements)),
        number(each.mine * 1000),
        number(each.database * 1000),
        number(each.both / stage.events * 1e6) if stage.events else "",
    )


def _profile(stage: Stage) -> str:
    for _ in range(WARM):
        stage.prepare()()
    profile = cProfile.Profile(time.thread_time)
    for _ in range(stage.times):
        step = stage.prepare()
        profile.enable()
        step()
        profile.disable()
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("tottime").print_stats(LINES)
    pstats.Stats(profile, stream=text).sort_stats("cumtime").print_stats(LINES)
    return text.getvalue()


def set_up() -> None:
    """Start Django; its log lines, which cost something, go where nobody reads them."""
    os.environ["LOG_FORMAT"] = "json"
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    django.setup()
    sys.stdout, sys.stderr = (os.fdopen(number, "w") for number in kept)


def let_go() -> None:
    """Give the connections back, so that the database can be dropped."""
    from django.db import connection

    connection.close()
    close_pool: Any = getattr(connection, "close_pool", None)
    if close_pool:
        close_pool()


if __name__ == "__main__":
    main(sys.argv[1:])
