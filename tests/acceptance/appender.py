"""A program whose processes append to one log as fast as they can, and note each answer.

Usage: appender.py APP REQUESTS NAME... makes the app, then starts a process for each
name, whose answers are in NAME.log here. A request has events of its own, and events
whose ids every appender uses: half of these with the same content, half with its own.
Not a test: this is what a test starts.
"""

import itertools
import os
import sys
from collections.abc import Callable
from functools import partial

import django
import msgspec

OCCURRED_AT = "2026-11-23T12:00:00Z"


def an_event(key: str, content: str) -> dict[str, object]:
    """Return an event that is told apart by `content`."""
    person = {"identities": {"email": "ann@example.com"}}
    return {
        "id": key,
        "type": "custom",
        "name": f"Name {content}",
        "occurred_at": OCCURRED_AT,
        "user": person,
        "referrer": person,
        "content": content,
    }


def a_request(name: str, number: int) -> list[dict[str, object]]:
    """Return what the appender `name` sends as its request `number`."""
    return [
        an_event(f"{name}-{number}", name),
        an_event(f"same-{number}", "common"),
        an_event(f"{name}-{number}-more", name),
        an_event(f"contested-{number}", name),
    ]


def make_app(slug: str) -> None:
    """Make the app whose log it is."""
    # Models can be imported only once Django is set up.
    from referrals.models import App

    App.objects.create(slug=slug, name=slug)


def append(slug: str, name: str, requests: int) -> None:
    """Append, and print one line of answers per request, once it is committed."""
    from referrals import log
    from referrals.models import App

    output = os.open(f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    app = App.objects.get(slug=slug)
    # 0 means: until somebody ends it.
    numbers = range(requests) if requests else itertools.count()
    for number in numbers:
        results = log.append(app, a_request(name, number))
        os.write(output, msgspec.json.encode(results) + b"\n")


def fork(task: Callable[[], None]) -> int:
    """Start a process that does the task and ends; return its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        task()
        status = 0
    except Exception:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def succeeded(pid: int) -> bool:
    """Wait until the process ends, and return whether it did what it should."""
    return os.waitpid(pid, 0)[1] == 0


def main(slug: str, requests: int, *names: str) -> int:
    """Run everything; return 1 if any process failed. This one has no connection."""
    django.setup()
    if not succeeded(fork(partial(make_app, slug))):
        return 1
    started = [fork(partial(append, slug, name, requests)) for name in names]
    failed = [pid for pid in started if not succeeded(pid)]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:]))
