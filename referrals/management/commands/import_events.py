"""`manage.py import_events APP FILE`: put a file of events into an app's log."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError, OutputWrapper
from django.db import DatabaseError
from django.db.models import Q

from referrals import log
from referrals.files import (
    SEPARATORS,
    FileError,
    read_csv,
    read_csv_objects,
    read_jsonl,
    read_jsonl_objects,
)
from referrals.files.encodings import is_encoding
from referrals.hooks.known_sources import (
    KnownSource,
    UnreadableSourceError,
    make_known_source,
)
from referrals.hooks.read_export import Read, read_export
from referrals.ingest.counter import WayIn
from referrals.log import ArchivedAppError, Result, Status
from referrals.log.results import make_rejected
from referrals.management.arguments import DiscreetCommand
from referrals.management.import_report import Batch, ImportReport
from referrals.models import App
from referrals.schema import EventProblem, IncomingPerson, list_warnings

BATCH = 1000
STDIN = "-"
BAR_CHARACTERS = 30
SHOWN_NAMES = 20
CSV_SUFFIXES = {".csv", ".tsv", ".tab"}
STOPPERS = (DatabaseError, ArchivedAppError, FileError)
DRY_RUN = (
    "This was a dry run: nothing was stored, and it was not looked up what is in the log "
    "already."
)

#: What a person has beside identities, as the columns of a CSV are called.
_SIGNALS = ", ".join(
    f"user.{name}" for name in IncomingPerson.__struct_fields__ if name != "identities"
)
HELP = f"""\
Put a file of events into an app's log.

JSONL has one event a line, in the form of POST /v1/events. CSV has the same fields as
columns, with a dot between an object and a field in it; an empty cell is left out:

  id, type, name, occurred_at, via, channel, content, status, test
  user.identities.email, user.identities.custom_id, ... (any provider)
  {_SIGNALS}
  referrer.identities.email, ... (the same as for user)
  referrer (the word last: whoever invited the user last)
  event_data.plan, metadata.source, ... (any key; values are texts)
  event_data, metadata, user.identities, referrer.identities (a JSON object in a cell)

The cells of a CSV are separated by commas, semicolons, tabs or bars: the heading shows
which. A file is UTF-8, or what its byte order mark says.

Refused lines go to standard error as "FILE, line N: POINTER: reason", and the others are
stored. What was stored and is probably a mistake is counted below the summary, with its
first lines. Where it is no longer sure what a line is (a quote that is not closed, a byte of
another encoding), the import stops: what comes before is stored, nothing from there on.
Ids make the import idempotent: after correcting the file, or after an interruption, run
the same command again. What is stored already counts as duplicate.

With --source, the file is what a platform has exported, such as AppsFlyer's raw data or
Branch's events: each row becomes what a call of that source would have become. Rows that
are no referral are ignored and counted with the reason; what came by a call already, or
in another content, counts as duplicate.

