"""A program that appends to one log as fast as it can, and prints each answer.

Usage: appender.py APP NAME REQUESTS. A request has events of its own, and events whose
ids every appender uses: half of these with the same content, half with its own.
Not a test: several of these are what a test starts.
"""

import itertools
import sys

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


def main(slug: str, name: str, requests: int) -> None:
    """Append, and print one line of answers per request, once it is committed."""
    django.setup()
    # Models can be imported only once Django is set up.
    from referrals import log  # noqa: PLC0415
    from referrals.models import App  # noqa: PLC0415

    app = App.objects.get(slug=slug)
    # 0 means: until somebody ends it.
    numbers = range(requests) if requests else itertools.count()
    for number in numbers:
        results = log.append(app, a_request(name, number))
        sys.stdout.buffer.write(msgspec.json.encode(results) + b"\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
