# mypy: ignore-errors
"""The outbox's worker: claims a thousand rows, sends them, marks them delivered.

`python -m benchmarks.peers.outbox THREADS`. A claim is a lease, so that no transaction
is open while CleverTap is asked, and rows of a worker that died are sent again.
"""

import signal
import sys
import threading
from datetime import timedelta

import django
from django.db import close_old_connections, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

django.setup()

from benchmarks.peers.http import upload
from benchmarks.peers.models import Delivery

State = Delivery.State
CLAIM = 1_000
LEASE = timedelta(seconds=45)
IDLE_SECONDS = 0.05
stopping = threading.Event()


def deliver_next() -> bool:
    """Deliver the next rows; False where there are none."""
    free = Q(state=State.PENDING) | Q(state=State.SENDING, leased_until__lt=Now())
    with transaction.atomic():
        rows = list(
            Delivery.objects.select_for_update(skip_locked=True)
            .filter(free)
            .order_by("id")
            .values_list("id", "record")[:CLAIM]
        )
        mine = Delivery.objects.filter(id__in=[row[0] for row in rows])
        mine.update(
            state=State.SENDING, leased_until=Now() + LEASE, attempts=F("attempts") + 1
        )
    if not rows:
        return False
    connection.close()  # back to the pool while CleverTap is asked
    upload(f'{{"d":[{",".join(row[1] for row in rows)}]}}'.encode())
    mine.update(state=State.DELIVERED, delivered_at=Now(), leased_until=None)
    return True


def run() -> None:
    """Deliver until the process is asked to end."""
    while not stopping.is_set():
        if not deliver_next():
            close_old_connections()
            stopping.wait(IDLE_SECONDS)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    threads = [threading.Thread(target=run) for _ in range(int(sys.argv[1]))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