The exit status is 1 if anything of the file was left out: a line that was refused or that
is in conflict with a stored event, or what comes after the place of a stop.
"""


class Command(DiscreetCommand):
    """Read, append a thousand at a time, and count."""

    help = HELP

    def create_parser(self, *args: Any, **kwargs: Any) -> Any:
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
            help="Without it, a name that ends in .csv, .tsv or .tab means CSV, all else "
            "JSONL.",
        )
        parser.add_argument(
            "--separator",
            type=_read_separator,
            metavar=f"{{{','.join(SEPARATORS)}}}",
            help="What separates the cells of a CSV. Without it, the heading shows it.",
        )
        parser.add_argument(
            "--encoding",
            help="The encoding of a file without a byte order mark, such as cp1252. "
            "Without it, UTF-8.",
        )
        parser.add_argument(
            "--source",
            metavar="NAME",
            help="The file is a platform's export: the name or the public ID of the app's "
            "source that reads it.",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Say what would be stored, and store nothing.",
        )

    def handle(
        self, *_: object, app: str, file: str, dry_run: bool, **options: object
    ) -> None:
        """Import the file, and report refused lines, warnings and counts."""
        target = _find_app(app)
        name = "standard input" if file == STDIN else file
        source = _find_source(target, options["source"])
        report = ImportReport(name, self.stderr, of_source=source is not None)
        append = _try_events if dry_run else partial(_append, of_source=bool(source))
        with ExitStack() as stack:
            opened = _open_file(file, stack)
            lines = _read_lines(opened, file, options, source)
            stack.enter_context(closing(lines))
            bar = _ProgressBar(self.stderr, opened)
            try:
                for batch in _cut_batches(lines):
                    good = report.note_ignored(batch)
                    results = append(target, [event for _, event in good])
                    bar.clear()
                    report.note([number for number, _ in good], results)
                    bar.draw(report.lines)
            except STOPPERS as error:
                self._write_lines(report.list_remarks())
                why = _explain_stop(name, error, report.summarise())
                raise CommandError(why) from error
            finally:
                bar.clear()
        self._write_lines([report.summarise(), *report.list_remarks()])
        if dry_run:
            self.stdout.write(DRY_RUN)
        if report.has_left_out:
            sys.exit(1)

    def _write_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)


class _ProgressBar:
    """How far the import is, on one line of a terminal; silent elsewhere."""

    def __init__(self, stderr: OutputWrapper, file: BinaryIO) -> None:
        self._stderr = stderr if stderr.isatty() else None
        self._file = file
        self._size = _count_bytes_left(file)

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


def _read_separator(text: str) -> str:
    """Return the separator that `text` names or is."""
    separator = SEPARATORS.get(text, text)
    if separator not in SEPARATORS.values():
        msg = f"choose from {', '.join(SEPARATORS)}"
        raise ArgumentTypeError(msg)
    return separator


def _count_bytes_left(file: BinaryIO) -> int:
    """Return the size of a file that was not read yet; 0 for a pipe."""
    if not file.seekable():
        return 0
    start = file.tell()
    end = file.seek(0, os.SEEK_END)
    file.seek(start)
    return end


def _find_app(slug: str) -> App:
    try:
        return App.objects.get(slug=slug)
    except App.DoesNotExist:
        known = ", ".join(App.objects.values_list("slug", flat=True)[:20]) or "none yet"
        msg = f"There is no app with this name. Apps: {known}."
        raise CommandError(msg) from None


def _find_source(app: App, name: object) -> KnownSource | None:
    """Return the live source of that name or public ID; None where none is asked for.

    Raises `CommandError`.
    """
    if name is None:
        return None
    live = app.sources.filter(archived_at=None).select_related("app__id_key")
    found = list(live.filter(Q(name=name) | Q(public_id=name)))
    if len(found) != 1:
        names = live.order_by("name").values_list("name", flat=True).distinct()
        known = ", ".join(names[:SHOWN_NAMES]) or "none yet"
        msg = (
            f"The app has several sources of this name. Give the public ID of one: "
            f"{', '.join(f'{each.public_id} ({each.preset.title})' for each in found)}."
            if found
            else f"The app has no live source of this name. Sources: {known}."
        )
        raise CommandError(msg)
    try:
        return make_known_source(found[0])
    except UnreadableSourceError as error:
        msg = (
            "The source's secret or the key of its events' ids cannot be decrypted. Put the "
            "key that they were saved with back into FIELD_ENCRYPTION_KEYS."
        )
        raise CommandError(msg) from error


def _append(app: App, events: Sequence[Any], *, of_source: bool) -> list[Result]:
    return log.append(app, events, way=WayIn.IMPORT, may_differ=of_source)


def _try_events(app: App, events: Sequence[Any]) -> list[Result]:
    """Return the answers without the log, which alone knows of duplicates."""
    if app.archived_at is not None:
        msg = f"The app {app.slug} is archived: it accepts no events."
        raise ArchivedAppError(msg)
    return [
        make_rejected(index, event)
        if isinstance(event, EventProblem)
        else Result(index, event.id, Status.ACCEPTED, warnings=list_warnings(event))
        for index, event in enumerate(events)
    ]


def _open_file(name: str, stack: ExitStack) -> BinaryIO:
    if name == STDIN:
        if sys.stdin is None:  # closed, as `<&-` does
            msg = "Standard input is closed. Pipe the file in, or give its name."
            raise CommandError(msg)
        return sys.stdin.buffer
    try:
        return stack.enter_context(Path(name).open("rb"))
    except OSError as error:
        msg = f"The file cannot be read: {error.strerror}."
        raise CommandError(msg) from error


def _read_lines(
    file: BinaryIO, name: str, options: Mapping[str, Any], source: KnownSource | None
) -> Generator[tuple[int, Read], None, None]:
    """Return the lines of the file. Raises `CommandError` for options that misfit."""
    encoding, separator = options["encoding"], options["separator"]
    if encoding and not is_encoding(encoding):
        msg = "There is no such encoding. Some are: utf-8, utf-16, cp1252, latin-1."
        raise CommandError(msg)
    is_csv = Path(name).suffix.lower() in CSV_SUFFIXES
    if options["format"]:
        is_csv = options["format"] == "csv"
    if separator and not is_csv:
        msg = "Only a CSV has a separator. Say --format csv if it is one."
        raise CommandError(msg)
    if source is None:
        if is_csv:
            return read_csv(file, encoding=encoding, separator=separator)
        return read_jsonl(file, encoding=encoding)
    rows = (
        read_csv_objects(file, encoding=encoding, separator=separator)
        if is_csv
        else read_jsonl_objects(file, encoding=encoding)
    )
    return read_export(source, rows)


def _cut_batches(lines: Iterator[tuple[int, Read]]) -> Iterator[Batch]:
    """Yield the events, a batch at a time; also the last ones before a `FileError`."""
    batch: Batch = []
    try:
        for line in lines:
            batch.append(line)
            if len(batch) == BATCH:
                yield batch
                batch = []
    except FileError:
        yield batch
        raise
    yield batch


def _explain_stop(name: str, error: Exception, counts: str) -> str:
    match error:
        case FileError():
            why = (
                f"{name}, line {error.line}: /: {error.detail} The import stopped there: "
                "nothing from this line on was imported."
            )
        case DatabaseError():
            why = "The database does not answer."
        case _:
            why = str(error)
    return (
        f"{why} Imported before that: {counts} Fix that, and run the same command "
        "again: what is stored already counts as duplicate."
    )
