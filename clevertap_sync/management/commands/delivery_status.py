"""`manage.py delivery_status`: the state of each integration, and its books."""

from typing import Any

import msgspec
from django.core.management.base import CommandParser

from clevertap_sync import insight
from clevertap_sync.clevertap.hold_reasons import describe_hold
from clevertap_sync.clevertap.unknown_causes import describe_cause
from clevertap_sync.insight import HoldStatus, IntegrationStatus
from clevertap_sync.insight.parked_letters import ParkedLetters
from referrals.management.arguments import DiscreetCommand


class Command(DiscreetCommand):
    """Print the delivery status. Exits with 1 if the books of one do not balance."""

    help = (
        "Show where each integration stands; exit with 1 if its books do not balance."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --json."""
        parser.add_argument(
            "--json", action="store_true", help="print JSON for scripts"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Print the status, and exit."""
        statuses = insight.read_statuses()
        if options["json"]:
            shown = [status.as_json() for status in statuses]
            self.stdout.write(msgspec.json.format(msgspec.json.encode(shown)).decode())
        else:
            self._tell(statuses)
        if not all(status.balanced for status in statuses):
            raise SystemExit(1)

    def _tell(self, statuses: list[IntegrationStatus]) -> None:
        if not statuses:
            self.stdout.write(
                "No integration yet. Create one in the admin, or with `provision`."
            )
        for status in statuses:
            names = [name for name in (status.app, status.integration) if name]
            self.stdout.write(" / ".join(names) or "This installation")
            findings = [
                (each.severity.value, each.sentence) for each in status.findings
            ]
            numbers = _numbers(status) if status.integration else []
            for label, value in (*numbers, *findings):
                self.stdout.write(f"  {label:<18}{value}")


def _describe_hold(hold: HoldStatus) -> str:
    told = f"{hold.reason} since {hold.since}"
    # A hold without a time of its own is ended by a person.
    has_time = hold.until and hold.since and hold.until > hold.since
    return f"{told}, next try {hold.until}" if has_time else told


def _numbers(status: IntegrationStatus) -> list[tuple[str, str]]:
    dead = ", ".join(f"{reason} {n}" for reason, n in status.dead_letters.items())
    hold = status.hold
    lines = [
        ("head, cursor", f"{status.head}, {status.cursor}"),
        ("backlog", f"{status.backlog} events, lag {status.lag_seconds:.1f} s"),
        ("in flight", f"{status.in_flight} records"),
        ("queued", f"{status.queued} records"),
        ("delivered", f"{status.delivered} records"),
        ("dead letters", dead or "none"),
        *_waits(status),
        *_seen(status),
        ("held", _describe_hold(hold) if hold else "no"),
        *([("", " ".join(describe_hold(hold.reason, hold.cause)))] if hold else []),
        ("unknown outcomes", str(status.unknown_outcomes)),
        *_doubts(status),
        ("balanced", "yes" if status.balanced else "NO"),
    ]
    return lines + [("", sentence) for sentence in status.imbalances]


def _doubts(status: IntegrationStatus) -> list[tuple[str, str]]:
    """Return why outcomes are unknown lately, and what was found of what was given up."""
    causes = [
        describe_cause(code).format_number(count)
        for code, count in status.unknown_causes.items()
    ]
    lines = [("", f"of the last 30 days: {', '.join(causes)}")] if causes else []
    parked = ParkedLetters(**status.parked_letters).sentence
    return [*lines, *([("", parked)] if parked else [])]


def _seen(status: IntegrationStatus) -> list[tuple[str, str]]:
    """Return the line about what CleverTap counts, where that is compared."""
    seen = status.clevertap
    if seen is None:
        return []
    if seen.day is None:
        return [("CleverTap counts", "nothing compared yet")]
    causes = ", ".join(f"{code} {size:+,}" for code, size in seen.causes.items())
    parts = [
        f"{seen.counted:,} of {seen.delivered:,} delivered of {seen.day}",
        *([f"{seen.different} names differ: {causes}"] if seen.different else []),
        *([f"{seen.in_doubt} names in doubt"] if seen.in_doubt else []),
        *([f"{seen.not_compared} names not compared"] if seen.not_compared else []),
    ]
    return [("CleverTap counts", "; ".join(parts))]


def _waits(status: IntegrationStatus) -> list[tuple[str, str]]:
    """Return the lines about what waits for a person, where anything ever did."""
    if not (status.waiting or status.revived or status.expired):
        return []
    waiting = ", ".join(f"{reason} {n}" for reason, n in status.waiting.items())
    ended = f"{status.revived} delivered, {status.expired} in vain"
    return [("waiting", waiting or "none"), ("waited", ended)]
