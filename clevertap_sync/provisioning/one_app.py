"""Sets an app up in one step that may be repeated: app, API key, integration, sources.

For scripts and infrastructure as code. What is there already is updated; a key is
made only if the app has none that works.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from clevertap_sync.clevertap.hold_reasons import IDENTITY_LETTER_CASE, describe_hold
from clevertap_sync.clevertap.locations import LABELS, Location, spell_in_brackets
from clevertap_sync.clevertap.profile_lookup import KnownCounts
from clevertap_sync.delivery import canary, lifecycle
from clevertap_sync.insight.match_rate import UNKNOWN_USERS_REMEDY, list_people_to_ask
from clevertap_sync.insight.misplaced import find_misplaced
from clevertap_sync.models import Account, EventKinds, Integration
from clevertap_sync.provisioning import store
from clevertap_sync.provisioning.store import ProvisioningError
from referrals.history import Difference
from referrals.keys import create_key
from referrals.models import ApiKey, App
from referrals.secret import Secret
from referrals.source_provisioning import (
    ProvisionedSource,
    WantedSource,
    provision_source,
)
from referrals.source_setup import SourceError

DEFAULT_INTEGRATION = "default"
KEY_LABEL = "provision"
# As dashboards show it, `TEST-` before it on test accounts. CleverTap publishes no
# rule, so an account ID of another shape is only worth a warning.
ACCOUNT_ID = re.compile(r"(TEST-)?[0-9A-Z]{3}-[0-9A-Z]{3}-[0-9A-Z]{4}")

UNUSUAL_ACCOUNT_ID = (
    "The account ID does not look like one of CleverTap's, such as ABC-DEF-123Z or "
    "TEST-ABC-DEF-123Z. Compare it with Settings → Project in CleverTap."
)


@dataclass(frozen=True)
class WantedSetup:
    """The setup to reach. An empty passcode leaves the stored one as it is.

    A key that is made expires after `key_life`; None: it never does. Of each of `platforms` there is to be a source, named as the platform. `loose_ids` are
    the app's IDs that come before sign-up. Where they, `remembers_referrers`, `reconciles`
    or `event_kinds` are None, what is set stands, and so do columns that are not in `fraud`.
    """

    app: str
    account_id: str
    identity_provider: str
    location: Location
    passcode: Secret
    integration: str = DEFAULT_INTEGRATION
    app_name: str = ""
    enable: bool = False
    platforms: tuple[str, ...] = ()
    loose_ids: tuple[str, ...] | None = None
    remembers_referrers: bool | None = None
    reconciles: bool | None = None
    event_kinds: EventKinds | None = None
    fraud: Mapping[str, bool | int | None] = field(default_factory=dict)
    key_life: timedelta | None = None


@dataclass(frozen=True)
class ProvisionedSetup:
    """The setup that was reached. `api_key` is the text of a new key, shown only once."""

    app: App
    integration: Integration
    api_key: str | None
    warnings: tuple[str, ...]
    sources: tuple[ProvisionedSource, ...] = ()
    #: When the new key expires, if it does.
    api_key_expires_at: datetime | None = None


def find_location(text: str) -> Location:
    """Return the location with this code or label; case does not count."""
    folded = text.strip().casefold()
    for location, label in LABELS.items():
        if folded in {location.value, label.casefold()}:
            return location
    known = ", ".join(f"{code} ({spell_in_brackets(code)})" for code in Location)
    message = (
        f"There is no location {text.strip()!r}. Use one of: {known}. It is the first "
        "part of your CleverTap dashboard's address."
    )
    raise ProvisioningError(message)


def provision_app(wanted: WantedSetup) -> ProvisionedSetup:
    """Create or update everything in `wanted`, or nothing. Safe to repeat.

    Delivery starts from now the first time, and later goes on where it stopped. To enable
    also confirms that users may be new to CleverTap. The newest users in the log are
    looked up all the same, within a few seconds, and a warning says what was found.
    Raises `ProvisioningError` with nothing written.
    """
    with transaction.atomic():
        provisioned = _write_setup(wanted)
    if not wanted.enable:
        return provisioned
    notes = look_up_newest_users(provisioned.integration)
    return replace(provisioned, warnings=(*provisioned.warnings, *notes))


def look_up_newest_users(integration: Integration) -> tuple[str, ...]:
    """Ask CleverTap about the newest users in the log; return warnings. Takes seconds."""
    people = list_people_to_ask(integration.app_id, integration.identity_provider)
    counts = canary.check_people(integration, people)
    return _describe_newest_users(integration, counts) if counts else ()


def warn_of_account(integration: Integration) -> tuple[str, ...]:
    """Return warnings about which account it is, and what it would get."""
    is_usual = ACCOUNT_ID.fullmatch(integration.account.account_id) is not None
    misplaced = find_misplaced(integration)
    return (
        *(() if is_usual else (UNUSUAL_ACCOUNT_ID,)),
        *((str(misplaced),) if misplaced else ()),
    )


def _write_setup(wanted: WantedSetup) -> ProvisionedSetup:
    app = _app(wanted)
    integration = _integration(app, wanted)
    if wanted.enable and not integration.enabled:
        store.enable_integration(integration)
    if wanted.enable and integration.identities_confirmed_at is None:
        lifecycle.expect_new_people(integration)
    sources = _provision_sources(app, wanted.platforms)
    of_sources = (each for source in sources for each in source.warnings)
    warnings = (*warn_of_account(integration), *of_sources)
    key, text = create_missing_key(app, wanted.key_life)
    return ProvisionedSetup(
        app, integration, text, warnings, sources, key.expires_at if key else None
    )


def _app(wanted: WantedSetup) -> App:
    app = App.objects.filter(slug=wanted.app).first()
    if app is None:
        app = App(slug=wanted.app, name=make_app_name(wanted.app))
    if app.archived_at:
        message = f"The app {app.slug} is archived. Choose another name for a new app."
        raise ProvisioningError(message)
    app.name = wanted.app_name or app.name
    differences = [*_set_people(app, wanted), *_set_fraud(app, wanted)]
    store_app(app, differences)
    return app


def make_app_name(slug: str) -> str:
    """Return what people call an app whose name nobody gave."""
    return slug.replace("-", " ").replace("_", " ").title()


def store_app(app: App, differences: Sequence[Difference]) -> None:
    """Save a new app, or a changed one."""
    store.check_columns(app)
    is_new = app.pk is None
    app.save()
    if is_new:
        store.record(app, "Created.", app)
    elif differences:
        store.record(app, "Changed.", app, differences)


def _set_people(app: App, wanted: WantedSetup) -> list[Difference]:
    """Put on the app what is wanted about its people; return what differs."""
    changes: dict[str, object] = {}
    loose, remembers = wanted.loose_ids, wanted.remembers_referrers
    if loose is not None and list(loose) != app.loose_ids:
        changes["loose_ids"] = list(loose)
    if remembers not in {None, app.remembers_referrers}:
        changes["remembers_referrers"] = remembers
    return store.put_changes(app, changes)


def _set_fraud(app: App, wanted: WantedSetup) -> list[Difference]:
    """Put the wanted fraud rules on the app; return what differs."""
    changes = {
        column: value
        for column, value in wanted.fraud.items()
        if value != getattr(app, column)
    }
    return store.put_changes(app, changes)


def _integration(app: App, wanted: WantedSetup) -> Integration:
    account = find_or_create_account(wanted.location, wanted.account_id)
    integration = app.integrations.filter(name=wanted.integration).first()
    _check_account_is_free(app, account, integration)
    if integration is None:
        return _create_integration(
            Integration(app=app, name=wanted.integration), account, wanted
        )
    if integration.archived_at:
        message = (
            f"The integration {integration.name} is archived. Choose another name with "
            "--integration."
        )
        raise ProvisioningError(message)
    changes = _find_changes(integration, account, wanted)
    store.change_integration(integration, changes)
    return integration


def find_or_create_account(location: Location, account_id: str) -> Account:
    """Return the account's row, which is made where it is missing."""
    account_id = account_id.strip()
    store.check_columns(Account(location=location, account_id=account_id))
    account, _ = Account.objects.get_or_create(location=location, account_id=account_id)
    return account


