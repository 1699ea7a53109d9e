# mypy: ignore-errors
"""The same with celery-batches: a task for each record, a POST for up to a thousand."""

import msgspec
from celery_batches import Batches, SimpleRequest

from benchmarks.peers.celery_app import app
from benchmarks.peers.http import upload


@app.task(base=Batches, flush_every=1000, flush_interval=0.5)
def send(requests: list[SimpleRequest]) -> None:
    """Send what came in within half a second, or a thousand records."""
    upload(msgspec.json.encode({"d": [request.args[0] for request in requests]}))
