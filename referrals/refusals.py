"""The codes of refusals at the door: stable words that programs branch on. Pure.

A sentence for people may get better from release to release; a code stays. Each code has
a meaning and a remedy, for the engineers of the producer.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Code(StrEnum):
    """The cause of a refusal: of one event, of a whole request, or of its sender."""

    # When it happened.
    MILLISECONDS = "milliseconds"
    IN_FUTURE = "in_future"
    TOO_EARLY = "too_early"
    BAD_TIME = "bad_time"
    # Fields.
    UNKNOWN_FIELD = "unknown_field"
    REPEATED_KEY = "repeated_key"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    UNKNOWN_VALUE = "unknown_value"
    BAD_ID = "bad_id"
    BAD_NAME = "bad_name"
    NAME_OF_BUILT_IN = "name_of_built_in"
    NAME_NOT_ALLOWED = "name_not_allowed"
    EVENT_DATA_NOT_ALLOWED = "event_data_not_allowed"
    # People.
    NO_USER = "no_user"
    NO_REFERRER = "no_referrer"
    BAD_IDENTITY = "bad_identity"
    NO_LINK = "no_link"
    # Too large, or impossible to store.
    EVENT_TOO_LARGE = "event_too_large"
    METADATA_TOO_LARGE = "metadata_too_large"
    TOO_MANY_VALUES = "too_many_values"
    TOO_DEEP = "too_deep"
    NUMBER_TOO_LARGE = "number_too_large"
    BAD_TEXT = "bad_text"
    # Events that the log already has, and strict requests.
    CONFLICT = "conflict"
    DOUBTFUL = "doubtful"
    STRICT = "strict"
    # Files.
    BAD_ROW = "bad_row"
    # Whole requests.
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    TOO_MANY_EVENTS = "too_many_events"
    TOO_LARGE = "too_large"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    BAD_GZIP = "bad_gzip"
    INCOMPLETE_BODY = "incomplete_body"
    BAD_PARAMETER = "bad_parameter"
    UNSTORABLE = "unstorable"
    # The sender.
    NO_KEY = "no_key"
    MALFORMED_KEY = "malformed_key"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    EXPIRED_KEY = "expired_key"
    APP_ARCHIVED = "app_archived"
    TRACKING_ONLY = "tracking_only"
    SOURCE_ARCHIVED = "source_archived"
    UNKNOWN_APP = "unknown_app"


#: What each means, to go on a sentence with.
MEANINGS: Final[Mapping[Code, str]] = {
    Code.MILLISECONDS: "the time is a number too large for seconds",
    Code.IN_FUTURE: "the time is more than a day ahead",
    Code.TOO_EARLY: "the time is before the year 2000",
    Code.BAD_TIME: "what stands in occurred_at is no time",
    Code.UNKNOWN_FIELD: "a field that events do not have",
    Code.REPEATED_KEY: "an object has the same key twice",
    Code.MISSING_FIELD: "a required field is not there",
    Code.WRONG_TYPE: "a value is of another type than its field",
    Code.UNKNOWN_VALUE: "a value is none of those that its field knows",
    Code.BAD_ID: "the id breaks the rule for ids",
    Code.BAD_NAME: "the name of a custom event is missing or too long",
    Code.NAME_OF_BUILT_IN: "the name of a custom event is a built-in event's",
    Code.NAME_NOT_ALLOWED: "an event that is not custom has a name",
    Code.EVENT_DATA_NOT_ALLOWED: "an event that is not custom has event_data",
    Code.NO_USER: "the event does not say who did it",
    Code.NO_REFERRER: "the event is no referral",
    Code.BAD_IDENTITY: "an identity, or the object that holds them, has another form",
    Code.NO_LINK: "what should say who somebody is ties no two IDs together",
    Code.EVENT_TOO_LARGE: "the event is over its limit",
    Code.METADATA_TOO_LARGE: "the metadata is over its limit",
    Code.TOO_MANY_VALUES: "an event, or all those of a request, have too many values",
    Code.TOO_DEEP: "objects and lists are nested beyond the limit",
    Code.NUMBER_TOO_LARGE: "a number fits neither 64 bits nor a float",
    Code.BAD_TEXT: "a text has a NUL, or half of a surrogate pair",
    Code.CONFLICT: "the id stands for another event already",
    Code.DOUBTFUL: "a strict request has an event with a warning",
    Code.STRICT: "nothing is wrong with this event, but with another of a strict request",
    Code.BAD_ROW: "a row of a file does not fit its heading",
    Code.NOT_JSON: "the event, or the whole body, is not JSON",
    Code.WRONG_SHAPE: "the body is JSON, but neither an event or a person nor a list of them",
    Code.TOO_MANY_EVENTS: "more than 1,000 events",
    Code.TOO_LARGE: "the body is over its limit",
    Code.UNSUPPORTED_MEDIA_TYPE: "another content type, charset or encoding",
    Code.BAD_GZIP: "the body is not the gzip data that it claims to be",
    Code.INCOMPLETE_BODY: "the body ended early",
    Code.BAD_PARAMETER: "an unknown parameter, one that stands twice, or another value than 1 or 0",
    Code.UNSTORABLE: "the database refused a value that validation let through",
    Code.NO_KEY: "the request shows no API key",
    Code.MALFORMED_KEY: "what it shows cannot be an API key",
    Code.UNKNOWN_KEY: "it looks like an API key and is none of this server's",
    Code.REVOKED_KEY: "the API key was revoked",
    Code.EXPIRED_KEY: "the API key has expired",
    Code.APP_ARCHIVED: "the app is archived",
    Code.TRACKING_ONLY: "the API key may only send Segment calls",
    Code.SOURCE_ARCHIVED: "the source is archived",
    Code.UNKNOWN_APP: "a task names an app that does not exist",
}
#: What to do about each.
REMEDIES: Final[Mapping[Code, str]] = {
    Code.MILLISECONDS: "Divide occurred_at by 1000: it is in seconds.",
    Code.IN_FUTURE: "Set the clock of the sender, and check that it means seconds and UTC.",
    Code.TOO_EARLY: "Send when it happened, in Unix seconds or RFC 3339; without "
    "occurred_at it is the time of receipt.",
    Code.BAD_TIME: "Send occurred_at as RFC 3339 with an offset, or as Unix seconds.",
    Code.UNKNOWN_FIELD: "Check the field's spelling, or put data of your own into "
    "metadata.",
    Code.REPEATED_KEY: "Send each key of an object once: of two, nobody knows which counts.",
    Code.MISSING_FIELD: "Send the field: every event needs it.",
    Code.WRONG_TYPE: "Send a value of the type that the field has.",
    Code.UNKNOWN_VALUE: "Send one of the values that the field knows.",
    Code.BAD_ID: "Send an id of 1 to 200 visible ASCII characters without a slash.",
    Code.BAD_NAME: "Give the custom event a name of at most 255 characters.",
    Code.NAME_OF_BUILT_IN: "Send the built-in type in place of a custom event, or choose "
    "another name.",
    Code.NAME_NOT_ALLOWED: "Leave name out, or send the type custom.",
    Code.EVENT_DATA_NOT_ALLOWED: "Put the data into metadata, or send the type custom.",
    Code.NO_USER: "Say who did it: send user with identities.",
    Code.NO_REFERRER: "Name who invited the user in referrer, or send via smart_link where "
    "a marketing link led here.",
    Code.BAD_IDENTITY: "Send each identity as a text under the name of its provider.",
    Code.NO_LINK: "Send two IDs or more of the person, one of which names one person, such as "
    "custom_id or email.",
    Code.EVENT_TOO_LARGE: "Send less with the event: 32 KB are allowed.",
    Code.METADATA_TOO_LARGE: "Send less metadata: 2 KB are allowed.",
    Code.TOO_MANY_VALUES: "Send less: 2,000 values are allowed in an event, and 100,000 in "
    "all events of a request.",
    Code.TOO_DEEP: "Nest objects and lists less deeply: 16 levels are allowed.",
    Code.NUMBER_TOO_LARGE: "Send the number as a text.",
    Code.BAD_TEXT: "Remove NUL characters, and cut texts between characters only.",
    Code.CONFLICT: "Give each event an id of its own, and send an event again exactly as "
    "it was.",
    Code.DOUBTFUL: "Correct what the warning names, or send the request without strict.",
    Code.STRICT: "Correct the other event: a strict request is stored whole or not at all.",
    Code.BAD_ROW: "Correct the row: it has to fit the heading.",
    Code.NOT_JSON: "Send one JSON text in UTF-8, without NaN or Infinity.",
    Code.WRONG_SHAPE: 'Send one event, or `{"events": [ … ]}` with 1 to 1,000 of them and '
    'nothing else; by PUT /v1/people one person, or `{"people": [ … ]}`.',
    Code.TOO_MANY_EVENTS: "Send at most 1,000 events in one request.",
    Code.TOO_LARGE: "Send the events in several requests, or compress them with gzip.",
    Code.UNSUPPORTED_MEDIA_TYPE: "Send `Content-Type: application/json` or "
    "`application/x-ndjson`, in UTF-8, plain or with `Content-Encoding: gzip`.",
    Code.BAD_GZIP: "Compress the body with gzip (RFC 1952), or leave Content-Encoding out.",
    Code.INCOMPLETE_BODY: "Send it again. Check Content-Length, and the proxy on the way.",
    Code.BAD_PARAMETER: "Use only `strict` and `dry_run`, each once, with the value 1 or 0.",
    Code.UNSTORABLE: "Nothing was stored. Send the events one by one to find the one that "
    "is refused, and report it: this is a gap in our validation, and it has been logged.",
    Code.NO_KEY: "Send `Authorization: Bearer <API key>`, or the key as the user of Basic.",
    Code.MALFORMED_KEY: "Send the key whole: it begins with rk_ and has 46 characters.",
    Code.UNKNOWN_KEY: "Check that the key belongs to this server and was copied whole; "
    "otherwise make a new one.",
    Code.REVOKED_KEY: "Give the backend the key that replaced this one, or make a new one.",
    Code.EXPIRED_KEY: "Give the backend a new key: rotating the old one makes it.",
    Code.APP_ARCHIVED: "Use the key of the app that replaced it: an archived app accepts "
    "no events.",
    Code.TRACKING_ONLY: "Give the backend an API key of its own: a tracking-only key is for "
    "/v1/segment and nothing else.",
    Code.SOURCE_ARCHIVED: "Make a new source on the page Sources: an archived one is never "
    "used again.",
    Code.UNKNOWN_APP: "Correct the first argument of referrals.append_events in the "
    "producer: it is the app's slug.",
}
