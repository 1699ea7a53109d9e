"""Looks up which people CleverTap knows, a few at a time, within one deadline.

Pure: imports no framework. A look-up stores nothing, and results hold no identity but
those of the profiles that were asked for.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, NamedTuple, TypeAlias

from clevertap_sync.clevertap.client import Client
from clevertap_sync.clevertap.connection_check import Credentials
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    CredentialsError,
    NotSentError,
)

#: Reference: https://developer.clevertap.com/docs/api-request-limit
IN_FLIGHT: Final = 3
#: A person or an upload waits for the answer.
LOOK_UP_SECONDS: Final = 8.0
#: With less time left, no request is sent.
_SHORTEST_SECONDS: Final = 0.05

#: For these an upload is refused as well.
_REFUSED: Final = (AuthenticationError, CredentialsError)

#: A profile; None where CleverTap knows no such user; the error where it did not say.
FoundProfile: TypeAlias = dict[str, Any] | CleverTapError | None


class AskedPerson(NamedTuple):
    """A person to look up. An object ID is CleverTap's own ID of a user."""

    identity: str
    object_id: bool = False

    def __repr__(self) -> str:
        return "Asked(…)"


@dataclass(frozen=True, slots=True)
class KnownCounts:
    """How many of the people looked up CleverTap knows.

    `other_case` counts those of the unknown that it knows in another letter case, and
    `refused` those of the unanswered whose request failed because of the credentials.
    """

    known: int = 0
    unknown: int = 0
    other_case: int = 0
    unanswered: int = 0
    refused: int = 0


def count_known_people(
    credentials: Credentials, asked: Sequence[AskedPerson], *, until: float
) -> KnownCounts:
    """Look up each person, and each unknown one again in the other letter case.

    Ends by `until`, an instant of `time.monotonic()`. No answer of CleverTap raises an
    error.
    """
    found = look_up_profiles(credentials, asked, until=until)
    answers = [is_known(each) for each in found]
    unknown = [
        each for each, known in zip(asked, answers, strict=True) if known is False
    ]
    again = [other for each in unknown if (other := change_case(each))]
    found_again = look_up_profiles(credentials, again, until=until)
    return KnownCounts(
        known=answers.count(True),
        unknown=answers.count(False),
        other_case=sum(is_known(each) is True for each in found_again),
        unanswered=answers.count(None),
        refused=sum(isinstance(each, _REFUSED) for each in found),
    )


def change_case(asked: AskedPerson) -> AskedPerson | None:
    """Return another spelling in which CleverTap may know the person; None without one.

    That is the identity in lower case, or in upper case if it has no capitals. A
    lower-case e-mail address has no likely second spelling, and an object ID has only
    one.
    """
    lower = asked.identity.lower()
    if asked.object_id:
        return None
    if lower != asked.identity:
        return AskedPerson(lower)
    upper = asked.identity.upper()
    return None if "@" in lower or upper == lower else AskedPerson(upper)


def look_up_profiles(
    credentials: Credentials, asked: Sequence[AskedPerson], *, until: float
) -> list[FoundProfile]:
    """Return the profile of each person in their order, with three requests at a time.

    Ends by `until`, an instant of `time.monotonic()`: a look-up without an answer by then
    is an error in the list. No answer of CleverTap raises an error.
    """
    if not asked:
        return []

    def in_turn(mine: Sequence[AskedPerson]) -> list[FoundProfile]:
        client = credentials.make_client(LOOK_UP_SECONDS)
        try:
            return [_look_up_profile(client, each, until) for each in mine]
        finally:
            client.close()

    shares = [asked[start::IN_FLIGHT] for start in range(min(IN_FLIGHT, len(asked)))]
    with ThreadPoolExecutor(len(shares), thread_name_prefix="profiles") as pool:
        found = list(pool.map(in_turn, shares))
    rows = zip_longest(*found)
    return [each for row in rows for each in row][: len(asked)]


def is_known(found: FoundProfile) -> bool | None:
    """Return whether CleverTap knows the user; None where it did not say."""
    if isinstance(found, CleverTapError):
        return None
    return found is not None


def _look_up_profile(client: Client, asked: AskedPerson, until: float) -> FoundProfile:
    left = until - time.monotonic()
    if left < _SHORTEST_SECONDS:
        return NotSentError("There was no time left to ask.")
    try:
        return client.fetch_profile(
            asked.identity, object_id=asked.object_id, seconds=left
        )
    except CleverTapError as error:
        return error
