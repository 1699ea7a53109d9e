"""CleverTap's limits and its spelling of records, in one place.

Pure: imports msgspec, wcwidth and no framework. We never asked the live API, so what its
documentation leaves open is marked [doubt]: there we keep to the strictest figure that
is published. Whatever counts or names a figure reads it here; tests name the pages, and the
sandbox's own copy, that a correction makes wrong.

References:
https://developer.clevertap.com/docs/upload-events-api
https://docs.clevertap.com/docs/platform-considerations
"""

import re
from collections import deque
from collections.abc import Sequence

import msgspec
from wcwidth import iter_graphemes

# Reference: https://developer.clevertap.com/docs/upload-events-api
MAX_RECORDS = 1000
# [doubt] No limit for a request is published. One for a record is: 128 KB "per profile
# or event" (https://docs.clevertap.com/docs/nested-objects); we apply it to all records.
MAX_BODY_BYTES = 1024 * 1024
MAX_RECORD_BYTES = 128 * 1024

# Requests at the same time. Reference: https://developer.clevertap.com/docs/api-request-limit
MAX_IN_FLIGHT = 15

# Events older than this start no live campaign.
# Reference: https://developer.clevertap.com/docs/upload-events-api
LIVE_SECONDS = 2 * 3600

# [doubt] How long an accepted event may take until it is counted. "About 10 minutes" says
# GetSocial's guide, no page of CleverTap's says it of counts: a day is the unfriendlier guess.
PROCESSING_SECONDS = 24 * 3600
# Until then nothing is concluded from what other names show.
FRESH_SECONDS = 30 * 60

# Values of one kind in one request to delete profiles.
# Reference: https://developer.clevertap.com/docs/delete-user-profile-api
MAX_DELETED = 100

# "Miscellaneous server error": the only code of a record that may go away by itself.
# Reference: https://developer.clevertap.com/docs/api-errors
RETRYABLE_CODE = 555

# [doubt] The upload page says bytes, https://docs.clevertap.com/docs/platform-considerations
# says characters, and the iOS SDK allows 1,024. 512 bytes satisfy all three.
MAX_TEXT_BYTES = 512
# Reference: https://developer.clevertap.com/docs/upload-events-api
MAX_PROPERTY_NAME = 120
# Properties per event, unless CleverTap raised it for an account.
# Reference: https://developer.clevertap.com/docs/upload-events-api
MAX_PROPERTIES = 100
# [doubt] No limit is published for this API. The Android SDK refuses more than 512
# characters, iOS more than 1,024: https://github.com/CleverTap/clevertap-android-sdk
MAX_EVENT_NAME = 512
# [doubt] 1,024 in https://docs.clevertap.com/docs/csv-upload, 120 in older answers of
# the API: https://github.com/tradeo/clevertap-ruby (spec/vcr_cassettes).
MAX_IDENTITY = 1024

# Nested objects: levels of keys below the property's own name, objects or lists among
# the keys of one object. The example that counts the levels gives none to a list of
# objects: https://developer.clevertap.com/docs/ingesting-nested-objects-via-clevertap-apis
# [doubt] The five are published for the root (https://docs.clevertap.com/docs/nested-objects);
# we keep to them in every object. That a list straight in a list is a level is a guess.
MAX_LEVELS = 3
MAX_BRANCHES = 5
# [doubt] Published for the SDKs only: https://github.com/CleverTap/clevertap-android-sdk
MAX_LIST_ITEMS = 100

# [doubt] How large an integer may be is not published. Beyond 64 bits it goes as text.
MIN_INTEGER = -(2**63)
MAX_INTEGER = 2**63 - 1

# [doubt] A `ts` in milliseconds is either refused or a date far ahead; nothing published
# tells which. Milliseconds of any year since 1973 lie beyond this, seconds never do.
LATEST_SECOND = 100_000_000_000

# An account has so many event types, CleverTap's own included, and what exceeds them is
# dropped without a word. Reference: https://developer.clevertap.com/docs/upload-events-api
EVENT_TYPES = 512

# Each custom name costs two of them.
CUSTOM_NAMES_LIMIT = 50

_SMALL = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    *("ten", "eleven", "twelve"),
)

# [doubt] Prohibited in names of events and properties by
# https://docs.clevertap.com/docs/platform-considerations; whether the API refuses,
# strips or keeps them is not published.
PROHIBITED = "%><!|&.:;$'\"\\"
_CONTROLS = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
_BAD_IN_NAME = re.compile(f"[{re.escape(PROHIBITED + _CONTROLS)}]")
_CONTROL = re.compile(f"[{re.escape(_CONTROLS)}]")

