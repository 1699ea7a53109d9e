"""What became of calls and their items, in words. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from referrals import words
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
    Check.SECRET: "the secret is missing, or another one",
    Check.TOO_OLD: "the signature is too old",
    Check.AHEAD: "the signature is of a time to come",
}
_ACCEPTED: Final = "accepted"
_DUPLICATE: Final = "duplicate"
_IGNORED: Final = "ignored"
_COLOURS: Final[dict[str, Colour]] = {
    _ACCEPTED: "good",
    _DUPLICATE: "good",
    _IGNORED: "idle",
    "spooled": "busy",
}
_WORDS: Final = {
    _ACCEPTED: "accepted",
    _DUPLICATE: "duplicate",
    _IGNORED: "ignored",
    "rejected": "refused",
    "spooled": "kept until the database is back",
    "lost": "lost: neither database nor spool took it",
}


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
    return REFUSED[Code(code)] if code in set(Code) else code


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
    if outcome == _DUPLICATE:
        return "an event with this ID and other content is there already"
    return explain_ignored(code) if outcome == _IGNORED else explain_refused(code)
