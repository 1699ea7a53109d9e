"""Things that tests need, complete and plausible, each changed by keywords alone.

A builder's name says what it makes: `an_event` is an event as the log keeps it,
`a_sent_event` one as an app's backend sends it. Builders of rows write to the database.
"""

import itertools
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import Account, Integration
from clevertap_sync.sandbox.accounts import ACCOUNTS
from referrals.keys import create_key
from referrals.models import App, Source
from referrals.schema import Event, Person
from referrals.secret import Secret
from referrals.source_setup import create_source
from referrals.sources.presets import load_preset
from referrals.vocabulary import EventType
from tests.platforms import SECRET

NOON: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOON_TEXT: Final = "2026-11-23T12:00:00Z"
#: NOON as CleverTap gets it.
NOON_SECONDS: Final = 1795435200
ANN: Final = "ann@example.com"
BOB: Final = "bob@example.com"

_numbers = itertools.count(1)


def a_person(email: str = ANN, **identities: str) -> Person:
    """Return one side of an event: an e-mail address and further identities."""
    return Person(identities={"email": email, **identities})


def an_event(**changes: Any) -> Event:
    """Return an app install of Ann's whom Bob invited, as the log keeps it."""
    event = Event(
        id=f"event-{next(_numbers)}",
        type=EventType.APP_INSTALL,
        occurred_at=NOON,
        user=a_person(ANN),
        referrer=a_person(BOB),
        channel="whatsapp",
        content="spring",
    )
    return msgspec.structs.replace(event, **changes)


def a_custom_event(name: str = "Subscription Started", **changes: Any) -> Event:
    """Return a custom event as the log keeps it."""
    defaults = {
        "name_number": 1,
        "channel": None,
        "content": None,
        "event_data": {"plan": "gold"},
    }
    return an_event(type=EventType.CUSTOM, name=name, **{**defaults, **changes})


def a_link_click(**changes: Any) -> Event:
    """Return a link click as the log keeps it: it has no triggering user."""
    return an_event(**{"type": EventType.LINK_CLICK, "user": None, **changes})


def a_sent_event(**changes: Any) -> dict[str, Any]:
    """Return an app install as a backend sends it. A field changed to None is left out."""
    event = {
        "id": f"event-{next(_numbers)}",
        "type": "app_install",
        "occurred_at": NOON_TEXT,
        "user": {"identities": {"email": ANN}},
        "referrer": {"identities": {"email": BOB}},
        "channel": "whatsapp",
        "content": "spring",
        **changes,
    }
    return {name: value for name, value in event.items() if value is not None}


def a_sent_custom_event(
    name: str = "Subscription Started", **changes: Any
) -> dict[str, Any]:
    """Return a custom event as a backend sends it."""
    defaults = {"channel": None, "content": None, "event_data": {"plan": "gold"}}
    return a_sent_event(type="custom", name=name, **{**defaults, **changes})


def a_sent_link_click(**changes: Any) -> dict[str, Any]:
    """Return a link click as a backend sends it: it has no triggering user."""
    return a_sent_event(**{"type": "link_click", "user": None, **changes})


def a_sent_identify(**changes: Any) -> dict[str, Any]:
    """Return an event as a backend sends it that ties an ID to Ann."""
    tied = {"email": ANN, "anonymous_id": "A"}
    event = {
        "id": f"event-{next(_numbers)}",
        "type": "identify",
        "user": {"identities": tied},
    }
    return {**event, **changes}


def an_app(slug: str | None = None, **changes: Any) -> App:
    """Write an app. Its slug is a new one unless given."""
    slug = slug or f"app-{next(_numbers)}"
    return App.objects.create(slug=slug, **{"name": slug.title(), **changes})


#: The fraud rules of an app from before it could choose: the second one is suspicious.
FIRST_FRAUD_RULES: Final[dict[str, Any]] = {
    "fraud_same_ip": True,
    "fraud_installs": 1,
    "fraud_installs_days": None,
    "fraud_advertising_ids": 1,
    "fraud_advertising_ids_days": None,
}


def an_api_key(app: App) -> str:
    """Write an API key and return its text, of which the row has only the hash."""
    _, text = create_key(app, "made by a test")
    return text


def a_source(app: App, platform: str, **changes: Any) -> Source:
    """Write a source, with `tests.platforms.SECRET` unless told, and return its row."""
    preset = load_preset(platform)
    changes.setdefault("takes_marketing_links", preset.takes_marketing_links)
    source = Source(app=app, platform=platform, **changes)
    create_source("a test", source, Secret(SECRET))
    return source


def an_account(location: Location = Location.EU1, **changes: Any) -> Account:
    """Return the row of the sandbox's account at `location`, written when missing."""
    account_id = changes.pop("account_id", ACCOUNTS[location].account_id)
    account, _ = Account.objects.get_or_create(
        location=location, account_id=account_id, defaults=changes
    )
    return account


def an_integration(
    app: App | None = None, *, location: Location = Location.EU1, **changes: Any
) -> Integration:
    """Write an enabled integration of `app` with the sandbox's account at `location`.

    A person confirmed its identities, so nobody looks them up.
    """
    enabled = changes.get("enabled", True)
    defaults = {
        "identity_provider": "email",
        "enabled": True,
        "first_enabled_at": NOON if enabled else None,
        "passcode": ACCOUNTS[location].passcode,
        "identities_confirmed_at": NOON,
    }
    return Integration.objects.create(
        app=app or an_app(),
        account=changes.pop("account", None) or an_account(location),
        **{**defaults, **changes},
    )
