"""The match rate: how many of the app's recent users CleverTap knows, and by which identity.

A few profiles are looked up, and only when a person asks. The result has counts, and never an
identity.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clevertap_sync.clevertap import profile_lookup
from clevertap_sync.clevertap.connection_check import Credentials
from clevertap_sync.clevertap.identities import CLEVERTAP_ID, find_identity
from clevertap_sync.clevertap.profile_lookup import LOOK_UP_SECONDS, AskedPerson
from clevertap_sync.insight.coverage import list_people
from referrals import log
from referrals.database_connection import give_connection_back
from referrals.schema import Person

#: How many users are looked up, and among how many events. Reference: `profile_lookup.IN_FLIGHT`.
PEOPLE: Final = 30
_EVENTS: Final = 200
_OTHERS: Final = 2
UNKNOWN_USERS_REMEDY: Final = (
    "It creates a new profile for each of the others. That is right where they are new "
    "to CleverTap too; otherwise choose another identity provider."
)


@dataclass(frozen=True, slots=True)
class Match:
    """How many users carry a provider's identity, and how many of these CleverTap knows."""

    provider: str
    carried: int
    known: int
    unknown: int

    @property
    def unanswered(self) -> int:
        """Return for how many users no answer came."""
        return self.carried - self.known - self.unknown

    @property
    def percent(self) -> int:
        """Return the percentage of known users among those with an answer."""
        return self.known * 100 // max(1, self.known + self.unknown)


@dataclass(frozen=True, slots=True)
class MatchRate:
    """How many recent users CleverTap knows. `lower_case`: so many in lower case alone."""

    people: int
    chosen: Match
    others: tuple[Match, ...]
    lower_case: int
    seconds: float

    @property
    def best_other(self) -> Match | None:
        """Return another provider by which CleverTap knows more users, if there is one."""
        better = [other for other in self.others if other.known > self.chosen.known]
        return max(better, key=lambda other: other.known, default=None)

    @property
    def is_good(self) -> bool:
        """Whether CleverTap knows at least half of the users with an answer."""
        return self.chosen.known > 0 and self.chosen.known >= self.chosen.unknown

    @property
    def title(self) -> str:
        """Return the result in one sentence."""
        chosen = self.chosen
        if not self.people:
            return "No event in the log names a user yet."
        if not chosen.carried:
            return f"None of the last {self.people} users carries {chosen.provider}."
        if self.is_silent:
            return "CleverTap did not tell which users it knows."
        answered = chosen.carried - chosen.unanswered
        return f"CleverTap knows {chosen.known} of {answered} recent users by {chosen.provider}."

    @property
    def remedy(self) -> str:
        """Return in a sentence or two what a person should do."""
        cases = (
            (not self.people, "Ask again when some events have arrived."),
            (self.best_other and not self.is_good, self._choose_other()),
            (self.lower_case, self._send_lower_case()),
            (not self.chosen.carried, "Choose a provider that your users carry."),
            (self.is_silent, "Check the connection, then ask again."),
            (self.is_good, "Events are linked to the users whom it knows."),
        )
        return next(
            (words for applies, words in cases if applies), UNKNOWN_USERS_REMEDY
        )

    @property
    def is_silent(self) -> bool:
        """Whether no answer came for any user."""
        return self.chosen.unanswered == self.chosen.carried

    def _choose_other(self) -> str:
        other = self.best_other or self.chosen
        return (
            f"It knows {other.known} by {other.provider}: choose that as the identity "
            "provider."
        )

    def _send_lower_case(self) -> str:
        return (
            f"It knows {self.lower_case} more in lower case only. An identity must be "
            "CleverTap's to the letter: have your backend send it in lower case."
        )


def measure_match_rate(
    app_id: int, provider: str, credentials: Credentials
) -> MatchRate:
    """Ask CleverTap about the newest users. Ends within `LOOK_UP_SECONDS`; never raises.

    No connection to the database is held meanwhile.
    """
    began = time.monotonic()
    people = _read_recent_people(app_id)
    others = _find_other_providers(people, provider)
    give_connection_back()
    asking = _MatchRound(credentials, people, began + LOOK_UP_SECONDS)
    chosen, lower_case = asking.match_chosen(provider)
    return MatchRate(
        people=len(people),
        chosen=chosen,
        others=tuple(asking.match_by(other) for other in others),
        lower_case=lower_case,
        seconds=time.monotonic() - began,
    )


def list_people_to_ask(app_id: int, provider: str) -> list[AskedPerson]:
    """Return the newest users by the identity that the integration would send."""
    is_object_id = provider.casefold() == CLEVERTAP_ID
    found = (find_identity(person, provider) for person in _read_recent_people(app_id))
    named = (AskedPerson(identity, is_object_id) for identity in found if identity)
    return list(dict.fromkeys(named))


def _read_recent_people(app_id: int) -> list[Person]:
    """Return the newest users, each once."""
    head = log.read_head(app_id)
    newest = log.read_range(app_id, head - _EVENTS + 1, head)
    people = {
        frozenset(person.identities.items()): person
        for logged in reversed(newest)
        for person in list_people(logged.event)
        if person.identities
    }
    return list(people.values())[:PEOPLE]


def _find_other_providers(people: Sequence[Person], chosen: str) -> list[str]:
    carried = Counter(name for person in people for name in person.identities)
    others = (name for name, _ in carried.most_common())
    unlike = [name for name in others if name.casefold() != chosen.casefold()]
    return unlike[:_OTHERS]


class _MatchRound:
    """Look-ups of the same people by several providers, with one deadline."""

    def __init__(
        self, credentials: Credentials, people: Sequence[Person], until: float
    ) -> None:
        self._credentials = credentials
        self._people = people
        self._until = until

    def match_chosen(self, provider: str) -> tuple[Match, int]:
        """Return the match by the chosen provider, and how many are known in lower case only."""
        identities = self._identities(provider)
        known = self._ask(provider, identities)
        strangers = [
            i
            for i, is_known in zip(identities, known, strict=True)
            if is_known is False
        ]
        lowered = [i.lower() for i in strangers if i != i.lower()]
        in_lower_case = self._ask(provider, lowered).count(True)
        return self._match(provider, known), in_lower_case

    def match_by(self, provider: str) -> Match:
        """Return the match by another provider."""
        return self._match(provider, self._ask(provider, self._identities(provider)))

    def _identities(self, provider: str) -> list[str]:
        found = (find_identity(person, provider) for person in self._people)
        return [identity for identity in found if identity is not None]

    def _ask(self, provider: str, identities: Sequence[str]) -> list[bool | None]:
        is_object_id = provider.casefold() == CLEVERTAP_ID
        asked = [AskedPerson(identity, is_object_id) for identity in identities]
        found = profile_lookup.look_up_profiles(
            self._credentials, asked, until=self._until
        )
        return [profile_lookup.is_known(each) for each in found]

    def _match(self, provider: str, known: Sequence[bool | None]) -> Match:
        return Match(provider, len(known), known.count(True), known.count(False))