def _check_account_is_free(
    app: App, account: Account, integration: Integration | None
) -> None:
    other = app.integrations.filter(account=account).first()
    if other is not None and other != integration:
        message = (
            f"The app's integration {other.name} uses this account already. Update it "
            f"with --integration {other.name}."
        )
        raise ProvisioningError(message)


def _create_integration(
    integration: Integration, account: Account, wanted: WantedSetup
) -> Integration:
    integration.account = account
    integration.identity_provider = wanted.identity_provider.strip()
    integration.passcode = wanted.passcode
    integration.event_kinds = wanted.event_kinds or integration.event_kinds
    integration.reconciles = bool(wanted.reconciles)
    store.add_integration(integration)
    return integration


def _find_changes(
    integration: Integration, account: Account, wanted: WantedSetup
) -> dict[str, object]:
    changes: dict[str, object] = {}
    if integration.account != account:
        changes["account"] = account
    if integration.identity_provider != wanted.identity_provider.strip():
        changes["identity_provider"] = wanted.identity_provider.strip()
    if wanted.passcode and not store.is_same_secret(
        integration.passcode, wanted.passcode
    ):
        changes["passcode"] = wanted.passcode
    if wanted.reconciles not in {None, integration.reconciles}:
        changes["reconciles"] = wanted.reconciles
    if wanted.event_kinds not in {None, integration.event_kinds}:
        changes["event_kinds"] = wanted.event_kinds
    return changes


def _provision_sources(
    app: App, platforms: Iterable[str]
) -> tuple[ProvisionedSource, ...]:
    try:
        return tuple(
            provision_source(app, WantedSource(platform))
            for platform in dict.fromkeys(platforms)
        )
    except SourceError as error:
        raise ProvisioningError(str(error)) from error


def create_missing_key(
    app: App, life: timedelta | None
) -> tuple[ApiKey, str] | tuple[None, None]:
    """Make an API key where no backend's works; return it and its text, or None twice."""
    if app.api_keys.working().of_backends().exists():
        return None, None
    expires_at = timezone.now() + life if life else None
    key, text = create_key(app, KEY_LABEL, expires_at=expires_at)
    store.record(key, "Created.", app)
    return key, text


def _describe_newest_users(
    integration: Integration, counts: KnownCounts
) -> tuple[str, ...]:
    """Return warnings about the newest users, without an identity."""
    answered, provider = counts.known + counts.unknown, integration.identity_provider
    if not answered:
        silent = (
            "CleverTap did not tell which users it knows. It is asked again before the "
            "first events go out."
        )
        return (silent,)
    known = f"CleverTap knows {counts.known} of {answered} recent users by {provider}"
    if counts.other_case:
        _, remedy = describe_hold(IDENTITY_LETTER_CASE)
        held = "Delivery is held. " if integration.differs_in_case else ""
        differs = (
            f"{known}, and {counts.other_case} more in another letter case only: it would "
            f"create a second profile for each of these. {held}{remedy}"
        )
        return (differs,)
    if counts.unknown > counts.known:
        return (f"{known}. {UNKNOWN_USERS_REMEDY}",)
    return ()