# Reference: https://docs.clevertap.com/docs/csv-upload ("none" stands on one page only)
# [doubt] That blanks around them and case do not count is a guess.
FORBIDDEN_IDENTITIES = frozenset(
    {
        "-1",
        "-inf",
        "-infinity",
        "-nan",
        "0",
        "empty",
        "inf",
        "infinity",
        "n/a",
        "na",
        "nan",
        "nil",
        "none",
        "null",
        "undefined",
        "xxxxxx",
    }
)
_LONGEST_FORBIDDEN = max(map(len, FORBIDDEN_IDENTITIES))

# 1 to 64 characters, and the prefix that CleverTap puts before them ("__", "__g",
# "__h", "-", "-g", "-h", "-v", none on the web).
# Reference: https://developer.clevertap.com/docs/set-clevertap-id
# [doubt] That every object ID keeps to the rules for custom ones.
_OBJECT_ID = re.compile(r"[A-Za-z0-9()!:@$_-]{1,67}")

# The names that CleverTap keeps for itself.
# Reference: https://docs.clevertap.com/docs/platform-considerations
_DOCUMENTED = (
    "App Launched",
    "App Uninstalled",
    "App Version Changed",
    "Experiment Rendered",
    "Identity Error",
    "Identity Reset",
    "Identity Set",
    "Notification Clicked",
    "Notification Delivered",
    "Notification Replied",
    "Notification Sent",
    "Notification Viewed",
    "Reachable By",
    "Reply Sent",
    "Stayed",
    "UTM Visited",
)
# [doubt] Refused by the SDKs: https://github.com/CleverTap/clevertap-android-sdk and
# https://github.com/CleverTap/clevertap-ios-sdk
_REFUSED_BY_SDKS = (
    "Geocluster Entered",
    "Geocluster Exited",
    "Notification Bounced",
    "SCCampaignOptOut",
    "SCEnd",
    "SCIncoming",
    "SCOutgoing",
    "wzrk_d",
    "wzrk_fetch",
)
# Refused in production with code 513 although no page lists it:
# https://github.com/rudderlabs/rudder-server (commit feaf2c816, reporting tests)
_SEEN_REFUSED = ("Web Page Viewed",)
# [doubt] Likely restricted: system events of https://docs.clevertap.com/docs/events.
# That the API refuses them is unproven; under such a name data would mix with theirs.
_LIKELY_RESTRICTED = (
    "AB Experiment Disqualified",
    "AB Experiment Rendered",
    "AB Experiment Rolled Out",
    "AB Experiment Stopped",
    "AB Test Enter",
    "AB Test Exit",
    "App Installed",
    "App Upgraded",
    "Channel Subscribed",
    "Channel Unsubscribed",
    "CT Coupon Redeemed",
    "CT Coupon Reverted",
    "CT Coupon Rewarded",
    "CT Partner Voucher Rewarded",
    "CT Points Credited",
    "CT Points Debited",
    "Notification Failed",
    "Partner Sync",
    "Push Impressions",
    "Push Unregistered",
    "Session Concluded",
    "State Transitioned",
    "Web Session Started",
    "Webhook Delivered",
)


def spell_figure(figure: int) -> str:
    """Return a limit as a sentence has it: "three", "512", "1,024"."""
    return _SMALL[figure] if figure < len(_SMALL) else f"{figure:,}"


