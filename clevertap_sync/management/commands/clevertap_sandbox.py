"""`manage.py clevertap_sandbox`: the sandbox alone, in the foreground."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from clevertap_sync.sandbox import cli


class Command(BaseCommand):
    """Runs a strict stand-in for CleverTap's API on 127.0.0.1."""

    help = "Run a strict stand-in for CleverTap's API, to try the product without an account."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the sandbox's options."""
        cli.add_arguments(parser)

    def handle(self, *_: object, **options: Any) -> None:
        """Serve until Ctrl-C or SIGTERM."""
        try:
            cli.run(
                port=options["port"],
                location=options["location"],
                ledger=options["ledger"],
                keep=options["keep"],
                write=self._write,
            )
        except OSError as exc:
            msg = f"The sandbox could not start: {exc}. Choose another --port or --ledger."
            raise CommandError(msg) from exc

    def _write(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()
