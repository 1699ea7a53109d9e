"""`python -m benchmarks [--quick] [--growth] [--only NAME …] [--write]`."""

import argparse
import importlib
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Final

from benchmarks import machine, report
from benchmarks.ground import Ground
from benchmarks.measures import Scale
from benchmarks.report import Findings
from tests.harness.commands import ROOT

#: In the order in which they run, each a module of `measures`.
NAMES: Final = (
    "end_to_end",
    "ceiling",
    "latency",
    "ingest",
    "slow_callers",
    "growth",
    "retention",
    "people",
    "embedded",
)
README: Final = ROOT / "README.md"
DOCUMENT: Final = ROOT / "docs" / "performance.md"


def main(arguments: Sequence[str]) -> int:
    """Measure, print the tables, and return the exit status."""
    wanted = _parser().parse_args(arguments)
    if wanted.write and (wanted.quick or wanted.only):
        sys.exit("--write wants the whole run: leave --quick and --only out.")
    load_before = machine.load()
    scale = Scale(quick=wanted.quick, growth=wanted.growth)
    with Ground() as ground:
        about = machine.lines(ground, load_before)
        _say("\n".join(about))
        found, failed = _measure(ground, scale, wanted.only or NAMES)
    short = report.summary([h for findings in found for h in findings.highlights])
    _say(short.text())
    if failed:
        _say(f"Not measured: {', '.join(failed)}")
        return 1
    if wanted.write:
        _write(about, short, found)
    return 0


def _measure(
    ground: Ground, scale: Scale, names: Sequence[str]
) -> tuple[list[Findings], list[str]]:
    found, failed = [], []
    for name in names:
        began = time.monotonic()
        _say(f"… {name}")
        try:
            findings = importlib.import_module(f"benchmarks.measures.{name}").measure(
                ground, scale
            )
        except Exception:  # noqa: BLE001 - the others are still worth measuring
            traceback.print_exc()
            failed.append(name)
            continue
        found.append(findings)
        for table in findings.tables:
            _say(table.text())
        _say(f"  ({name} took {time.monotonic() - began:.0f} s)")
    return found, failed


def _write(about: Sequence[str], short: report.Table, found: list[Findings]) -> None:
    origin = "\n".join(f"- {line}" for line in about)
    rows = short.markdown().partition("\n\n")[2]
    report.write(README, f"{rows}\n\n{origin}\n- `make bench` measures it afresh")
    tables = [table.markdown() for findings in found for table in findings.tables]
    report.write(DOCUMENT, "\n\n".join([origin, *tables]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a fraction, in minutes")
    parser.add_argument(
        "--growth",
        action="store_true",
        help="up to ten million events and a million people",
    )
    parser.add_argument("--only", action="append", choices=NAMES, metavar="NAME")
    parser.add_argument(
        "--write", action="store_true", help="put the tables into README and docs"
    )
    return parser


def _say(text: str) -> None:
    print(f"{text}\n", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