#: `LIVE_SECONDS` as a sentence has them.
LIVE_HOURS = spell_figure(LIVE_SECONDS // 3600)


def normalise_event_name(name: str) -> str:
    """Return `name` as CleverTap compares event names: case and spaces do not count.

    Reference: https://docs.clevertap.com/docs/platform-considerations
    """
    return "".join(name.split()).casefold()


RESTRICTED_NAMES = frozenset(
    map(
        normalise_event_name,
        (*_DOCUMENTED, *_REFUSED_BY_SDKS, *_SEEN_REFUSED, *_LIKELY_RESTRICTED),
    )
)


def is_restricted(event_name: str) -> bool:
    """Return whether CleverTap keeps this whole event name for itself."""
    return normalise_event_name(event_name) in RESTRICTED_NAMES


def find_bad_characters(name: str) -> str:
    """Return the prohibited and control characters of an event name, each once."""
    return "".join(dict.fromkeys(_BAD_IN_NAME.findall(name)))


def clean_property_name(name: str) -> str:
    """Return `name` without prohibited and control characters, and trimmed.

    The SDKs remove them and trim too. Two names may become one: the caller looks.
    """
    # Most names are identifiers, which are clean, and this is five times as fast.
    return name if name.isidentifier() else _BAD_IN_NAME.sub("", name).strip()


def shorten_text(text: str) -> str:
    """Return `text`, cut where CleverTap's limit demands it, at a whole character.

    What people see as one character stays one (UAX #29, extended grapheme clusters): a
    letter keeps its accents, an emoji its parts. Only where the very first one is longer
    than the limit is it cut inside, between two code points.

    Reference: https://www.unicode.org/reports/tr29/
    """
    raw = text.encode()
    if len(raw) <= MAX_TEXT_BYTES:
        return text
    end = len(raw[:MAX_TEXT_BYTES].decode(errors="ignore"))
    # In ASCII only CR and LF belong together, and long texts are rarely more than ASCII.
    if text[end] != "\n" and text.isascii():
        return text[:end]
    # Whether a character ends here depends on those before and the one code point after.
    [last] = deque(iter_graphemes(text[: end + 1]), maxlen=1)
    return text[: end + 1 - len(last)] or text[:end]


def is_plain_identity(identity: str) -> bool:
    """Return whether a quick look shows that `identity` is good, as nearly every one is.

    A plain identity is too long to be a forbidden value, and has neither blanks nor
    control characters. An identity that is not plain may still be good.
    """
    return (
        _LONGEST_FORBIDDEN < len(identity) <= MAX_IDENTITY
        and identity.isprintable()
        and " " not in identity
    )


def is_plain_object_id(text: str) -> bool:
    """Return the same of a CleverTap ID."""
    return is_plain_identity(text) and is_object_id(text)


def is_forbidden_identity(identity: str) -> bool:
    """Return whether CleverTap treats this value as "no identity"."""
    trimmed = identity.strip()
    return (
        len(trimmed) <= _LONGEST_FORBIDDEN
        and trimmed.casefold() in FORBIDDEN_IDENTITIES
    )


def has_control_characters(text: str) -> bool:
    """Return whether a character of `text` is a control character, such as a line feed."""
    # The quick test first: it is also false for some spaces, so it cannot decide alone.
    return not text.isprintable() and _CONTROL.search(text) is not None


#: Returns a match where a text has the shape of a CleverTap ID.
match_object_id = _OBJECT_ID.fullmatch


def is_object_id(text: str) -> bool:
    """Return whether `text` has the shape of a CleverTap ID."""
    return match_object_id(text) is not None


encode = msgspec.json.Encoder().encode
#: How a record begins whose user is known by identity, or by CleverTap's own ID.
IDENTITY_START = b'{"identity":'
OBJECT_ID_START = b'{"objectId":'


def encode_time(seconds: int) -> bytes:
    """Return a record's JSON from behind its user to behind its time."""
    return b',"ts":' + encode(seconds)


def encode_opening(name: str) -> bytes:
    """Return a record's JSON from behind its time to before its properties."""
    return b',"type":"event","evtName":' + encode(name) + b',"evtData":'


def encode_deletion(people: Sequence[str], *, object_ids: bool) -> bytes:
    """Return the body that asks CleverTap to delete up to `MAX_DELETED` people.

    What is the object ID elsewhere is the guid here; one of the two kinds per request.
    """
    return msgspec.json.encode({"guid" if object_ids else "identity": people})


_BODY_START = b'{"d":['
_BODY_END = b"]}"


def encode_body(records: Sequence[bytes]) -> bytes:
    """Return the body of an upload of these encoded records."""
    if not records:
        return _BODY_START + _BODY_END
    # Joined in one go: each copy of so large a text takes longer than to join it.
    parts = [*records]
    parts[0] = _BODY_START + parts[0]
    parts[-1] += _BODY_END
    return b",".join(parts)


def count_body_bytes(records: Sequence[bytes]) -> int:
    """Return the length of the body that `encode_body` makes, without making it."""
    commas = max(0, len(records) - 1)
    return len(encode_body([])) + sum(map(len, records)) + commas


def make_probe_record() -> bytes:
    """Return a good record about a user who does not exist, always the same.

    For dry runs. Its instant lies long ago, so that it starts no live campaign even if
    something on the way forgets that the run is dry.
    """
    user = encode("referral-events-connection-check")
    opening = encode_opening("Referral Events Connection Check")
    return IDENTITY_START + user + encode_time(1_767_225_600) + opening + b"{}}"
