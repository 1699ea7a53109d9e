"""What it costs to know who is who: beside the same without, per event learned, per person.

CPU of one process and of the database, which says something on a machine that others use.
"""

import json
import subprocess
from typing import Any, Final

from benchmarks.ground import Ground
from benchmarks.measures import Scale
from benchmarks.ours import Ours
from benchmarks.report import Findings, Highlight, Row, Table, number, progress, times
from tests.harness.commands import ROOT

SMALL, LARGE, HUGE = 10_000, 100_000, (1_000_000, 10_000_000)
MICRO: Final = 1e6
#: The columns of the table by size, and what `benchmarks.people_costs` calls them.
GROWING: Final = {
    "new people": "new",
    "met before": "again",
    "met elsewhere": "rows",
    "look-up of the newest": "newest",
    "of anybody": "look-up",
    "a row by its key": "row",
}


def measure(ground: Ground, scale: Scale) -> Findings:
    """Measure stages without people and with them, then steps and look-ups as they grow."""
    progress("people: stages without and with them")
    pairs = _run(ground)
    sizes = [
        SMALL,
        *([] if scale.quick else [LARGE]),
        *(HUGE if scale.growth else []),
    ]
    progress(f"people: up to {sizes[-1]:,}")
    grown = _run(ground, *sizes)
    return Findings(
        [_beside(pairs), _sizes(grown)], [_learner_line(grown), _wait_line(pairs)]
    )


def _run(ground: Ground, *sizes: int) -> dict[str, Any]:
    with Ours(ground) as ours:
        arguments = map(str, (ground.server.process.pid, *sizes))
        done = subprocess.run(
            ours.python("benchmarks.people_costs", *arguments),
            cwd=ROOT,
            env={**ours.env, "DJANGO_SETTINGS_MODULE": "integration_project.settings"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _beside(pairs: dict[str, Any]) -> Table:
    rows: list[Row] = []
    for name, (off, on) in pairs.items():
        rows += [
            (f"{name}: off", *_spell(off), times(1)),
            (f"{name}: on", *_spell(on), times(_add(on) / _add(off))),
        ]
    return Table(
        "What people cost who brings events and who delivers them, and a comparison",
        ("", "CPU µs per event", "of which the database", "on ÷ off"),
        rows,
        ["Both for the same events. Off, a fifth without a key becomes dead letters."],
    )


def _sizes(grown: dict[str, Any]) -> Table:
    small = next(iter(grown.values()))
    rows: list[Row] = [
        (
            f"{int(size):,} people",
            *(_compare(found[kind], small[kind]) for kind in GROWING.values()),
            times(_add(found["look-up"]) / _add(found["row"])),
            number(_add(found["in vain"]) * 1_000) + " ms",
            number(found["bytes"]),
        )
        for size, found in grown.items()
    ]
    return Table(
        "A step of 1,000 links, and 1,000 look-ups: CPU µs of each, and beside the first line's",
        (
            "",
            *GROWING,
            "look-up of anybody ÷ row",
            "a step in vain",
            "bytes per person",
        ),
        rows,
        [
            (
                "A person has a key and an ID that comes before sign-up. Met elsewhere: "
                "learned, but not by this process of late. Anybody: chosen by chance among "
                "all, so that nothing of theirs is in memory once there are many; a row is "
                "read by its primary key for the same people, and is the least that a "
                "look-up could take. The steps that meet new people add 24,000."
            )
        ],
    )


def _learner_line(grown: dict[str, Any]) -> Highlight:
    size, found = list(grown.items())[-1]
    return Highlight(
        f"Learning who is who, links/s a core, {int(size):,} people",
        number(1 / _add(found["new"])),
        f"met before: {number(1 / _add(found['again']))}",
        "",
    )


def _wait_line(pairs: dict[str, Any]) -> Highlight:
    off, on = list(pairs.values())[-1]
    return Highlight(
        "Claim to settle where a fifth of the users waits, CPU µs per event",
        number(_add(on) * MICRO),
        f"where nobody waits, and it is a dead letter: {number(_add(off) * MICRO)}",
        times(_add(on) / _add(off)),
    )


def _spell(cost: dict[str, float]) -> tuple[str, str]:
    return number(_add(cost) * MICRO), number(cost["database"] * MICRO)


def _compare(cost: dict[str, float], small: dict[str, float]) -> str:
    return f"{number(_add(cost) * MICRO)} ({times(_add(cost) / _add(small))})"


def _add(cost: dict[str, float]) -> float:
    return cost["mine"] + cost["database"]
