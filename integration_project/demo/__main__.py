"""`python -m integration_project.demo`: the Demo Shop's backend, sending for ever."""

import os
import signal
import sys
import time
from random import Random
from types import FrameType

from clevertap_sync.clevertap.locations import Location
from integration_project.demo.api import DemoApi, discard_in_sandbox
from integration_project.demo.feeder import Feeder
from integration_project.demo.story import DISCARDED_NAME

LOCATION = Location.EU1
_SANDBOX_TRIES = 50
_SANDBOX_RETRY_SECONDS = 0.2


def main() -> None:
    """Arrange the sandbox, send the past, then send what happens."""
    signal.signal(signal.SIGTERM, _leave)
    _arrange_sandbox(os.environ["DEMO_SANDBOX_URL"])
    api = DemoApi(os.environ["DEMO_API_URL"], os.environ["DEMO_API_KEY"])
    feeder = Feeder(api, Random())  # noqa: S311 - made-up people need no secrecy
    feeder.send_history()
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
