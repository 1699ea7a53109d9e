"""`manage.py relearn APP`: forget who is who in an app, and learn it from the log anew."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from referrals import history, log, people
from referrals.management.arguments import DiscreetCommand
from referrals.models import App


class Command(DiscreetCommand):
    """Order that an app's people are learned anew, by its workers."""

    help = (
        "Forget who is who in an app, and learn it from its log anew. Workers do it, "
        "beside everything else. What only removed events told is lost; what was marked "
        "as shared by hand stays so, and what is on its way goes out unchanged. Records "
        "that wait go on waiting meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the app."""
        parser.add_argument("app", help="the app's short name")

    def handle(self, *_: Any, app: str, **__: Any) -> None:
        """Order it, record it in the app's history, and say what is lost."""
        found = App.objects.filter(slug=app).first()
        if found is None:
            msg = (
                "There is no app with this short name. The admin lists them under Apps."
            )
            raise CommandError(msg)
        if people.read_rules(found.pk) is None:
            msg = (
                "This app does not learn who is who: it lists no IDs that come before "
                "sign-up, and remembers no referrers. Set these in the admin."
            )
            raise CommandError(msg)
        with transaction.atomic():
            is_ordered = people.relearn(found.pk)
            if is_ordered:
                what = "Ordered that people are learned anew"
                history.record_change(history.COMMAND_LINE, found, what, app=found)
        if not is_ordered:
            self.stdout.write(
                "Nothing has been learned yet: workers begin by themselves."
            )
            return
        tail = log.find_tail(found.pk)
        self.stdout.write(
            f"Workers learn anew from the events {tail} to {log.read_head(found.pk)}."
        )
        if tail > 1:
            self.stdout.write(
                f"What only the events before {tail} told is lost: retention removed them."
            )
