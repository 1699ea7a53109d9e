"""`manage.py check_clevertap`: the admin's check, on the command line.

Does CleverTap take the credentials, does the passcode expire, are the users known?
"""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from clevertap_sync.clevertap.connection_check import Diagnosis
from clevertap_sync.delivery import check_integration
from clevertap_sync.insight.match_rate import measure_match_rate
from clevertap_sync.insight.passcode_expiry import find_expiry
from clevertap_sync.models import Integration
from referrals.management.arguments import DiscreetCommand


class Command(DiscreetCommand):
    """Ask CleverTap for each integration. Exits with 1 where its credentials are not good."""

    help = (
        "Check with a dry run whether CleverTap takes each integration's credentials, and "
        "how many of the newest users it knows. Nothing is stored there. Exits with 1 "
        "where credentials do not work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the app, or none for all."""
        parser.add_argument("app", nargs="?", help="the app's short name; default: all")

    def handle(self, *_: Any, app: str | None, **__: Any) -> None:
        """Check, print, and exit."""
        found = Integration.objects.filter(archived_at=None)
        if app:
            found = found.filter(app__slug=app)
        integrations = list(found.select_related("app", "account"))
        if not integrations:
            msg = (
                "There is no such integration. See delivery_status for those there are."
            )
            raise CommandError(msg)
        diagnoses = [self._check(integration) for integration in integrations]
        if not all(diagnosis.is_good for diagnosis in diagnoses):
            raise SystemExit(1)

    def _check(self, integration: Integration) -> Diagnosis:
        diagnosis = check_integration.check_connection(integration)
        name = f"{integration.app.slug} / {integration.name}"
        self.stdout.write(f"{name}: {diagnosis.title}")
        if diagnosis.evidence:
            self.stdout.write(f"  seen: {diagnosis.evidence}")
        if not diagnosis.is_good:
            self.stdout.write(f"  to do: {diagnosis.remedy}")
        expiry = find_expiry(integration, datetime.now(UTC))
        if expiry is not None:
            self.stdout.write(f"  passcode: {expiry.sentence} {expiry.remedy}")
        if diagnosis.is_good:
            self._tell_match_rate(integration)
        return diagnosis

    def _tell_match_rate(self, integration: Integration) -> None:
        credentials = check_integration.find_credentials_or_diagnosis(integration)
        if isinstance(credentials, Diagnosis):
            return
        provider = integration.identity_provider
        rate = measure_match_rate(integration.app_id, provider, credentials)
        self.stdout.write(f"  users: {rate.title} {rate.remedy}")
        for match in (rate.chosen, *rate.others) if rate.people else ():
            self.stdout.write(
                f"    {match.provider}: {match.known} known, {match.unknown} not known, "
                f"{match.unanswered} without an answer"
            )
        if integration.identities_are_doubted:
            self.stdout.write("  held: until a person confirms the users in the admin")
