"""`manage.py import_events APP FILE`: put a file of events into an app's log."""

import csv
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import DatabaseError

from referrals import log
from referrals.import_files import Line, read_csv, read_jsonl
from referrals.ingest.counter import Way
from referrals.log import ArchivedAppError, Result, Status
from referrals.models import App

BATCH = 1000
STDIN = "-"
BAR_CHARACTERS = 30
STOPPERS = (DatabaseError, ArchivedAppError, UnicodeDecodeError, csv.Error)

HELP = """\
Put a file of events into an app's log.

JSONL has one event a line, in the form of POST /v1/events. CSV has the same fields as
columns, with a dot between an object and a field in it; an empty cell is left out:

  id, type, name, occurred_at, via, channel, content, status, test
  user.identities.email, user.identities.custom_id, ... (any provider)
  user.ip, user.device_id, user.advertising_id
  referrer.identities.email, ... (the same as for user)
  event_data.plan, metadata.source, ... (any key; values are texts)
  event_data, metadata, user.identities, referrer.identities (a JSON object in a cell)

Ids make the import idempotent: after an interruption, or after correcting the lines that
were refused, run the same command again. What is stored already counts as duplicate.

Refused lines go to standard error as "line N: POINTER: reason". The exit status is 1 if
a line was rejected or is in conflict with a stored event.
"""


class Command(BaseCommand):
    """Read, append a thousand at a time, and count."""

    help = HELP

    def create_parser(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Django's
        """Keep the line breaks of the help."""
        return super().create_parser(
            *args, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take an app and a file."""
        parser.add_argument("app", metavar="APP", help="The app's slug.")
        parser.add_argument(
            "file", metavar="FILE", help="The file; - is standard input."
        )
        parser.add_argument(
            "--format",
            choices=["jsonl", "csv"],
            help="Without it, a name that ends in .csv means CSV, all else JSONL.",
        )

    def handle(self, *_: object, app: str, file: str, **options: object) -> None:
        """Import the file, and say what became of its lines."""
        target = _app(app)
        counts: Counter[Status] = Counter()
        with ExitStack() as stack:
            opened = _opened(file, stack)
            lines = _lines(opened, options["format"] or Path(file).suffix)
            bar = _Bar(self.stderr, opened)
            try:
                for numbers, results in _imported(target, lines):
                    bar.clear()
                    self._report(numbers, results)
                    counts.update(result.status for result in results)
                    bar.draw(counts.total())
            except STOPPERS as error:
                raise CommandError(_stopped(error, counts)) from error
            finally:
                bar.clear()
        self.stdout.write(_summary(counts))
        if counts[Status.REJECTED] or counts[Status.CONFLICT]:
            sys.exit(1)

    def _report(self, numbers: list[int], results: list[Result]) -> None:
        for number, result in zip(numbers, results, strict=True):
            if result.status in {Status.REJECTED, Status.CONFLICT}:
                where = result.pointer or "/"
                self.stderr.write(f"line {number}: {where}: {result.detail}")


class _Bar:
    """How far the import is, on one line of a terminal; silent elsewhere."""

    def __init__(self, stderr: OutputWrapper, file: BinaryIO) -> None:
        self._stderr = stderr if stderr.isatty() else None
        self._file = file
        self._size = _bytes_left(file)

    def draw(self, events: int) -> None:
        """Show the number of events and, where the size is known, the share."""
        if not self._stderr:
            return
        share = ""
        if self._size:
            done = min(self._file.tell() / self._size, 1)
            filled = round(done * BAR_CHARACTERS)
            share = f"[{'#' * filled:<{BAR_CHARACTERS}}] {done:4.0%} "
        self._stderr.write(f"\r{share}{events:,} events", ending="")

    def clear(self) -> None:
        """Make room for a line of text."""
        if self._stderr:
            self._stderr.write("\r\x1b[K", ending="")


def _bytes_left(file: BinaryIO) -> int:
    """Return the size of a file that was not read yet; 0 for a pipe."""
    if not file.seekable():
        return 0
    start = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(start)
    return end


def _app(slug: str) -> App:
    try:
        return App.objects.get(slug=slug)
    except App.DoesNotExist:
        known = ", ".join(App.objects.values_list("slug", flat=True)[:20]) or "none yet"
        msg = f"There is no app with this name. Apps: {known}."
        raise CommandError(msg) from None


def _opened(name: str, stack: ExitStack) -> BinaryIO:
    if name == STDIN:
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(name).open("rb"))
    except OSError as error:
        msg = f"The file cannot be read: {error.strerror}."
        raise CommandError(msg) from error


def _lines(file: BinaryIO, form: object) -> Iterator[Line]:
    return read_csv(file) if str(form).lower().endswith("csv") else read_jsonl(file)


def _imported(
    app: App, lines: Iterator[Line]
) -> Iterator[tuple[list[int], list[Result]]]:
    """Yield the line numbers and answers of one batch after the other."""
    while batch := list(islice(lines, BATCH)):
        events = [event for _, event in batch]
        yield [n for n, _ in batch], log.append(app, events, way=Way.IMPORT)


def _summary(counts: Counter[Status]) -> str:
    return ", ".join(f"{counts[status]:,} {status}" for status in Status) + "."


def _stopped(error: Exception, counts: Counter[Status]) -> str:
    match error:
        case DatabaseError():
            why = "The database does not answer."
        case UnicodeDecodeError():
            why = "The file is not UTF-8."
        case csv.Error():
            why = f"The file is no CSV: {error}."
        case _:
            why = str(error)
    return (
        f"{why} So far: {_summary(counts)} Once that is mended, run the same command "
        "again: what is stored already counts as duplicate."
    )
