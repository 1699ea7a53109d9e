"""`manage.py provision`: an app, its API key, integration and sources, or a whole set-up."""

import os
import sys
from argparse import BooleanOptionalAction
from collections.abc import Callable, Iterator
from datetime import timedelta
from json import dumps
from typing import Any

from django.core.management.base import CommandError, CommandParser

from clevertap_sync.management import set_up_file
from clevertap_sync.models import EventKinds
from clevertap_sync.provisioning import (
    DEFAULT_INTEGRATION,
    ProvisionedSetup,
    ProvisioningError,
    WantedSetup,
    find_location,
    provision_app,
)
from referrals.fraud_settings import (
    COLUMNS,
    FraudSettingError,
    read_fraud_settings,
)
from referrals.keys import LONGEST_LIFE, SHORTEST_LIFE
from referrals.loose_ids import LooseIdsError, read_loose_ids
from referrals.management.arguments import DiscreetCommand
from referrals.secret import Secret
from referrals.source_provisioning import ProvisionedSource
from referrals.words import format_utc

PASSCODE_VARIABLE = "CLEVERTAP_PASSCODE"
#: The exit status of a dry run that would change something; 1 is a failure, 2 the usage.
WOULD_CHANGE = 3
_REQUIRED = ("app", "account_id", "identity_provider", "location")
_OF_ONE_APP = (
    *(*_REQUIRED, "integration", "name", "expires", "passcode_stdin", "enable"),
    *(
        "platform",
        "loose_ids",
        "remember_referrers",
        "reconcile",
        "event_kinds",
        "fraud",
    ),
)


class Command(DiscreetCommand):
    """Create or update an app, its API key and its CleverTap integration."""

    help = (
        "Creates or updates an app, its API key, its CleverTap integration and, with "
        "--platform, sources. Safe to repeat: what is there is updated, and a key or a "
        "secret is shown only when it is made. The passcode comes from standard input or "
        f"from {PASSCODE_VARIABLE}, never from the command line, where other users of the machine could read it. "
        "With --file, a whole set-up: apps, integrations, sources and alerts."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        self._refuse = parser.error
        parser.add_argument(
            "app", nargs="?", help="the app's short name, such as my-shop"
        )
        parser.add_argument(
            "--account-id",
            help="CleverTap's account ID; required, as the next two, but with --file",
        )
        parser.add_argument(
            "--identity-provider",
            help="which of a user's identities CleverTap knows users by, such as email",
        )
        parser.add_argument(
            "--location",
            help="where CleverTap stores the account's data: a code or a name, such as "
            "in1 or India",
        )
        parser.add_argument(
            "--integration",
            default=DEFAULT_INTEGRATION,
            metavar="NAME",
            help="which of the app's integrations (default: %(default)s)",
        )
        parser.add_argument("--name", default="", help="what people call the app")
        _add_wishes(parser)
        _add_people(parser)
        _add_file(parser)
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(
        self, *, json: bool, file: str | None, dry_run: bool, **wishes: Any
    ) -> None:
        """Provision, and print the result."""
        self._check_together(file, wishes, dry_run=dry_run)
        try:
            if file:
                self._apply_file(file, json=json, dry_run=dry_run)
                return
            provisioned = provision_app(_read_wishes(**wishes))
        except ProvisioningError as error:
            raise CommandError(str(error)) from error
        self._tell(provisioned, _as_json if json else _as_text)

    def _check_together(
        self, file: str | None, wishes: dict[str, Any], *, dry_run: bool
    ) -> None:
        """End with the usage where a file and options stand together, or neither does."""
        if file:
            given = [_spell(name) for name in _OF_ONE_APP if _is_given(wishes[name])]
            if given:
                self._refuse(f"argument --file: not allowed with argument {given[0]}")
            return
        missing = [_spell(name) for name in _REQUIRED if wishes[name] is None]
        if missing:
            self._refuse(f"the following arguments are required: {', '.join(missing)}")
        if dry_run:
            self._refuse("argument --dry-run: not allowed with argument app")

    def _apply_file(self, path: str, *, json: bool, dry_run: bool) -> None:
        applied = set_up_file.apply_file(path, dry_run=dry_run)
        for warning in applied.warnings:
            self.stderr.write(self.style.WARNING(str(warning)))
        describe = (
            set_up_file.describe_as_json if json else set_up_file.describe_as_text
        )
        self.stdout.write(describe(applied, dry_run=dry_run))
        if dry_run and applied.steps:
            raise SystemExit(WOULD_CHANGE)

    def _tell(
        self,
        provisioned: ProvisionedSetup,
        spell: Callable[[ProvisionedSetup], str],
    ) -> None:
        for warning in provisioned.warnings:
            self.stderr.write(self.style.WARNING(warning))
        self.stdout.write(spell(provisioned))


def _read_wishes(
    *,
    app: str,
    account_id: str,
    identity_provider: str,
    location: str,
    integration: str,
    name: str,
    expires: timedelta | None,
    passcode_stdin: bool,
    enable: bool,
    platform: list[str],
    loose_ids: str | None,
    remember_referrers: bool | None,
    fraud: list[str],
    reconcile: bool | None,
    event_kinds: str | None,
    **_: object,
) -> WantedSetup:
    return WantedSetup(
        app=app,
        account_id=account_id,
        identity_provider=identity_provider,
        location=find_location(location),
        passcode=_passcode(from_stdin=passcode_stdin),
        integration=integration,
        app_name=name,
        enable=enable,
        platforms=tuple(platform),
        loose_ids=_loose_ids(loose_ids),
        remembers_referrers=remember_referrers,
        fraud=_fraud(fraud),
        reconciles=reconcile,
        event_kinds=EventKinds(event_kinds) if event_kinds else None,
        key_life=expires,
    )


def _add_file(parser: CommandParser) -> None:
    parser.add_argument(
        "--file",
        metavar="PATH",
        help="a set-up file in TOML, in place of all that is above; - reads standard input",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="with --file: say what would change, and change nothing. The exit status is "
        f"{WOULD_CHANGE} where something would",
    )


def _spell(name: str) -> str:
    """Return an option as it is typed."""
    return name if name == "app" else f"--{name.replace('_', '-')}"


def _is_given(value: object) -> bool:
    return value not in (None, "", False, [], DEFAULT_INTEGRATION)


def _add_wishes(parser: CommandParser) -> None:
    parser.add_argument(
        "--passcode-stdin",
        action="store_true",
        help="read the account or user passcode from standard input",
    )
    parser.add_argument(
        "--enable",
        action="store_true",
        help="deliver from now on, or from where delivery stopped",
    )
    parser.add_argument(
        "--reconcile",
        action=BooleanOptionalAction,
        default=None,
        help="compare with CleverTap each night what it counts of each event; the passcode has "
        "to be allowed to read",
    )
    parser.add_argument(
        "--event-kinds",
        choices=EventKinds.values,
        help="which events the integration delivers: production, test or both; a new one "
        "delivers production events",
    )
    parser.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="NAME",
        help="also a source for the calls of this platform, such as branch; repeat it. "
        "Its choices, and a secret that the platform makes, are for provision_source",
    )
    parser.add_argument(
        "--expires",
        type=_days,
        metavar="DAYS",
        help="an API key that is made works for so many days; without the option it works "
        "until it is revoked. Repeated after its end, the command makes the next one",
    )


