"""Who is who, as `PUT /v1/people` takes it: each person becomes an event of type identify.

Its id is a keyed hash of what was sent, the API key and the hour, so that telling the same
again adds nothing to the log. With the key, nobody who guesses learns by `duplicate` what
another caller has told.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from referrals import diagnosis, hashing, rules
from referrals.api.body_pieces import Piece, cut_body, make_listing
from referrals.api.lenient_text import LenientText
from referrals.learning.blocklist import MAX_CHARACTERS, is_blocked
from referrals.learning.mentions import PeopleRules
from referrals.models import ApiKey
from referrals.refusals import Code
from referrals.repeated_keys import find_repeated_key
from referrals.rules import BrokenRuleError, extend_pointer
from referrals.schema import EventProblem, IncomingEvent, check_object
from referrals.vocabulary import EventType

#: What the id of such an event begins with.
ID_PREFIX: Final = "people."
NOTHING_LEARNED: Final = (
    "This app does not learn who is who yet. It is kept, and learned once somebody lists IDs "
    "that come before sign-up, or lets referrers be remembered, on the app's page in the admin."
)
_TIES_NOTHING: Final = (
    "This app learns of one of these IDs alone, so that nothing is tied together yet. It is "
    "kept, and learned once somebody lists another of them as an ID that comes before sign-up, "
    "on the app's page in the admin. Check how their providers are spelt."
)
_HOUR: Final = "%Y%m%d%H"
_A_PAIR: Final = 2
_PEOPLE: Final = make_listing("people", "person")
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class IncomingLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """IDs that belong to one person, as they are sent. `null` means left out."""

    identities: dict[str, str | None]
    test: bool | None = False

    def __repr__(self) -> str:
        """Name the providers only: printed values end up in logs."""
        return f"IncomingLink({', '.join(self.identities)})"


_decoder: Final = msgspec.json.Decoder(IncomingLink)


def decode_people(
    media_type: str,
    body: bytes,
    key: ApiKey,
    learned: PeopleRules | None,
    *,
    now: datetime | None = None,
) -> list[IncomingEvent | EventProblem]:
    """Return the people of a body in order: each as an event, or with its problem.

    `learned` are the rules by which the app learns; without any, every provider will do.
    Raises `ProblemError`: 400 not JSON, 413 too many, 422 neither a person nor a list.
    """
    fingerprint = hashing.make_fingerprinter(key.app_id)
    hour = (now or datetime.now(UTC)).strftime(_HOUR)

    def make_id(link: IncomingLink) -> str:
        return ID_PREFIX + fingerprint(_encode((ID_PREFIX, key.pk, hour, link)))

    return [
        _make_event(piece, make_id, learned)
        for piece in cut_body(media_type, body, _PEOPLE)
    ]


def find_warnings(
    links: Sequence[IncomingEvent | EventProblem], learned: PeopleRules | None
) -> list[tuple[str, ...]]:
    """Return what to tell the sender of each of what `decode_people` returned."""
    if learned is None:
        return [(NOTHING_LEARNED,)] * len(links)
    taught = learned.loose.union(learned.keys)
    return [
        (_TIES_NOTHING,)
        if isinstance(link, IncomingEvent)
        and link.user is not None
        and len(_find_usable(link.user.identities or {}) & taught) < _A_PAIR
        else ()
        for link in links
    ]


def _make_event(
    piece: Piece, make_id: Callable[[IncomingLink], str], learned: PeopleRules | None
) -> IncomingEvent | EventProblem:
    try:
        link = _read_link(piece)
        _check_usable(link.identities, learned)
    except BrokenRuleError as error:
        return EventProblem(error.code, error.pointer, error.detail)
    event = check_object(
        {
            "id": make_id(link),
            "type": EventType.IDENTIFY,
            "user": {"identities": link.identities},
            "test": bool(link.test),
        }
    )
    if isinstance(event, EventProblem):
        pointer = event.pointer.removeprefix("/user")
        return msgspec.structs.replace(event, pointer=pointer, id=None)
    return event


def _read_link(piece: Piece) -> IncomingLink:
    """Return the person that a piece holds. Raises `BrokenRuleError`."""
    raw = bytes(piece.text if isinstance(piece, LenientText) else piece)
    rules.check_size(len(raw))
    rules.check_values(raw)
    try:
        if isinstance(piece, LenientText):
            # Its NaN, or its half of a pair, is what this refuses.
            rules.check_tree("", piece.load())
        link = _decoder.decode(raw)
        repeated = find_repeated_key(raw)
    except (ValueError, RecursionError) as error:
        raise _explain(error, raw) from error
    if repeated is not None:
        raise BrokenRuleError(
            code=Code.REPEATED_KEY, at=repeated, detail=rules.REPEATED_KEY_RULE
        )
    return IncomingLink(
        {name: value for name, value in link.identities.items() if value is not None},
        link.test or False,
    )


def _explain(error: Exception, raw: bytes) -> BrokenRuleError:
    refused = diagnosis.explain_refusal(error, raw)
    if refused.code is not Code.UNKNOWN_FIELD:
        return refused
    return BrokenRuleError(
        code=refused.code,
        at=refused.pointer,
        detail="A person has identities, and perhaps test, and no other field. IDs belong "
        "into identities.",
    )


def _check_usable(
    identities: Mapping[str, str | None], learned: PeopleRules | None
) -> None:
    """Refuse what ties nothing: fewer than two IDs, or none that names one person."""
    usable = _find_usable(identities)
    if len(usable) < _A_PAIR:
        raise _make_refusal(identities)
    if learned is not None and usable.isdisjoint(learned.keys):
        raise BrokenRuleError(
            code=Code.NO_LINK,
            at="/identities",
            detail="None of these IDs names one person, so that they tie nothing together. "
            f"Send one of these beside them: {', '.join(learned.keys)}.",
        )


def _find_usable(identities: Mapping[str, str | None]) -> set[str]:
    """Return the providers, folded, whose values name somebody.

    Not one that stands there in two spellings: nobody knows which of them counts.
    """
    spellings = Counter(map(str.casefold, identities))
    return {
        folded
        for provider, value in identities.items()
        if value
        and not is_blocked(value)
        and spellings[folded := provider.casefold()] == 1
    }


def _make_refusal(identities: Mapping[str, str | None]) -> BrokenRuleError:
    for provider, value in identities.items():
        if value and is_blocked(value):
            return BrokenRuleError(
                code=Code.BAD_IDENTITY,
                at=extend_pointer("/identities", provider),
                detail="Nobody can be known by this value: programs send it where an ID is "
                f"missing, or it has more than {MAX_CHARACTERS} characters. Send nothing "
                "where there are not two IDs.",
            )
    return BrokenRuleError(
        code=Code.NO_LINK,
        at="/identities",
        detail="Send two IDs or more of one person: one alone ties nothing together. "
        "A provider in two spellings, such as email and Email, counts for none.",
    )
