"""`manage.py provision_source`: a source, by which a platform's calls become events."""

import sys
from argparse import BooleanOptionalAction
from collections.abc import Iterator
from json import dumps
from typing import Final

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from referrals.management.arguments import DiscreetCommand
from referrals.secret import Secret
from referrals.source_address import SHOWN_BEFORE, write_steps
from referrals.source_provisioning import (
    ProvisionedSource,
    WantedSource,
    find_live_app,
    provision_source,
)
from referrals.source_setup import THEIRS, SourceError
from referrals.sources.presets import PLATFORMS

#: What a step says of a secret that nobody has given yet.
_OF_YOUR_OWN: Final = "one that you give here with --secret-stdin"
#: Steps are written for the page of a source.
_FIELD: Final = "the field here"
_NO_FIELD: Final = f"Where a step says {_FIELD}, pipe the secret into this command with --secret-stdin."
_LOST: Final = (
    f"{SHOWN_BEFORE} stands for the secret, which was shown when it was made. Where it is lost, "
    "make a new one on the page of the source."
)
_TWO_LIVE: Final = (
    "Two secrets are live, the new one and the one before it. When the platform has the new "
    "one, end the old one on the page of the source."
)
_NO_BASE: Final = (
    "Put this server's address before each path. With PUBLIC_URL in the environment it "
    "stands there."
)


class Command(DiscreetCommand):
    """Create or update a source."""

    help = (
        "Creates or updates a source: the way by which the calls of a platform become "
        "events of an app. Safe to repeat: what is there is updated, what is not said "
        "stays as it is, and a secret that is made is shown only then. A list that is "
        'given replaces the stored one; --event "", --referrer-key "" and --identity "" '
        "give back what the platform's preset says. A secret that the platform makes comes "
        "from standard input, never from the command line, where other users of the "
        "machine could read it; another one than before is accepted beside it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("app", help="the app's short name, such as my-shop")
        parser.add_argument(
            "--platform", required=True, help=f"one of {', '.join(PLATFORMS)}"
        )
        parser.add_argument(
            "--name",
            default="",
            help="which source of that platform, where there are several (default: the "
            "platform's name)",
        )
        _add_choices(parser)
        parser.add_argument(
            "--verifier",
            metavar="JSON",
            help="how calls of a platform of your own are verified, where that is no "
            "secret in a header",
        )
        parser.add_argument(
            "--secret-stdin",
            action="store_true",
            help="read the platform's own secret from standard input",
        )
        parser.add_argument("--json", action="store_true", help="print JSON")

    def handle(
        self,
        *,
        app: str,
        platform: str,
        name: str,
        identity: str | None,
        referrer_key: list[str] | None,
        event: list[str] | None,
        secret_stdin: bool,
        test: bool | None,
        verifier: str | None,
        json: bool,
        **_: object,
    ) -> None:
        """Provision, and print the result."""
        try:
            wanted = WantedSource(
                platform=platform,
                name=name,
                identity=identity if identity is None else identity.strip(),
                referrer_keys=_read_list(referrer_key),
                events=_read_list(event),
                is_test=test,
                verifier=verifier if verifier is None else verifier.strip(),
                secret=_read_secret() if secret_stdin else None,
            )
            provisioned = provision_source(find_live_app(app), wanted)
        except SourceError as error:
            raise CommandError(str(error)) from error
        for warning in provisioned.warnings:
            self.stderr.write(self.style.WARNING(warning))
        if json:
            self.stdout.write(dumps(provisioned.describe()))
        else:
            self.stdout.write("\n".join(_write_lines(provisioned)))


def _add_choices(parser: CommandParser) -> None:
    parser.add_argument(
        "--identity",
        metavar="PROVIDER",
        help="which identity of your users the platform's user IDs are, such as email",
    )
    parser.add_argument(
        "--referrer-key",
        action="append",
        metavar="KEY",
        help="where the referrer's ID stands; repeat it, the first that is there counts",
    )
    parser.add_argument(
        "--event",
        action="append",
        metavar="NAME",
        help="an event that is taken beyond the preset's; repeat it",
    )
    parser.add_argument(
        "--test",
        action=BooleanOptionalAction,
        default=None,
        help="whether all of its events are test events",
    )


def _read_list(texts: list[str] | None) -> tuple[str, ...] | None:
    """Return the texts that were given. One that is empty stands for none."""
    if texts is None:
        return None
    return tuple(text for each in texts if (text := each.strip()))


def _read_secret() -> Secret:
    """Return the secret without blanks and the line end."""
    text = sys.stdin.read().strip() if sys.stdin else ""  # it is None where closed
    if not text:
        message = (
            "No secret came on standard input. Pipe it in, for example from a file."
        )
        raise SourceError(message)
    return Secret(text)


def _write_lines(provisioned: ProvisionedSource) -> Iterator[str]:
    source, made = provisioned.source, provisioned.made.reveal()
    base = settings.PUBLIC_URL
    kind = "test" if source.is_test else "production"
    yield f"Source   {source.name} → {source.app.slug}: {kind}"
    described = provisioned.describe()
    yield f"Address  {base}{described['url']}"
    if described["header"]:
        yield f"Header   {described['header']}"
    if made:
        yield f"Secret   {made}"
        yield "         Keep it: it is not shown again."
    yield ""
    secret = made or (SHOWN_BEFORE if source.secret else _OF_YOUR_OWN)
    steps = write_steps(source, base=base, secret=secret)
    yield from (f"{number}. {step}" for number, step in enumerate(steps, 1))
    notes = [
        *([_NO_FIELD] if any(_FIELD in step for step in steps) else []),
        *([_LOST] if secret == SHOWN_BEFORE and source.preset.secret != THEIRS else []),
        *([_TWO_LIVE] if source.previous_secret else []),
        *([] if base else [_NO_BASE]),
    ]
    yield from ["", *notes] if notes else []
