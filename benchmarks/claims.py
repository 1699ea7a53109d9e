"""Claims work as a worker does, and times it: `python -m benchmarks.claims COUNT`.

Each claimed upload is settled before the next, outside the time: a worker that keeps up
finds few open ones. Prints the seconds that each claim took, as JSON.
"""

import json
import sys
import time
from typing import Any

import django


def main(count: int) -> list[float]:
    """Claim `count` ranges of the only integration; return the seconds of each."""
    from clevertap_sync.delivery.claim import claim_next
    from clevertap_sync.models import Integration, Upload
    from clevertap_sync.process import slots

    pk = Integration.objects.values_list("pk", flat=True).get()
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        work = claim_next(pk)
        taken.append(time.perf_counter() - began)
        if work is None:
            break
        slots.release_slot(pk, in_fault_share=work.in_fault_share)
        settle(Upload.objects.open())
    return taken


def settle(uploads: Any) -> None:
    """Settle uploads as if they had been empty, with the instant that tallies need."""
    from clevertap_sync.process import clock

    uploads.update(
        state="settled", leased_until=None, records=0, settled_at=clock.read_now()
    )


if __name__ == "__main__":
    django.setup()
    sys.stdout.write(json.dumps(main(int(sys.argv[1]))))
