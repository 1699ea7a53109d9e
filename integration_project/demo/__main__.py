"""`python -m integration_project.demo`: the Demo Shop and its platforms, for ever."""

import os
import signal
import sys
import time
from random import Random
from types import FrameType

from clevertap_sync.clevertap.locations import Location
from integration_project.demo.api import DemoApi, discard_in_sandbox
from integration_project.demo.comparing import compare_later
from integration_project.demo.feeder import Carry, Feeder
from integration_project.demo.platforms import BranchHook, SegmentTracking
from integration_project.demo.story import DISCARDED_NAME, Carrier

LOCATION = Location.EU1
_SANDBOX_TRIES = 50
_SANDBOX_RETRY_SECONDS = 0.2


def main() -> None:
    """Arrange the sandbox, send the past, then send what happens."""
    signal.signal(signal.SIGTERM, _leave)
    _arrange_sandbox(os.environ["DEMO_SANDBOX_URL"])
    url, key = os.environ["DEMO_API_URL"], os.environ["DEMO_API_KEY"]
    platforms: dict[Carrier, Carry] = {Carrier.SEGMENT: SegmentTracking(url, key).carry}
    if path := os.environ.get("DEMO_BRANCH_PATH"):
        branch = BranchHook(f"{url}{path}", os.environ["DEMO_BRANCH_SECRET"])
        platforms[Carrier.BRANCH] = branch.carry
    made_up = Random()  # noqa: S311 - made-up people need no secrecy
    feeder = Feeder(DemoApi(url, key), made_up, platforms)
    if feeder.send_history():
        compare_later()
    feeder.send_live()


def _arrange_sandbox(url: str) -> None:
    for _ in range(_SANDBOX_TRIES):
        if discard_in_sandbox(url, LOCATION, DISCARDED_NAME):
            return
        time.sleep(_SANDBOX_RETRY_SECONDS)


def _leave(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)


if __name__ == "__main__":
    main()
