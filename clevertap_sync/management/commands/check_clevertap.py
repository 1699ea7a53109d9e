"""`manage.py check_clevertap`: does CleverTap take the credentials? The admin's check."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clevertap_sync import checkup
from clevertap_sync.connection import Diagnosis
from clevertap_sync.models import Integration


class Command(BaseCommand):
    """Send one dry run per integration. Exits with 1 where one is not good."""

    help = (
        "Check with a dry run whether CleverTap takes each integration's credentials. "
        "Nothing is stored there. Exits with 1 where one does not work."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the app."""
        parser.add_argument("app", nargs="?", help="the app's short name; default: all")

    def handle(self, *_: Any, app: str | None, **__: Any) -> None:  # noqa: ANN401 - Django's signature
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
        diagnosis = checkup.check(integration)
        name = f"{integration.app.slug} / {integration.name}"
        self.stdout.write(f"{name}: {diagnosis.title}")
        if diagnosis.evidence:
            self.stdout.write(f"  seen: {diagnosis.evidence}")
        if not diagnosis.is_good:
            self.stdout.write(f"  to do: {diagnosis.remedy}")
        return diagnosis
