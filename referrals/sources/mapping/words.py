"""Values of platforms as they are compared, written and weighed. Pure."""

import re
from datetime import datetime
from typing import Final

from referrals.vocabulary import INVITE_CHANNELS

#: The last three are what senders write who turn a value that is not there into a text.
_NOTHING: Final = ("", "None", "null", "undefined")
# With what none begins, so that most values are not looked at further.
_FIRST_OF_NOTHING: Final = ("", "N", "n", "u", "0", "-")
#: A device ID without a device: what everybody sends who limits tracking.
_ZEROS: Final = re.compile(r"[0-]{15,36}")
_SEPARATORS: Final = re.compile(r"[\s_-]+")
#: What people and SDKs write for a channel of ours.
_ALIASES: Final = {
    "fb": "facebook",
    "facebookorganic": "facebook",
    "messenger": "facebookmessenger",
    "fbmessenger": "facebookmessenger",
    "facebookstory": "facebookstories",
    "instagramstory": "instagramstories",
    "mail": "email",
    "gmail": "email",
    "text": "sms",
    "textmessage": "sms",
    "imessage": "sms",
    "x": "twitter",
    "copy": "manual",
    "copylink": "manual",
    "link": "manual",
    "share": "nativeshare",
    "mobileshare": "nativeshare",
    "vkontakte": "vk",
    "kakaotalk": "kakao",
}


def fold_word(text: str) -> str:
    """Return `text` as words of platforms are compared.

    Case does not count, nor do blanks, underscores and hyphens: Branch writes one event
    INSTALL and install, and one name Complete Registration and COMPLETE_REGISTRATION.
    """
    return _SEPARATORS.sub("", text).casefold()


def name_channel(text: str) -> str:
    """Return the channel of ours that `text` means, or `text` as it was sent.

    Of `Network::Campaign::Adgroup`, as Adjust names its trackers, the first part counts
    that is a channel.
    """
    for part in text.split("::")[:4]:
        folded = fold_word(part)
        folded = _ALIASES.get(folded, folded)
        if folded in INVITE_CHANNELS:
            return folded
    return text


def is_nothing(value: object) -> bool:
    """Return whether a platform means by `value` that there is none.

    That is null, "", blanks, "None", "null", "undefined", and a device ID of zeros.
    """
    if not isinstance(value, str):
        return value is None
    if value[:1] not in _FIRST_OF_NOTHING and not value[:1].isspace():
        return False
    return value.strip() in _NOTHING or _ZEROS.fullmatch(value) is not None


def write_text(value: object) -> str | None:
    """Return a scalar as a text: true as "true", a time as whole Unix seconds.

    A text is returned as it is; None, an object and a list are None.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(int(value.timestamp())) if isinstance(value, datetime) else None


def weigh_value(value: object, most: int) -> int:
    """Return how many bytes the JSON of `value` has at least, or more than `most`.

    Stops where it has more.
    """
    if isinstance(value, str):
        return len(value)
    weight = 0
    left = [value]
    while left and weight <= most:
        each = left.pop()
        if isinstance(each, dict):
            weight += sum(len(key) + 1 for key in each)
            left.extend(each.values())
        elif isinstance(each, list):
            weight += len(each)
            left.extend(each)
        else:
            weight += len(each) if isinstance(each, str) else 1
    return weight
