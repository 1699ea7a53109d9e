"""`manage.py send_sample PUBLIC_ID`: call a source's hook as its platform would."""

from argparse import ArgumentParser

from django.core.management.base import CommandError

from referrals.hooks.send_sample import SampleAnswer, SampleError, send_sample
from referrals.management.arguments import DiscreetCommand
from referrals.models import Source

_MOST_NAMED = 20


class Command(DiscreetCommand):
    """Send a signed sample, and say what became of it."""

    help = (
        "Call a source's hook with a signed sample of its platform, and say what became of "
        "it. Its events are test events with ids of their own, and it does not count as the "
        "platform's first call. The exit status is 1 where the hook did not take it, or an "
        "event was refused."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take a source, and which of the platform's samples goes where."""
        parser.add_argument(
            "public_id", metavar="PUBLIC_ID", help="The source's, as in its address."
        )
        parser.add_argument(
            "--number",
            type=int,
            default=0,
            help="Which of the platform's samples: 0, the first one, unless told.",
        )
        parser.add_argument(
            "--url",
            default="",
            metavar="BASE",
            help="The address of a server on the same database, such as "
            "https://referrals.example.com. Without it, this process answers itself.",
        )

    def handle(
        self, *_: object, public_id: str, number: int, url: str, **__: object
    ) -> None:
        """Send it, print a line for each item, and fail where it was not taken."""
        source = _find_source(public_id)
        try:
            answer = send_sample(source, number, url=url)
        except SampleError as error:
            raise CommandError(str(error)) from None
        if answer.trouble:
            raise CommandError(answer.trouble)
        self._write_items(answer)
        if any(item.is_refused for item in answer.items):
            message = "Not everything of the sample was taken."
            raise CommandError(message)

    def _write_items(self, answer: SampleAnswer) -> None:
        self.stdout.write(f"Sample: {answer.title}")
        for item in answer.items:
            self.stdout.write(f"{item.word}: {item.detail}")


def _find_source(public_id: str) -> Source:
    rows = Source.objects.select_related("app__id_key")
    found = rows.filter(public_id=public_id.replace("\0", "")).first()
    if found is not None:
        return found
    known = [
        f"{each.public_id} ({each})"
        for each in rows.filter(archived_at=None)[:_MOST_NAMED]
    ]
    message = (
        f"No source has this public ID. Sources: {', '.join(known) or 'none yet'}."
    )
    raise CommandError(message)
