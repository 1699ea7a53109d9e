"""The words of a referral: types, sides, channels, statuses.

Pure: imports no framework, and knows of no destination.
"""

from enum import StrEnum
from functools import lru_cache
from typing import Final


class EventType(StrEnum):
    """What became of an invitation; and `identify`, which says who somebody is."""

    APP_INSTALL = "app_install"
    APP_REINSTALL = "app_reinstall"
    APP_OPEN = "app_open"
    WEB_SIGN_UP = "web_sign_up"
    WEB_OPEN = "web_open"
    LINK_CLICK = "link_click"
    CUSTOM = "custom"
    IDENTIFY = "identify"


#: The types of referral events. `identify` ties identities together, and is about no side.
REFERRAL_TYPES: Final = tuple(
    each for each in EventType if each is not EventType.IDENTIFY
)


class Side(StrEnum):
    """Who of the two people a record is about."""

    REFERRED = "referred"
    GENERATED = "generated"


#: As `referrer`, it stands for whoever invited the user last.
LAST: Final = "last"


class Via(StrEnum):
    """What kind of link led here: a person's invite, or a marketing link."""

    SMART_INVITE = "smart_invite"
    SMART_LINK = "smart_link"


class FraudStatus(StrEnum):
    """Whether the event is suspected of fraud."""

    VALID = "valid"
    SUSPICIOUS = "suspicious"
    REJECTED = "rejected"


_BOTH: Final = (Side.REFERRED, Side.GENERATED)
#: The sides that an event of each type can have. All code that depends on it reads this.
SIDES: Final[dict[EventType, tuple[Side, ...]]] = {
    EventType.APP_INSTALL: _BOTH,
    EventType.APP_REINSTALL: _BOTH,
    EventType.APP_OPEN: _BOTH,
    EventType.WEB_SIGN_UP: _BOTH,
    EventType.WEB_OPEN: _BOTH,
    EventType.LINK_CLICK: (Side.GENERATED,),
    EventType.CUSTOM: _BOTH,
    EventType.IDENTIFY: (),
}
#: What people call an event of each type; a custom event has a name of its own.
TITLES = {
    EventType.APP_INSTALL: "App Install",
    EventType.APP_REINSTALL: "App Reinstall",
    EventType.APP_OPEN: "App Open",
    EventType.WEB_SIGN_UP: "Web Sign Up",
    EventType.WEB_OPEN: "Web Open",
    EventType.LINK_CLICK: "Link Click",
}

# The union of GetSocial's published lists and the ids in its SDKs.
INVITE_CHANNELS = frozenset(
    {
        "email",
        "facebook",
        "facebookmessenger",
        "facebookstories",
        "googleplus",
        "hangouts",
        "instagram",
        "instagramstories",
        "kakao",
        "kik",
        "line",
        "manual",
        "nativeshare",
        "snapchat",
        "sms",
        "telegram",
        "twitter",
        "viber",
        "vk",
        "web",
        "whatsapp",
    }
)
#: A longer name is none that the log takes; a thousand of 32 KB each would take 260 MB.
_LONGEST_KEPT: Final = 255
#: What people call an event of type identify, which becomes no record.
WHO_IS_WHO: Final = "Who is who"


def find_types_without(side: Side) -> tuple[EventType, ...]:
    """Return the types of which no event is about this side."""
    return tuple(each for each, sides in SIDES.items() if side not in sides)


def find_referrals_without(side: Side) -> tuple[EventType, ...]:
    """Return the types of referral events of which no event is about this side."""
    return tuple(each for each in REFERRAL_TYPES if side not in SIDES[each])


def normalise_name(name: str) -> str:
    """Return `name` as names are compared: case and white space do not count."""
    if len(name) > _LONGEST_KEPT:
        return _fold_name(name)
    return _recall_folded_name(name)


def _fold_name(name: str) -> str:
    return "".join(name.split()).casefold()


_recall_folded_name = lru_cache(maxsize=1_024)(_fold_name)
BUILT_IN_NAMES = frozenset(normalise_name(title) for title in TITLES.values())
