# mypy: ignore-errors
"""What one writes first: a task for each record, a POST for each task."""

from typing import Any

import msgspec
import requests

from benchmarks.peers.celery_app import app
from benchmarks.peers.http import upload


@app.task(
    autoretry_for=(requests.RequestException,), retry_backoff=True, max_retries=20
)
def send(record: dict[str, Any]) -> None:
    """Send one record."""
    upload(msgspec.json.encode({"d": [record]}))
