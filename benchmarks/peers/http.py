# mypy: ignore-errors
"""One kept connection to CleverTap per thread, for all peers."""

import threading

import requests
from django.conf import settings

_local = threading.local()


def upload(body: bytes) -> None:
    """POST records. Raises for whatever is not a success."""
    if not hasattr(_local, "session"):
        _local.session = requests.Session()
        _local.session.headers["Content-Type"] = "application/json"
        _local.session.headers["X-CleverTap-Account-Id"] = "TEST-000"
        _local.session.headers["X-CleverTap-Passcode"] = "none"
    _local.session.post(settings.SINK_URL, data=body, timeout=30).raise_for_status()
