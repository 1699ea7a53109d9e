"""Carries out retention as workers do every minute, but without a pause, to its end.

`python -m benchmarks.retain`, with RETENTION_DAYS in the environment. Prints what it took,
as JSON.
"""

import json
import sys
import time

import django


def main() -> dict[str, float]:
    """Remove all that is past its days; return the events, seconds, and the longest call."""
    from clevertap_sync.delivery.upkeep.retention import carry_out_retention

    removed, longest, began = 0, 0.0, time.monotonic()
    while True:
        called = time.monotonic()
        gone = carry_out_retention()
        longest = max(longest, time.monotonic() - called)
        if not gone:
            break
        removed += gone
    seconds = time.monotonic() - began
    return {"events": removed, "seconds": seconds, "longest": longest}


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(json.dumps(main()))
