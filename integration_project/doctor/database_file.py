"""SQLite's file: its version, how it is written, and whether it is whole.

Reference: https://www.sqlite.org/pragma.html
"""

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from django.db import connection

from clevertap_sync.process.database_look import find_database_file
from integration_project.doctor.check import Area, Check, State
from referrals.words import format_bytes

#: To look at every page of a larger file takes seconds.
QUICKLY_READ_BYTES: Final = 256_000_000
#: SQLite writes back at 4 MB. A log that is much larger is one that somebody reads all along.
LONG_LOG_BYTES: Final = 200_000_000
_FULL: Final = 2
_OFF: Final = 0

_check = partial(Check, area=Area.DATABASE)


def examine_file() -> Iterator[Check]:
    """Yield the checks of SQLite's file."""
    yield _check(
        code="database_version",
        state=State.OK,
        sentence=f"SQLite {sqlite3.sqlite_version}: for one machine, whose disk stays.",
        values={"version": sqlite3.sqlite_version},
    )
    yield judge_synchronous(_read_number("synchronous"))
    yield judge_journal(_read_text("journal_mode"))
    path = find_database_file()
    log = Path(f"{path}-wal") if path else None
    if log and log.exists():
        yield judge_log(log.stat().st_size)
    yield judge_pages(_read_text("quick_check(1)") if is_quickly_read() else None)


def is_quickly_read() -> bool:
    """Return whether the file is so small that all of it may be read for a page."""
    return _read_number("page_count") * _read_number("page_size") <= QUICKLY_READ_BYTES


def judge_synchronous(level: int) -> Check:
    """Return whether a commit is on the disk when it is answered: PRAGMA synchronous."""
    if level >= _FULL:
        return _check(
            code="database_durable",
            state=State.OK,
            sentence="What is committed is on the disk.",
            values={"synchronous": level},
        )
    lost = "the whole file" if level == _OFF else "accepted events"
    return _check(
        code="database_not_durable",
        state=State.ERROR,
        sentence=f"PRAGMA synchronous is {level}: a loss of power may cost {lost}.",
        remedy="Take `init_command` out of DATABASE_URL: ours is synchronous=FULL.",
        values={"synchronous": level},
    )


def judge_journal(mode: str) -> Check:
    """Return whether readers and the writer leave each other alone: PRAGMA journal_mode."""
    if mode in {"wal", "memory"}:
        return _check(
            code="database_journal",
            state=State.OK,
            sentence="Readers and the one writer do not wait for each other.",
            values={"journal_mode": mode},
        )
    return _check(
        code="database_journal_blocks",
        state=State.WARNING,
        sentence=f"The journal's mode is {mode}: whoever reads stops whoever writes.",
        remedy="Take `init_command` out of DATABASE_URL (ours is journal_mode=WAL), and keep "
        "the file on a local disk, where SQLite can share memory.",
        values={"journal_mode": mode},
    )


def judge_log(size_bytes: int) -> Check:
    """Return whether the write-ahead log is written back into the file."""
    is_long = size_bytes > LONG_LOG_BYTES
    return _check(
        code="database_log_long" if is_long else "database_log",
        state=State.WARNING if is_long else State.OK,
        sentence=f"The write-ahead log has {format_bytes(size_bytes)}"
        + (
            ": a reader that never ends keeps it from being written back."
            if is_long
            else "."
        ),
        remedy="End what reads the file all along, such as a forgotten sqlite3 shell."
        if is_long
        else "",
        values={"log_bytes": size_bytes},
    )


def judge_pages(answer: str | None) -> Check:
    """Return whether the file is whole; None: it was not asked."""
    if answer is None:
        return _check(
            code="database_not_read",
            state=State.INFO,
            sentence="Whether the file is whole was not looked at, since it is large.",
            remedy="Once in a while, run PRAGMA quick_check on a copy.",
        )
    if answer == "ok":
        return _check(
            code="database_whole", state=State.OK, sentence="The file is whole."
        )
    # What it answers may quote what is stored.
    return _check(
        code="database_damaged",
        state=State.ERROR,
        sentence="The file is damaged: PRAGMA quick_check finds faults.",
        remedy="Stop all processes, keep a copy, and restore the last backup, or rescue what "
        "there is with the sqlite3 shell's .recover.",
    )


def _read_number(pragma: str) -> int:
    return int(_read_text(pragma))


def _read_text(pragma: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {pragma}")
        return str(cursor.fetchone()[0])
