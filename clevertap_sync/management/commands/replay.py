"""`manage.py replay`: send dead letters, or a range of the log, again."""

import argparse
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive, make_aware

from clevertap_sync.clevertap.limits import MAX_RECORDS
from clevertap_sync.clevertap.reasons import REASONS
from clevertap_sync.delivery import replay
from clevertap_sync.insight import freshness
from clevertap_sync.models import Integration, Replay
from clevertap_sync.process import doorbell
from referrals import log
from referrals.management.arguments import DiscreetCommand


class Command(DiscreetCommand):
    """Order a replay, after saying what it would do."""

    help = (
        "Send dead letters again (--reason, --letter, --not-found, or --all-reasons), or a range of the "
        "log (--from and --to, positions or instants). CleverTap counts a replayed range "
        "twice. --cancel ends what was ordered."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take dead letters or a range, or a replay to cancel."""
        parser.add_argument("app", help="the app's short name")
        parser.add_argument(
            "--integration",
            default="default",
            help="which of the app's integrations (default: %(default)s)",
        )
        _add_letters(parser)
        parser.add_argument(
            "--cancel",
            type=int,
            metavar="REPLAY",
            help="hand out nothing more of a replay; what is under way is finished",
        )
        parser.add_argument(
            "--from",
            dest="first",
            help="position, or instant such as 2026-01-31T00:00Z",
        )
        parser.add_argument(
            "--to", dest="last", help="position or instant; default: the cursor"
        )
        parser.add_argument(
            "--dry-run",
            action=argparse.BooleanOptionalAction,
            default=False,
            help="say what would be sent, and send nothing (default: %(default)s)",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print the plan; without --dry-run, order it."""
        integration = _integration(options["app"], options["integration"])
        if options["cancel"] is not None:
            self._cancel(integration, options["cancel"])
        elif options["first"]:
            self._replay_range(integration, options)
        else:
            self._replay_letters(integration, options)

    def _replay_letters(
        self, integration: Integration, options: dict[str, Any]
    ) -> None:
        reasons, selection = options["reason"], options["letter"]
        if options["not_found"]:
            chosen = replay.find_not_found(integration)
            selection = [*selection, *chosen.values_list("pk", flat=True)]
            if not selection:
                self.stdout.write("0 records. CleverTap's counts lack none of them.")
                return
        if not (reasons or selection or options["all_reasons"]):
            msg = (
                "Say what to replay: --reason (see delivery_status), --letter, "
                "--not-found, --all-reasons, or --from."
            )
            raise CommandError(msg)
        if unknown := sorted(set(reasons) - set(REASONS)):
            msg = f"There is no reason {', '.join(unknown)}. Known: {', '.join(sorted(REASONS))}."
            raise CommandError(msg)
        letters = replay.find_open_letters(integration, reasons, selection).order_by()
        planned = freshness.measure_letters_freshness(integration.app_id, letters)
        count = planned.total
        plan = f"{count} records in {-(-count // MAX_RECORDS)} uploads."
        twice = [replay.COUNTS_TWICE] if replay.may_count_twice(letters) else []
        found = replay.say_what_was_found(
            replay.count_found(integration, reasons, selection),
            are_chosen=bool(selection),
        )
        self.stdout.write(" ".join([plan, *twice, *found, *planned.sentences]))
        if count and not options["dry_run"]:
            order = replay.replay_letters(
                integration,
                reasons=reasons,
                selection=selection,
                created_by="command line",
            )
            self._ordered(order.pk, integration)

    def _replay_range(self, integration: Integration, options: dict[str, Any]) -> None:
        first = max(1, _position(integration, options["first"], after=True))
        last = integration.cursor
        if options["last"]:
            last = min(last, _position(integration, options["last"], after=False))
        planned = freshness.measure_range_freshness(integration.app_id, first, last)
        count = planned.total
        plan = f"{count} events, positions {first} to {last}."
        said = [plan, replay.COUNTS_TWICE, *planned.sentences]
        self.stdout.write(" ".join(said))
        if count and not options["dry_run"]:
            order = replay.replay_range(
                integration, first=first, last=last, created_by="command line"
            )
            self._ordered(order.pk, integration)

    def _cancel(self, integration: Integration, replay_id: int) -> None:
        running = Replay.objects.filter(
            integration=integration, pk=replay_id, state=Replay.State.RUNNING
        )
        if not running.exists():
            msg = f"No replay {replay_id} of this integration is running."
            raise CommandError(msg)
        replay.cancel_replay(replay_id)
        self.stdout.write(
            f"Cancelled replay {replay_id}. What is under way is finished."
        )

    def _ordered(self, replay_id: int, integration: Integration) -> None:
        doorbell.ring_doorbell(integration.pk)
        self.stdout.write(
            f"Ordered as replay {replay_id}. Follow it with delivery_status."
        )


def _add_letters(parser: CommandParser) -> None:
    """Take the ways to choose dead letters."""
    parser.add_argument(
        "--reason",
        action="append",
        default=[],
        help="dead letters of this reason; may be repeated",
    )
    parser.add_argument(
        "--all-reasons", action="store_true", help="dead letters of every reason"
    )
    parser.add_argument(
        "--letter",
        action="append",
        type=int,
        default=[],
        metavar="NUMBER",
        help="one dead letter, by its number in the admin; may be repeated",
    )
    parser.add_argument(
        "--not-found",
        action="store_true",
        help="those of unknown outcome that CleverTap's counts have not got",
    )


def _integration(slug: str, name: str) -> Integration:
    found = Integration.objects.filter(
        app__slug=slug, name=name, archived_at=None
    ).first()
    if found is None:
        msg = f"App {slug!r} has no integration {name!r}. See delivery_status for those there are."
        raise CommandError(msg)
    return found


def _position(integration: Integration, text: str, *, after: bool) -> int:
    """Return a position from a number, or from an instant of receipt."""
    if text.isdecimal():
        return int(text)
    try:
        instant = parse_datetime(text)
    except ValueError:
        instant = None
    if instant is None:
        msg = f"{text!r} is neither a position nor an instant such as 2026-01-31T00:00:00Z."
        raise CommandError(msg)
    aware = make_aware(instant) if is_naive(instant) else instant
    return log.find_position(integration.app_id, aware) + int(after)
