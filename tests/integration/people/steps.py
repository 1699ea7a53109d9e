"""What tests of people share: an app that learns, what is sent to it, and steps."""

import itertools
from typing import Any

from django.db import transaction

from referrals import hashing, log, people
from referrals.models import App
from referrals.people import Step
from tests.builders import an_app, an_integration

LOOSE = ["anonymous_id", "branch_id"]
_numbers = itertools.count(1)


def a_learning_app(provider: str = "email", **changes: Any) -> App:
    """Write an app that learns of people, and its integration."""
    app = an_app(**{"loose_ids": LOOSE, "remembers_referrers": True, **changes})
    an_integration(app, enabled=False, identity_provider=provider)
    return app


def identify(*, test: bool = False, **identities: str) -> dict[str, Any]:
    """Return an event that ties a user's identities, but for its id."""
    return {"type": "identify", "user": {"identities": identities}, "test": test}


def install(*, referrer: str = "bob", **identities: str) -> dict[str, Any]:
    """Return an install by an invitation of `referrer`, an address, but for its id."""
    return {
        "type": "app_install",
        "user": {"identities": identities},
        "referrer": {"identities": {"email": referrer}},
    }


def ask_last(**identities: str) -> dict[str, Any]:
    """Return a custom event of a user whose referrer is `"last"`, but for its id."""
    return {
        "type": "custom",
        "name": "Subscription Started",
        "user": {"identities": identities},
        "referrer": "last",
    }


def put(app: App, sent: Any) -> None:
    """Append events, each with an id of its own."""
    for each in log.append(app, [{"id": f"e{next(_numbers)}", **e} for e in sent]):
        assert each.status == "accepted", each.detail


def step(app: App, limit: int = 1000) -> Step:
    """Take a step in a transaction of its own."""
    with transaction.atomic():
        taken = people.take_step(app.pk, limit=limit)
    assert taken is not None
    return taken


def catch_up(app: App) -> None:
    """Take steps until everything is learned."""
    while step(app).has_more:
        pass


def teach(app: App, *sent: Any) -> Step:
    """Append events, and learn from them by one step."""
    put(app, sent)
    return step(app)


def hash_of(app: App, **identity: str) -> str:
    """Return by which hash an identity is known."""
    ((provider, value),) = identity.items()
    return hashing.make_identity_hasher(app.pk)(provider, value)


def whom(
    app: App, provider: str = "email", *, test: bool = False, **identity: str
) -> Any:
    """Return the identity of `provider` of whom an identity names; "shared", or None."""
    digest = hash_of(app, **identity)
    found = people.resolve(app.pk, [digest], provider, test=test).get(digest)
    if found is None or found.is_shared:
        return found and "shared"
    (value,) = people.read_identities(app.pk, [found.hash], test=test).values()
    return value.value
