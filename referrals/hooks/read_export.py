"""From a row of a platform's export to events, as a call would have become them."""

from collections.abc import Generator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from referrals.hooks.known_sources import KnownSource
from referrals.hooks.receive_call import check_outcome
from referrals.rules import BrokenRuleError
from referrals.schema import EventProblem, IncomingEvent
from referrals.sources.document import Document
from referrals.sources.exports import read_export_row
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.translate import translate_document

Read = IncomingEvent | EventProblem | Ignored


def read_export(
    source: KnownSource,
    rows: Generator[tuple[int, dict[str, Any] | EventProblem], None, None],
) -> Generator[tuple[int, Read], None, None]:
    """Yield what becomes of each numbered row, with its number. Stores nothing.

    A row has as many outcomes as a call with it as its body. What `rows` raises passes.
    """
    with closing(rows):
        for number, row in rows:
            for outcome in read_row(source, row):
                yield number, outcome


def read_row(source: KnownSource, row: dict[str, Any] | EventProblem) -> list[Read]:
    """Return what becomes of a row, or why it was refused. Never raises."""
    if isinstance(row, EventProblem):
        return [row]
    try:
        body = read_export_row(source.platform, row)
    except BrokenRuleError as error:
        return [EventProblem(error.code, error.pointer, error.detail)]
    document = Document(body, _NO_QUERY, _NO_HEADERS, _measure(row))
    outcomes = translate_document(
        document, source.mapping, source.choices, key=source.id_key
    )
    now = datetime.now(UTC)
    return [check_outcome(each, now) for each in outcomes]


_NO_QUERY: Final[dict[str, str | list[str]]] = {}
_NO_HEADERS: Final[dict[str, str]] = {}


def _measure(row: dict[str, Any]) -> int:
    """Return the length in bytes that the work on a row may be as large as."""
    try:
        return len(msgspec.json.encode(row))
    except (ValueError, UnicodeEncodeError):  # half a surrogate pair
        return len(repr(row))
