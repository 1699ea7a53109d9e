"""`manage.py forget`: erase one person, and never send anything about them again."""

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from clevertap_sync.delivery.erasure import (
    erasure_orders,
    erasure_words,
    known_others,
    profile_deletion,
)
from clevertap_sync.delivery.erasure.erasure_orders import ErasureState
from clevertap_sync.delivery.erasure.known_others import KnownOther
from referrals.identity import Identity, UnreadableIdentityError, parse_identity
from referrals.management.arguments import DiscreetCommand
from referrals.models import App, ErasureRequest

POLL_SECONDS = 0.25


class Command(DiscreetCommand):
    """Suppress, erase, and delete in CleverTap where that is asked for."""

    help = erasure_words.HELP

    def create_parser(self, *args: Any, **kwargs: Any) -> Any:
        """Keep the line breaks of the help."""
        kwargs["formatter_class"] = argparse.RawDescriptionHelpFormatter
        return super().create_parser(*args, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Take an app, and the person's identities."""
        parser.add_argument("app", metavar="APP", help="the app's short name")
        parser.add_argument(
            "--identity",
            action="append",
            default=[],
            metavar="PROVIDER=VALUE",
            help="one of the person's identities; may be repeated",
        )
        parser.add_argument(
            "--stdin",
            action="store_true",
            help="read further identities from standard input, one a line, so that "
            "they stand in no shell's history",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="say what would be touched"
        )
        parser.add_argument(
            "--including-others",
            action="store_true",
            help="take along what else the person is known by in this app, as --dry-run "
            "lists it; never what is shared with somebody else",
        )
        parser.add_argument(
            "--delete-in-clevertap",
            action="store_true",
            help="ask CleverTap to delete the person's profile and events",
        )
        parser.add_argument(
            "--lift",
            action="store_true",
            help="instead: the person agrees again, so send their later events",
        )
        parser.add_argument(
            "--json", action="store_true", help="print JSON for scripts"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Lift, plan or erase, and print the result."""
        self._json = options["json"]
        app = _app(options["app"])
        identities = _identities(options["identity"], stdin=options["stdin"])
        try:
            if options["lift"]:
                self._lift(app, identities)
                return
            including = (
                known_others.find_known_others(app, identities)
                if options["including_others"]
                else []
            )
            if options["dry_run"]:
                self._plan(app, identities, including)
            else:
                delete = options["delete_in_clevertap"]
                self._forget(app, identities, including, delete=delete)
        except DatabaseError as error:
            self._clear()
            msg = "The database does not answer. Run the command again: it goes on where it stopped."
            raise CommandError(msg) from error

    def _lift(self, app: App, identities: list[Identity]) -> None:
        lifted = erasure_orders.lift_suppressions(app, identities)
        self._print(
            {"app": app.slug, "lifted": lifted},
            erasure_words.describe_lifting(identities, lifted),
        )

    def _plan(
        self, app: App, identities: list[Identity], including: list[KnownOther]
    ) -> None:
        plan = erasure_orders.plan_erasure(
            app, identities, including=including, progress=self._progress
        )
        self._clear()
        shown = erasure_words.render_plan_json(app, identities, plan)
        self._print(shown, erasure_words.describe_plan(app, identities, plan))

    def _forget(
        self,
        app: App,
        identities: list[Identity],
        including: list[KnownOther],
        *,
        delete: bool,
    ) -> None:
        order = erasure_orders.order_erasure(
            app, identities, including=including, requested_by="command line"
        )
        identities = [*identities, *erasure_orders.list_own(including)]
        order = self._advance(order)
        self._clear()
        is_done = order.state == ErasureState.DONE
        deletions = (
            profile_deletion.delete_profiles(app, identities)
            if is_done and delete
            else []
        )
        shown = erasure_words.render_order_json(app, identities, order)
        if delete:
            shown["clevertap"] = list(
                map(erasure_words.render_deletion_json, deletions)
            )
        words = [
            erasure_words.describe_order(identities, order),
            "",
            erasure_words.KEPT,
        ]
        words += erasure_words.describe_deletions(
            deletions, asked=delete, is_done=is_done
        )
        self._print(shown, "\n".join(words).strip())
        are_accepted = all(each.outcome == "accepted" for each in deletions)
        if delete and not (is_done and are_accepted):
            raise SystemExit(1)

    def _advance(self, order: ErasureRequest) -> ErasureRequest:
        """Advance the erasure until it is done, or has to wait for uploads of other workers."""
        ends_at = time.monotonic() + settings.LEASE_SECONDS + 1
        is_worth_it = True
        while True:
            order = erasure_orders.advance_erasure(order, progress=self._progress)
            if order.state == ErasureState.DONE:
                return order
            if order.state == ErasureState.WAITING:
                if not is_worth_it:
                    return order
                self._say(f"Waiting for {order.uploads_waiting} uploads under way …")
                is_worth_it = (
                    time.monotonic() < ends_at and erasure_orders.is_under_way(order)
                )
                time.sleep(POLL_SECONDS if is_worth_it else 0)

    def _progress(self, reached: int, head: int) -> None:
        self._say(f"{reached:,} of {head:,} events")

    def _say(self, words: str) -> None:
        """Show the progress on one line of a terminal."""
        if self.stderr.isatty():
            self.stderr.write(f"\r\x1b[K{words}", ending="")

    def _clear(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[K", ending="")

    def _print(self, shown: dict[str, Any], words: str) -> None:
        if self._json:
            words = msgspec.json.format(msgspec.json.encode(shown)).decode()
        self.stdout.write(words)


def _app(slug: str) -> App:
    found = App.objects.filter(slug=slug).first()
    if found is None:
        known = ", ".join(App.objects.values_list("slug", flat=True)[:20]) or "none yet"
        msg = f"There is no app with this name. Apps: {known}."
        raise CommandError(msg)
    return found


def _identities(given: Sequence[str], *, stdin: bool) -> list[Identity]:
    # A closed standard input is None.
    given_there = sys.stdin if stdin and sys.stdin else ()
    lines = [line.rstrip("\r\n") for line in given_there]
    try:
        found = [parse_identity(text) for text in (*given, *filter(None, lines))]
    except UnreadableIdentityError as error:
        raise CommandError(str(error)) from None
    if not found:
        msg = "Say who is meant: --identity PROVIDER=VALUE, or --stdin."
        raise CommandError(msg)
    return list(dict.fromkeys(found))
