"""What became of calls and their items, in words. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referrals import words
from referrals.hooks.last_calls import BUSY, UNREAD
from referrals.ingest.counter import IngestOutcome
from referrals.models import SourceCall
from referrals.refusals import MEANINGS as REFUSED, Code
from referrals.sources.mapping.rules import MEANINGS as IGNORED, Reason
from referrals.sources.verifiers import Check
from referrals.words import Colour

#: What each check that a call did not pass means.
FAILED: Final = {
    Check.NO_SECRET: "the source has no secret yet",
    Check.SECRET_UNREADABLE: "the secret has not the form that is needed",
    Check.HEADER_MISSING: "the header with the signature or the secret is missing",
    Check.HEADER_REPEATED: "the header is there more than once",
    Check.HEADER_MALFORMED: "the header has not the form that is expected",
    Check.SIGNATURE: "the signature is made with another secret, or over another body",
    Check.SECRET: "the secret is missing or wrong",
    Check.TOO_OLD: "the signature is too old",
    Check.AHEAD: "the signature is of a time to come",
}
#: Of outcomes that call for no one: all others are bad news.
_COLOURS: Final[dict[str, Colour]] = {
    IngestOutcome.ACCEPTED: "good",
    IngestOutcome.DUPLICATE: "good",
    IngestOutcome.IGNORED: "idle",
    IngestOutcome.SPOOLED: "busy",
    BUSY: "busy",
}
_WORDS: Final[dict[str, str]] = {
    IngestOutcome.ACCEPTED: "accepted",
    IngestOutcome.DUPLICATE: "duplicate",
    IngestOutcome.IGNORED: "ignored",
    IngestOutcome.REJECTED: "refused",
    IngestOutcome.UNAUTHORISED: "failed the check",
    IngestOutcome.SPOOLED: "kept until the database is back",
    BUSY: "to be sent again: the log was not reached",
    UNREAD: "not read",
}
#: What the log refuses of a source is wrong in the call, or in what the mapping makes of it:
#: the words for whoever writes a backend would lead nowhere.
REFUSED_REMEDY: Final = (
    "Correct what the mapping makes of such a call, or what the platform sends."
)
_UNREADABLE: Final = {"body_unreadable": "the body did not come whole"}


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """What became of some items of a call: "2 ignored", and why."""

    colour: Colour
    words: str
    why: str


@dataclass(frozen=True, slots=True)
class CallLine:
    """One call."""

    at: datetime
    is_sample: bool
    verdicts: tuple[ItemVerdict, ...]


def describe_calls(calls: Iterable[SourceCall]) -> list[CallLine]:
    """Return a line for each call."""
    return [
        CallLine(
            call.at,
            call.is_sample,
            tuple(_describe_items(*each) for each in call.verdict),
        )
        for call in calls
    ]


def explain_ignored(reason: str) -> str:
    """Return what a reason means. A later release may have counted one we do not know."""
    return IGNORED[Reason(reason)] if reason in set(Reason) else reason


def explain_refused(code: str) -> str:
    """Return what a code of a refusal means."""
    return REFUSED[Code(code)] if code in set(Code) else _UNREADABLE.get(code, code)


def explain_failed(check: str) -> str:
    """Return what it means that a call did not pass a check."""
    return FAILED[Check(check)] if check in set(Check) else check


def _describe_items(outcome: str, code: str, number: int) -> ItemVerdict:
    what = _WORDS.get(outcome, outcome)
    return ItemVerdict(
        _COLOURS.get(outcome, "bad"),
        f"{words.format_number(number)} {what}",
        _explain(outcome, code),
    )


def _explain(outcome: str, code: str) -> str:
    if not code:
        return ""
    match outcome:
        case IngestOutcome.DUPLICATE:
            return "an event with this ID and other content is there already"
        case IngestOutcome.IGNORED:
            return explain_ignored(code)
        case IngestOutcome.UNAUTHORISED:
            return explain_failed(code)
    return explain_refused(code)
