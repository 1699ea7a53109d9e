"""What people of the Demo Shop do: an endless, made-up stream of referral events.

Pure: chance comes in, events come out, without `id` and `occurred_at`. Most follow a
newcomer from a friend's link to a purchase; every eighth is odd, so that each kind of
trouble can be seen. Names, addresses and hosts are reserved for documentation
(RFC 2606, RFC 3849).
"""

from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import count, cycle
from random import Random
from typing import Any, Final, NamedTuple

from referrals.vocabulary import Side, find_referrals_without

Json = dict[str, Any]


class Carrier(StrEnum):
    """Who knows of a journey and tells us: the shop's own backend, or a platform."""

    API = "api"
    BRANCH = "branch"
    SEGMENT = "segment"


class Told(NamedTuple):
    """An event, and by whom it is told."""

    event: Json
    carrier: Carrier = Carrier.API


#: The shop's app, by its short name.
APP: Final = "demo"

#: By turns for each journey. All odd events come from the shop's own backend.
_CARRIERS: Final = (Carrier.API, Carrier.BRANCH, Carrier.API, Carrier.SEGMENT)

#: What happens to a link before anybody comes.
_BEFORE_COMING: Final = find_referrals_without(Side.REFERRED)

#: CleverTap's side of one oddity: the sandbox discards this event, as a dashboard can.
DISCARDED_NAME: Final = "Referred Coupon Redeemed"
ODD_EVERY: Final = 8
_JOURNEYS_AT_ONCE: Final = 5

_FIRST_NAMES: Final = (
    *("ada", "ben", "chloe", "david", "emma", "femi", "grace", "hana", "ivan", "jana"),
    *("kofi", "lena", "maya", "nico", "olga", "priya", "quinn", "rosa", "sam", "tara"),
)
_LAST_NAMES: Final = (
    *("adler", "bianchi", "costa", "diaz", "evans", "fischer", "garcia", "haddad"),
    *("ito", "jensen", "kaya", "lopez", "meyer", "novak", "okafor", "patel", "rossi"),
    *("sato", "tanaka", "weber"),
)
_REFERRERS: Final = ("ann", "bob", "carla", "dmitri", "elif", "farid", "gita", "hugo")
_INVITE_CHANNELS: Final = (
    "whatsapp",
    "whatsapp",
    "email",
    "telegram",
    "sms",
    "instagram",
)
_LINK_CHANNELS: Final = ("newsletter", "shop-window-qr", "podcast")
_CONTENTS: Final = ("spring-sale", "give-10-get-10", "winter", None)
#: What the shop calls its purchases: platforms have to be told to send them.
PURCHASES: Final = ("Subscription Started", "First Purchase")
_PLANS: Final = (("silver", 4.99), ("gold", 9.99), ("platinum", 19.99))


