"""The answer of `GET /v1/status`: whether the service works, for everybody.

It has no names and no numbers: who reads it is a stranger.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from referrals.destinations import Instant

STATUS_PATH: Final = "/v1/status"
_METHODS: Final = ("GET", "HEAD")


def is_status_request(method: str | None, path: str) -> bool:
    """Return whether a request asks for the status, and not for what is no method of it."""
    return path == STATUS_PATH and method in _METHODS


class ServiceState(StrEnum):
    """How a part of the service is. `degraded`: some of it works, or it is slow."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"


class ServiceComponents(msgspec.Struct, frozen=True):
    """The parts of the service: taking events in, sending them on, and who does the latter."""

    ingest: ServiceState
    delivery: ServiceState
    workers: ServiceState


class ServiceStatus(msgspec.Struct, frozen=True):
    """How the service was at the instant `at`."""

    status: ServiceState
    components: ServiceComponents
    at: Instant


def summarise(components: ServiceComponents, at: datetime) -> ServiceStatus:
    """Return the status of the whole: `down` is only what takes no events.

    While delivery is down, what was accepted waits and is not lost.
    """
    parts = {components.ingest, components.delivery, components.workers}
    if components.ingest is ServiceState.DOWN:
        status = ServiceState.DOWN
    elif parts == {ServiceState.OK}:
        status = ServiceState.OK
    else:
        status = ServiceState.DEGRADED
    return ServiceStatus(status=status, components=components, at=at)
