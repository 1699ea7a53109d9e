"""`manage.py doctor`: how everything is, and what to do about what is not well."""

from typing import Any, Final

import msgspec
from django.core.management.base import CommandParser

from integration_project.doctor.check import State
from integration_project.doctor.examination import Examination, examine
from integration_project.doctor.report import render_json, write_lines
from referrals.management.arguments import DiscreetCommand
from referrals.words import make_inert


class Command(DiscreetCommand):
    """Examine the installation. Exits with 1 where something is wrong or unknown."""

    help = (
        "Look at everything that an operator would ask about: database, disk, migrations, "
        "clocks, broker, processes, keys, settings, alerts, backups and delivery, with a "
        "remedy beside each fault. Works while the database or the broker is away. Exits "
        "with 1 where something is an error or could not be looked at."
    )
    # They are looked at, too: a fault there must not hide all others.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Take --json."""
        parser.add_argument(
            "--json", action="store_true", help="print JSON for scripts"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Examine, print, and exit."""
        examination = examine()
        if options["json"]:
            encoded = msgspec.json.encode(render_json(examination))
            self.stdout.write(msgspec.json.format(encoded).decode())
        else:
            self._tell(examination)
        if not examination.is_well:
            raise SystemExit(1)

    def _tell(self, examination: Examination) -> None:
        styles: Final = {
            State.ERROR: self.style.ERROR,
            State.UNKNOWN: self.style.ERROR,
            State.WARNING: self.style.WARNING,
            State.OK: self.style.SUCCESS,
        }
        for state, line in write_lines(examination):
            # The names in it are people's words, and a terminal obeys what it reads.
            told = make_inert(line)
            paint = styles.get(state) if state else None
            self.stdout.write(paint(told) if paint else told)
