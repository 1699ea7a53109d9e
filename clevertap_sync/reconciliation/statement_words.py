"""A statement in words, for the command line: what CleverTap counts, and why not the same."""

from typing import Any, Final

from clevertap_sync.clevertap.causes.repeat import spell_query
from clevertap_sync.insight.seen_failures import NO_SCHEMA
from clevertap_sync.models import Statement
from referrals.words import format_count

NOT_COMPARED: Final = "Not compared: CleverTap was not asked, or did not say."


def describe_statement(statement: Statement, *, lacks_schema: bool = False) -> str:
    """Return in one or more sentences what is known of a name on a day.

    `lacks_schema` says that CleverTap has not shown the account's.
    """
    difference = statement.difference
    if difference is None:
        return NOT_COMPARED
    if difference == 0:
        return "CleverTap counts as many as were delivered."
    what = _describe_size(difference)
    said = [f"CleverTap counts {what} than were delivered."]
    said += [str(cause["sentence"]) for cause in statement.causes]
    if lacks_schema and statement.unexplained < 0:
        said.append(NO_SCHEMA)
    return " ".join([*said, *_describe_rest(statement)])


def list_codes(statement: Statement) -> list[str]:
    """Return the codes of what explains the difference, as they were taken off."""
    causes: list[dict[str, Any]] = statement.causes
    return list(dict.fromkeys(str(cause["code"]) for cause in causes))


def _describe_rest(statement: Statement) -> list[str]:
    if not statement.unexplained:
        return []
    of_these = " of these" if statement.causes else ""
    what = f"Nothing explains {_describe_size(statement.unexplained)}{of_these}."
    query = spell_query(statement.name, statement.day)
    return [
        what,
        "Look at the Error Stream in CleverTap, and ask once more:",
        f"POST /1/counts/events.json {query}",
    ]


def _describe_size(size: int) -> str:
    return f"{format_count(abs(size), 'record')} {'fewer' if size < 0 else 'more'}"
