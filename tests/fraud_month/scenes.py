"""Who installs in the month: honest people in their surroundings, and frauds.

Each scene is a number of groups; a group is one referrer and the installs that the referrer
brought, or pretends to have brought. Shares and habits are assumptions, written down here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Final, NamedTuple

MINUTES: Final = 30 * 24 * 60
DAY: Final = 24 * 60
#: Addresses of one carrier, behind which its customers change about.
CARRIER_ADDRESSES: Final = 100
CARRIERS: Final = 5
CAMPUSES: Final = 20


class Install(NamedTuple):
    """One install: minutes after the group's start, and signals as short names."""

    minute: int
    user: str
    ip: str
    referrer_ip: str = ""
    device: str = ""
    advertising_id: str = ""
    referrer_device: str = ""
    again: bool = False


Play = Callable[["Cast"], list[Install]]


@dataclass(frozen=True, slots=True)
class Scene:
    """`groups` of a kind in a month of a million installs, and how one goes."""

    name: str
    groups: int
    play: Play
    is_fraud: bool


class Cast:
    """Makes up people, addresses and devices; each is new unless it is said to be shared."""

    def __init__(self, seed: int) -> None:
        self.chance: Final = Random(seed)
        self._numbers: Final = count(1)

    def make_new(self, kind: str) -> str:
        """Return a name that nobody else has."""
        return f"{kind}{next(self._numbers)}"

    def spread(self, number: int, days: float) -> Iterator[int]:
        """Yield so many minutes within `days`, ascending."""
        yield from sorted(
            self.chance.randrange(max(1, int(days * DAY))) for _ in range(number)
        )

    def install(self, minute: int, ip: str = "", **signals: str) -> Install:
        """Return an install by somebody new; two in three devices tell an advertising ID."""
        if self.chance.random() < 2 / 3:
            signals.setdefault("device", self.make_new("device"))
            signals.setdefault("advertising_id", self.make_new("ad"))
        user, address = self.make_new("user"), ip or self.make_new("ip")
        return Install(minute, user, address)._replace(**signals)  # type: ignore[arg-type]  # texts alone


def _play_friends(cast: Cast) -> list[Install]:
    """Friends, each at an address of their own."""
    number = cast.chance.randint(1, 4)
    return [cast.install(minute) for minute in cast.spread(number, 20)]


def _play_household(cast: Cast) -> list[Install]:
    """One to three people who live with their referrer."""
    home = cast.make_new("ip")
    number = cast.chance.choice([1, 1, 1, 2, 2, 3])
    return [
        cast.install(minute, home, referrer_ip=home)
        for minute in cast.spread(number, 20)
    ]


def _play_shared_flat(cast: Cast) -> list[Install]:
    """Three to eight people of one house, who follow one of them within ten days."""
    home = cast.make_new("ip")
    number = cast.chance.randint(3, 8)
    return [
        cast.install(minute, home, referrer_ip=home)
        for minute in cast.spread(number, 10)
    ]


def _play_carrier(cast: Cast) -> list[Install]:
    """Friends on mobile phones: one carrier gives all its customers a few addresses."""
    carrier = cast.chance.randrange(CARRIERS)

    def choose_address() -> str:
        return f"carrier{carrier}-{cast.chance.randrange(CARRIER_ADDRESSES)}"

    own = choose_address()
    number = cast.chance.randint(1, 6)
    return [
        cast.install(minute, choose_address(), referrer_ip=own)
        for minute in cast.spread(number, 20)
    ]


def _play_campus(cast: Cast) -> list[Install]:
    """Students behind one address of a campus; one in fifty of them invites by the dozen."""
    campus = f"campus{cast.chance.randrange(CAMPUSES)}"
    is_ambassador = cast.chance.random() < 1 / 50
    number = cast.chance.randint(12, 30) if is_ambassador else cast.chance.randint(1, 3)
    return [
        cast.install(
            minute,
            campus if cast.chance.random() < 2 / 3 else "",
            referrer_ip=campus,
        )
        for minute in cast.spread(number, 20)
    ]


def _play_reinstall(cast: Cast) -> list[Install]:
    """Somebody installs again; one in five has reset the advertising ID, for privacy."""
    device, ad = cast.make_new("device"), cast.make_new("ad")
    first = cast.install(0, device=device, advertising_id=ad)
    installs = [first]
    for minute in cast.spread(cast.chance.choice([1, 1, 1, 2]), 25):
        if cast.chance.random() < 1 / 5:
            ad = cast.make_new("ad")
        again = first._replace(minute=minute + 1, advertising_id=ad, again=True)
        installs.append(again._replace(ip=cast.make_new("ip")))
    return installs


def _play_farm(cast: Cast) -> list[Install]:
    """A room with an address and fresh devices, for some days."""
    room = cast.make_new("ip")
    number = cast.chance.randint(20, 100)
    return [cast.install(minute, room) for minute in cast.spread(number, 4)]


def _play_slow_farm(cast: Cast) -> list[Install]:
    """The same, with patience: an install every three days."""
    room = cast.make_new("ip")
    return [cast.install(number * 3 * DAY, room) for number in range(9)]


def _play_farm_of_referrers(cast: Cast) -> list[Install]:
    """The same, with a new referrer after three installs: each of them is a group."""
    room = f"room{cast.chance.randrange(20)}"
    return [cast.install(minute, room) for minute in cast.spread(3, 1)]


def _play_device_farm(cast: Cast) -> list[Install]:
    """One device, which is reset before each install, behind addresses that change."""
    device = cast.make_new("device")
    number = cast.chance.randint(10, 40)
    return [
        cast.install(minute, device=device, advertising_id=cast.make_new("ad"))
        for minute in cast.spread(number, 10)
    ]


def _play_own_device(cast: Cast) -> list[Install]:
    """The referrer, with a second account on the same device."""
    device = cast.make_new("device")
    return [cast.install(0, device=device, referrer_device=device)]


def _play_own_address(cast: Cast) -> list[Install]:
    """The referrer, with a second account on another device at home."""
    home = cast.make_new("ip")
    number = cast.chance.choice([1, 1, 2])
    return [
        cast.install(minute, home, referrer_ip=home)
        for minute in cast.spread(number, 10)
    ]


def _play_hidden(cast: Cast) -> list[Install]:
    """A fraud that shows no signal: every install another device and address."""
    return [cast.install(minute) for minute in cast.spread(10, 10)]


def _honest(name: str, groups: int, play: Play) -> Scene:
    return Scene(name, groups, play, is_fraud=False)


def _fraud(name: str, groups: int, play: Play) -> Scene:
    return Scene(name, groups, play, is_fraud=True)


SCENES: Final = (
    _honest("friends, each at home", 382_000, _play_friends),
    _honest("households", 91_000, _play_household),
    _honest("shared flats", 2_300, _play_shared_flat),
    _honest("carrier NAT", 70_000, _play_carrier),
    _honest("campus", 20_000, _play_campus),
    _honest("reinstalls, a reset now and then", 18_000, _play_reinstall),
    _fraud("farm behind one address", 120, _play_farm),
    _fraud("slow farm behind one address", 150, _play_slow_farm),
    _fraud("farm that changes its referrers", 500, _play_farm_of_referrers),
    _fraud("device that is reset each time", 120, _play_device_farm),
    _fraud("own second account, same device", 2_000, _play_own_device),
    _fraud("own second account, same address", 1_500, _play_own_address),
    _fraud("fraud without a signal", 150, _play_hidden),
)