class Cast:
    """The people: a few who invite, and ever new ones who come."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def referrer(self) -> Json:
        """Return one of the few. The first ones invite most."""
        first = min(self._random.randrange(len(_REFERRERS)) for _ in range(2))
        name = _REFERRERS[first]
        identities = {"email": f"{name}@example.com", "custom_id": f"r-{first + 1}"}
        return {"identities": identities, "ip": f"2001:db8:0:{first + 1:x}::1"}

    def newcomer(self) -> Json:
        """Return a new person at an address of their own."""
        number = self._random.randrange(1, 1 << 32)
        name = f"{self._random.choice(_FIRST_NAMES)}.{self._random.choice(_LAST_NAMES)}"
        return {
            "identities": {
                "email": f"{name}.{number % 1000}@example.org",
                "custom_id": f"u-{number}",
            },
            "ip": f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1",
            "device_id": f"device-{number:08x}",
        }


def tell_story(random: Random) -> Iterator[Json]:
    """Yield events for ever: several journeys in turns, an odd one now and then."""
    return (told.event for told in tell_with_carriers(random))


def tell_with_carriers(random: Random) -> Iterator[Told]:
    """Yield the same story, each event with its carrier: one for a whole journey."""
    cast = Cast(random)
    carriers = cycle(_CARRIERS)
    journeys = [
        (_journey(cast, random), next(carriers)) for _ in range(_JOURNEYS_AT_ONCE)
    ]
    oddities = cycle(ODDITIES)
    for number in count(1):
        if number % ODD_EVERY == 0:
            yield Told(next(oddities)(cast))
            continue
        chosen = random.randrange(len(journeys))
        journey, carrier = journeys[chosen]
        event = next(journey, None)
        if event is None:
            journey, carrier = journeys[chosen] = (
                _journey(cast, random),
                next(carriers),
            )
            event = next(journey)
        yield Told(event, carrier)


def _journey(cast: Cast, random: Random) -> Iterator[Json]:
    """Yield the events that follow from one link, in the order of their times."""
    link = (
        _marketing_link(random)
        if _chance(random, percent=25)
        else _invite(cast, random)
    )
    yield {"type": random.choice(_BEFORE_COMING), **link}
    if _chance(random, percent=20):
        return
    came = {**link, "user": cast.newcomer()}
    if _chance(random, percent=40):
        yield {"type": "web_open", **came}
        yield {"type": "web_sign_up", **came}
    else:
        kinds = ("app_install", "app_install", "app_install", "app_reinstall")
        yield {"type": random.choice(kinds), **came}
        yield {"type": "app_open", **came}
    if _chance(random, percent=50):
        yield _purchase(came, random)


def _chance(random: Random, *, percent: int) -> bool:
    return random.randrange(100) < percent


def _invite(cast: Cast, random: Random) -> Json:
    link = {
        "via": "smart_invite",
        "channel": random.choice(_INVITE_CHANNELS),
        "referrer": cast.referrer(),
    }
    content = random.choice(_CONTENTS)
    return {**link, "content": content} if content else link


def _marketing_link(random: Random) -> Json:
    return {
        "via": "smart_link",
        "channel": random.choice(_LINK_CHANNELS),
        "content": "launch-offer",
    }


def _purchase(came: Json, random: Random) -> Json:
    sides: Json = {
        name: came[name] for name in ("user", "referrer", "via") if name in came
    }
    if _chance(random, percent=50):
        plan, price = random.choice(_PLANS)
        data: Json = {"plan": plan, "price": price, "currency": "EUR"}
        return {
            "type": "custom",
            "name": PURCHASES[0],
            "event_data": data,
            **sides,
        }
    data = {
        "items": random.randint(1, 5),
        "amount": random.randint(9, 90),
        "gift": False,
    }
    return {"type": "custom", "name": PURCHASES[1], "event_data": data, **sides}


def _pair(cast: Cast) -> Json:
    return {"via": "smart_invite", "user": cast.newcomer(), "referrer": cast.referrer()}


def _without_identity(cast: Cast) -> Json:
    """Return an event whose user has no e-mail address, hence no identity."""
    pair = _pair(cast)
    del pair["user"]["identities"]["email"]
    return {"type": "app_open", "channel": "whatsapp", **pair}


def _placeholder_identity(cast: Cast) -> Json:
    """Return an event of a backend that writes a missing address as a word."""
    pair = _pair(cast)
    pair["user"]["identities"]["email"] = "null"
    return {"type": "app_install", "channel": "sms", **pair}


def _discarded_by_clevertap(cast: Cast) -> Json:
    return {"type": "custom", "name": "Coupon Redeemed", **_pair(cast)}


def _same_device(cast: Cast) -> Json:
    """Return a suspicious install: both sides have the same device, and its address."""
    pair = _pair(cast)
    pair["user"]["ip"] = pair["referrer"]["ip"]
    pair["referrer"]["device_id"] = pair["user"]["device_id"]
    return {"type": "app_install", "channel": "facebook", **pair}


def _prohibited_name(cast: Cast) -> Json:
    return {"type": "custom", "name": "50% Off Claimed", **_pair(cast)}


def _invited_oneself(cast: Cast) -> Json:
    """Return a suspicious sign-up: both sides are the same person."""
    pair = _pair(cast)
    pair["user"]["identities"] = pair["referrer"]["identities"]
    return {"type": "web_sign_up", "channel": "email", **pair}


def _clashing_keys(cast: Cast) -> Json:
    """Return event data of which two keys become one without prohibited characters."""
    data = {"seat": 1, "seat.": 2}
    return {"type": "custom", "name": "Seat Booked", "event_data": data, **_pair(cast)}


def _unknown_channel(cast: Cast) -> Json:
    return {"type": "app_install", "channel": "carrier-pigeon", **_pair(cast)}


def _no_referral(cast: Cast) -> Json:
    """Return an event that the API rejects: it has no referrer."""
    return {"type": "app_install", "user": cast.newcomer()}


ODDITIES: Final[tuple[Callable[[Cast], Json], ...]] = (
    _without_identity,
    _same_device,
    _discarded_by_clevertap,
    _placeholder_identity,
    _prohibited_name,
    _invited_oneself,
    _no_referral,
    _clashing_keys,
    _unknown_channel,
)