def _add_people(parser: CommandParser) -> None:
    parser.add_argument(
        "--loose-ids",
        metavar="NAMES",
        help="the IDs that come before sign-up, such as anonymous_id,device_handle: what carries "
        'only these waits for its user. "" for none; without the option they stay as they are',
    )
    parser.add_argument(
        "--remember-referrers",
        action=BooleanOptionalAction,
        default=None,
        help='remember who invited each user last, for events whose referrer is "last"',
    )
    parser.add_argument(
        "--fraud",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"a setting of the app's fraud rules, such as installs=4; repeat it. Names: "
        f"{', '.join(COLUMNS)}. Values: a number or none, of same_ip yes or no; settings that "
        "are not named stay as they are",
    )


def _fraud(texts: list[str]) -> dict[str, bool | int | None]:
    try:
        return read_fraud_settings(texts)
    except FraudSettingError as error:
        message = f"--fraud: {error}"
        raise ProvisioningError(message) from error


def _days(text: str) -> timedelta:
    """Return so many days; argparse tells the caller of a `ValueError`."""
    days = int(text)
    if not SHORTEST_LIFE.days <= days <= LONGEST_LIFE.days:
        raise ValueError
    return timedelta(days=days)


def _loose_ids(text: str | None) -> tuple[str, ...] | None:
    try:
        return None if text is None else tuple(read_loose_ids(text))
    except LooseIdsError as error:
        message = f"--loose-ids: {error}"
        raise ProvisioningError(message) from error


def _passcode(*, from_stdin: bool) -> Secret:
    """Return the passcode without blanks and the line end."""
    if not from_stdin:
        return Secret(os.environ.get(PASSCODE_VARIABLE, "").strip())
    text = sys.stdin.read().strip() if sys.stdin else ""  # it is None where closed
    if not text:
        message = (
            "No passcode came on standard input. Pipe it in, for example from a file."
        )
        raise ProvisioningError(message)
    return Secret(text)


def _as_json(provisioned: ProvisionedSetup) -> str:
    key = {"api_key": provisioned.api_key} if provisioned.api_key else {}
    if provisioned.api_key_expires_at:
        key["api_key_expires_at"] = provisioned.api_key_expires_at.isoformat()
    described = [each.describe() for each in provisioned.sources]
    sources = {"sources": described} if described else {}
    return dumps(
        {
            "app": provisioned.app.slug,
            **key,
            "integration": provisioned.integration.name,
            "enabled": provisioned.integration.enabled,
            **sources,
        }
    )


def _as_text(provisioned: ProvisionedSetup) -> str:
    integration = provisioned.integration
    state = "delivers" if integration.enabled else "is not enabled; add --enable"
    lines = [
        f"App          {provisioned.app.slug}",
        f"Integration  {integration.name} → {integration.account}: {state}",
    ]
    if provisioned.api_key:
        lines.append(f"API key      {provisioned.api_key}")
        lines.append("             Keep it: it is not shown again.")
        if provisioned.api_key_expires_at:
            end = format_utc(provisioned.api_key_expires_at)
            lines.append(f"             It expires on {end}.")
    for each in provisioned.sources:
        lines += _describe_source(each)
    return "\n".join(lines)


def _describe_source(provisioned: ProvisionedSource) -> Iterator[str]:
    described = provisioned.describe()
    yield f"Source       {provisioned.source.name}: {described['url']}"
    if described["header"]:
        yield f"             header {described['header']}"
    if "secret" in described:
        yield f"             secret {described['secret']}"
        yield "             Keep it: it is not shown again."
