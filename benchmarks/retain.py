"""Carries out retention as workers do, but for the moment between two calls.

`python -m benchmarks.retain CUTOFF SECONDS`: takes what was received before the instant, for
so long, or to its end where that comes first. `--hurry` leaves the rests out. Prints what it
took, as JSON.
"""

import argparse
import json
import sys
import time
from datetime import datetime, timedelta

import django


def main(cutoff: datetime, seconds: float, *, hurries: bool) -> dict[str, float]:
    """Remove what came before `cutoff`; return the events, the seconds, and the longest chunk's.

    `left` is true where there may be more.
    """
    from django.conf import settings

    from clevertap_sync.delivery.upkeep import pace
    from clevertap_sync.delivery.upkeep.retention import carry_out_retention
    from clevertap_sync.process import clock

    # As if so many days had gone by since.
    clock.read_now = lambda: cutoff + timedelta(days=settings.RETENTION_DAYS)
    chunks: list[float] = [0.0]
    find_rest = pace.find_rest

    def note_chunk(took: float, at_least: float) -> float:
        chunks.append(took)
        return 0.0 if hurries else find_rest(took, at_least)

    pace.find_rest = note_chunk
    began = time.monotonic()
    removed, gone, taken = 0, 1, 0.0
    while gone and taken < seconds:
        gone = carry_out_retention()
        removed += gone
        taken = time.monotonic() - began
    return {
        "events": removed,
        "seconds": taken,
        "longest": max(chunks),
        "left": bool(gone),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retain")
    parser.add_argument("cutoff", type=datetime.fromisoformat)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--hurry", action="store_true")
    wanted = parser.parse_args()
    django.setup()
    sys.stdout.write(
        json.dumps(main(wanted.cutoff, wanted.seconds, hurries=wanted.hurry))
    )
