"""`manage.py import_events APP FILE`: put a file of events into an app's log."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandError, OutputWrapper
from django.db import DatabaseError

from referrals import log
from referrals.files import SEPARATORS, FileError, NumberedEvent, read_csv, read_jsonl
from referrals.files.encodings import is_encoding
from referrals.ingest.counter import WayIn
from referrals.log import ArchivedAppError, Result, Status
from referrals.management.arguments import DiscreetCommand
from referrals.models import App
from referrals.schema import IncomingPerson

BATCH = 1000
STDIN = "-"
BAR_CHARACTERS = 30
SHOWN_LINES = 5
#: Warnings that name their fields may all be different ones.
SHOWN_WARNINGS = 20
CSV_SUFFIXES = {".csv", ".tsv", ".tab"}
STOPPERS = (DatabaseError, ArchivedAppError, FileError)

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

    def handle(self, *_: object, app: str, file: str, **options: object) -> None:
        """Import the file, and report refused lines, warnings and counts."""
        target = _find_app(app)
        name = "standard input" if file == STDIN else file
        counts: Counter[Status] = Counter()
        warnings = _Warnings()
        with ExitStack() as stack:
            opened = _open_file(file, stack)
            lines = stack.enter_context(closing(_read_events(opened, file, options)))
            bar = _ProgressBar(self.stderr, opened)
            try:
                for batch in _cut_batches(lines):
                    numbers = [number for number, _ in batch]
                    events = [event for _, event in batch]
                    results = log.append(target, events, way=WayIn.IMPORT)
                    bar.clear()
                    self._report(name, numbers, results)
                    counts.update(result.status for result in results)
                    warnings.note(numbers, results)
                    bar.draw(counts.total())
            except STOPPERS as error:
                self._write_lines(warnings.summary())
                raise CommandError(_explain_stop(name, error, counts)) from error
            finally:
                bar.clear()
        self._write_lines([_summarise(counts), *warnings.summary()])
        if counts[Status.REJECTED] or counts[Status.CONFLICT]:
            sys.exit(1)

    def _write_lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.stdout.write(line)

    def _report(self, name: str, numbers: list[int], results: list[Result]) -> None:
        for number, result in zip(numbers, results, strict=True):
            if result.status in {Status.REJECTED, Status.CONFLICT}:
                where = result.pointer or "/"
                self.stderr.write(f"{name}, line {number}: {where}: {result.detail}")


class _Warnings:
    """The warnings of stored events: how often each came, and on which lines first."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lines: dict[str, list[int]] = {}
        self._others = 0

    def note(self, numbers: Sequence[int], results: Sequence[Result]) -> None:
        """Count the warnings of a batch."""
        for number, result in zip(numbers, results, strict=True):
            for warning in result.warnings:
                self._count(warning, number)

    def summary(self) -> Iterator[str]:
        """Yield a sentence for each warning, the most frequent first."""
        for warning, count in self._counts.most_common():
            lines = ", ".join(f"{line:,}" for line in self._lines[warning])
            more = ", …" if count > SHOWN_LINES else ""
            word = "line" if count == 1 else "lines"
            yield f"Warning of {count:,} on {word} {lines}{more}: {warning}"
        if self._others:
            yield f"Warnings of other kinds: {self._others:,}."

    def _count(self, warning: str, number: int) -> None:
        if warning not in self._counts and len(self._counts) == SHOWN_WARNINGS:
            self._others += 1
            return
        self._counts[warning] += 1
        lines = self._lines.setdefault(warning, [])
        if len(lines) < SHOWN_LINES:
            lines.append(number)


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


def _read_events(
    file: BinaryIO, name: str, options: Mapping[str, Any]
) -> Generator[NumberedEvent, None, None]:
    """Return the events of the file. Raises `CommandError` for options that misfit."""
    encoding, separator = options["encoding"], options["separator"]
    if encoding and not is_encoding(encoding):
        msg = "There is no such encoding. Some are: utf-8, utf-16, cp1252, latin-1."
        raise CommandError(msg)
    is_csv = Path(name).suffix.lower() in CSV_SUFFIXES
    if options["format"]:
        is_csv = options["format"] == "csv"
    if is_csv:
        return read_csv(file, encoding=encoding, separator=separator)
    if separator:
        msg = "Only a CSV has a separator. Say --format csv if it is one."
        raise CommandError(msg)
    return read_jsonl(file, encoding=encoding)


def _cut_batches(lines: Iterator[NumberedEvent]) -> Iterator[list[NumberedEvent]]:
    """Yield the events, a batch at a time; also the last ones before a `FileError`."""
    batch: list[NumberedEvent] = []
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


def _summarise(counts: Counter[Status]) -> str:
    return ", ".join(f"{counts[status]:,} {status}" for status in Status) + "."


def _explain_stop(name: str, error: Exception, counts: Counter[Status]) -> str:
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
        f"{why} Imported before that: {_summarise(counts)} Fix that, and run the same command "
        "again: what is stored already counts as duplicate."
    )
