"""Wake-ups of the thread that learns who is who: which apps it should look at.

A wake-up may be lost with its process: each worker's sweep wakes for every app that learns.
Where no such thread runs, as in a web process, one number per app is kept and nothing else.
"""

import threading
from collections.abc import Mapping
from typing import Final

_condition: Final = threading.Condition()
_woken: Final[set[int]] = set()
#: Integration → app, of the apps that learn, as the last sweep found them.
_apps: dict[int, int] = {}


def wake_learner(app_id: int) -> None:
    """Let this process's thread take a step for the app."""
    with _condition:
        _woken.add(app_id)
        _condition.notify()


def wake_for_integration(integration_id: int) -> bool:
    """Let a step be taken for the integration's app; return whether it is known to learn.

    Asks no database: for an app that learns of nobody it costs a look at a dictionary.
    """
    app_id = _apps.get(integration_id)
    if app_id is not None:
        wake_learner(app_id)
    return app_id is not None


def remember_learners(apps: Mapping[int, int]) -> None:
    """Replace what is known of apps that learn: integration ID → app ID."""
    global _apps  # noqa: PLW0603 - one memory per process
    _apps = dict(apps)


def forget_learners() -> None:
    """Note that no app learns."""
    remember_learners({})


def wait_for_wakeups(seconds: float) -> set[int]:
    """Return the apps to look at, once there are any, or an empty set after `seconds`."""
    with _condition:
        _condition.wait_for(lambda: bool(_woken), seconds)
        found = set(_woken)
        _woken.clear()
    return found


def clear_wakeups() -> None:
    """Forget every wake-up: for a process that begins anew, such as a test."""
    forget_learners()
    with _condition:
        _woken.clear()
