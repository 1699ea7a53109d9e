"""Why a record was not delivered: every dead letter's reason, for people.

Pure: imports no framework. A code is stable: dead letters, metrics, the admin and the
documentation use it. Errors of a whole request stand in `errors`.

A stored event never changes, so a replay helps only after a change of the settings, the
account or the user. Where the event itself is wrong, the remedy is a new event, except
where one side alone is wrong: the other side's record would be delivered twice.
"""

from typing import Final, NamedTuple

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.limits import spell_figure

NO_IDENTITY: Final = "no_identity"
WAITING_FOR_IDENTITY: Final = "waiting_for_identity"
WAITING_FOR_REFERRER: Final = "waiting_for_referrer"
NEVER_KNOWN: Final = "never_known"
NO_REFERRER_KNOWN: Final = "no_referrer_known"
SHARED_IDENTITY: Final = "shared_identity"
KEPT_BACK: Final = "kept_back"
OUTCOME_UNKNOWN: Final = "outcome_unknown"
#: Of records that wait for a person to be known.
WAITING: Final = frozenset({WAITING_FOR_IDENTITY, WAITING_FOR_REFERRER})
#: Of records that waited in vain: no problem, and nothing to do.
EXPIRED: Final = frozenset({NEVER_KNOWN, NO_REFERRER_KNOWN, SHARED_IDENTITY, KEPT_BACK})


class Reason(NamedTuple):
    """A code, what it means in one sentence, and what to do about it in one."""

    code: str
    meaning: str
    remedy: str


#: What `Generated` and a blank leave for the name of a custom event.
_LONGEST_NAME = limits.MAX_EVENT_NAME - len("Generated ")

_IDENTITY = (
    Reason(
        NO_IDENTITY,
        "The user has no identity for the integration's identity provider.",
        "Choose an identity provider that users have and replay, or send this identity with events from now on; where users had not signed up yet, list the ID that they carry among the app's IDs that come before sign-up, and replay.",
    ),
    Reason(
        "identity_empty",
        "The user's identity is empty or blank.",
        "Correct your backend, so that it sends the user's identity with events from now on.",
    ),
    Reason(
        "identity_forbidden",
        "The user's identity is a placeholder such as null, none or 0, which CleverTap takes for no identity.",
        "Find where your backend puts a placeholder for a missing ID, and correct it for events from now on.",
    ),
    Reason(
        "identity_too_long",
        f"The user's identity is longer than CleverTap's {spell_figure(limits.MAX_IDENTITY)} characters.",
        "Use a shorter identity in CleverTap and in events from now on.",
    ),
    Reason(
        "identity_characters",
        "The user's identity contains a control character such as a line feed, so it would create a profile that nobody has.",
        "Remove the character where your backend reads the ID, for events from now on.",
    ),
    Reason(
        "clevertap_id_invalid",
        "The identity does not have the shape of a CleverTap ID.",
        "Choose another identity provider and replay, or send the ID that CleverTap's SDK reports, its prefix included.",
    ),
)
_PEOPLE = (
    Reason(
        WAITING_FOR_IDENTITY,
        "The record waits until an ID that comes before sign-up is tied to a user whose identity can be sent.",
        "Do nothing: it goes by itself once an event or a call of PUT /v1/people carries this ID beside the user's own.",
    ),
    Reason(
        WAITING_FOR_REFERRER,
        'The event\'s referrer is "last", and the record waits until it is known who that is.',
        "Do nothing: it goes by itself once an earlier event that named a referrer turns out to be this user's.",
    ),
    Reason(
        NEVER_KNOWN,
        "The record waited as long as it may, and no user became known by its ID: an install without a sign-up.",
        "Do nothing: most of these are people who never signed up.",
    ),
    Reason(
        NO_REFERRER_KNOWN,
        'The event\'s referrer is "last", and no referrer of this user is known.',
        "Do nothing where nobody invited the user; where the app does not remember referrers, let it, and replay.",
    ),
    Reason(
        SHARED_IDENTITY,
        "The record's ID was claimed by two users, as on a shared device, so it names nobody.",
        "Do nothing: sent to either of the two, it might be the wrong one's.",
    ),
    Reason(
        KEPT_BACK,
        "The user became known, but by then the integration's settings kept such records back.",
        "Do nothing, or let the settings send such records and replay.",
    ),
)
_EVENT = (
    Reason(
        "timestamp_invalid",
        "The event's time lies before 1970 or after the year 5138, which CleverTap refuses or misreads.",
        "Correct how your backend fills occurred_at, and send the event again with a new id.",
    ),
    Reason(
        "event_name_empty",
        "The custom event has a blank name.",
        "Give the event a name, and send it again with a new id.",
    ),
    Reason(
        "event_name_too_long",
        f"The event's name in CleverTap would be longer than {spell_figure(limits.MAX_EVENT_NAME)} characters.",
        f"Shorten the name to at most {spell_figure(_LONGEST_NAME)} characters, and send the event again with a new id.",
    ),
    Reason(
        "event_name_characters",
        "The event's name contains a character that CleverTap prohibits in names, and without it the event might join another one's counts.",
        "Rename the event without the characters that the detail lists, and send it again with a new id.",
    ),
    Reason(
        "event_name_restricted",
        "CleverTap keeps this event name for itself.",
        "Rename the event, and send it again with a new id.",
    ),
    Reason(
        "event_name_clash",
        "CleverTap, which ignores case and spaces, would count this custom event as a built-in referral event.",
        "Rename the event or send it as the built-in type, with a new id.",
    ),
    Reason(
        "new_event_name",
        "The app has brought as many custom event names to CleverTap as it may without asking.",
        "Approve the name in the admin under Custom names, then replay.",
    ),
)
_PROPERTIES = (
    Reason(
        "property_clash",
        "Two keys of the event data become the same property name once prohibited characters are removed.",
        "Choose the event data format One JSON text and replay, or rename the key in your backend.",
    ),
    Reason(
        "property_name_empty",
        "A key of the event data has no character that CleverTap allows in a property's name.",
        "Choose the event data format One JSON text and replay, or rename the key in your backend.",
    ),
    Reason(
        "property_name_too_long",
        f"A property's name would be longer than CleverTap's {spell_figure(limits.MAX_PROPERTY_NAME)} characters.",
        "Choose the event data format One JSON text and replay, or shorten the key in your backend.",
    ),
    Reason(
        "too_many_properties",
        "The event has more properties than the integration's property limit.",
        "Choose the event data format One JSON text, or raise the limit if CleverTap raised yours, then replay.",
    ),
    Reason(
        "text_too_long",
        f"A text is longer than CleverTap's {spell_figure(limits.MAX_TEXT_BYTES)} bytes, and the settings refuse long texts.",
        "Let the settings shorten long texts and replay, or send shorter ones.",
    ),
    Reason(
        "nested_too_deep",
        f"The event data is nested deeper than CleverTap's {spell_figure(limits.MAX_LEVELS)} levels.",
        "Choose another event data format, then replay.",
    ),
    Reason(
        "nested_too_wide",
        f"An object in the event data holds more than {spell_figure(limits.MAX_BRANCHES)} objects or lists, or a list more than {spell_figure(limits.MAX_LIST_ITEMS)} items.",
        "Choose another event data format, then replay.",
    ),
    Reason(
        "record_too_large",
        f"The record is larger than CleverTap's {limits.MAX_RECORD_BYTES // 1024} KB.",
        "Choose the event data format One JSON text and replay, or send less event data.",
    ),
)
_DELIVERY = (
    Reason(
        "request_rejected",
        "CleverTap refused this record twice, alone in its request, and accepted a good one in between.",
        "Read what CleverTap answered in the attempt, correct the settings, and replay.",
    ),
    Reason(
        "unidentified",
        "CleverTap refused a record of the upload, and its answer does not tell which.",
        "Compare the upload's records with what CleverTap shows before you replay any of them.",
    ),
    Reason(
        OUTCOME_UNKNOWN,
        "The record was sent eight times without an answer that could be read, so nobody knows whether CleverTap stored it.",
        "Look in CleverTap whether the event is there, and replay only if it is not, because it would count twice. An integration that compares with CleverTap looks by itself after a day.",
    ),
    Reason(
        "mapping_failed",
        "The event could not be turned into a record because of a fault of ours.",
        "Report this with the event's ID, and replay after the next release.",
    ),
    Reason(
        "event_removed",
        "The event was removed from the log before its record could be sent again.",
        "Do nothing: retention or an erasure took the event, and its record with it.",
    ),
    Reason(
        "suppressed",
        "The person asked not to be processed, so nothing about them is sent.",
        "Do nothing, unless the person agrees again.",
    ),
    Reason(
        "erased",
        "The person was erased before the record was delivered.",
        "Do nothing: the data is gone, as it should be.",
    ),
    Reason(
        "clevertap_unknown",
        "CleverTap refused the record with no code, or with one that is not known.",
        "Read what CleverTap answered in the attempt, correct the settings, and replay.",
    ),
)

# Reference: https://developer.clevertap.com/docs/api-errors
_CLEVERTAP = {
    509: (
        "CleverTap says that the event's name is missing.",
        "Give the event a name, and send it again with a new id.",
    ),
    512: (
        "CleverTap says that the event's structure is invalid.",
        "If event data goes nested, ask CleverTap to enable nested objects or choose another format, then replay.",
    ),
    513: (
        "CleverTap says that the event's name is restricted to its own events.",
        "Rename the event, and send it again with a new id.",
    ),
    514: ("CleverTap says that the profile's gender is invalid.", ""),
    515: ("CleverTap says that the profile's e-mail address is invalid.", ""),
    516: ("CleverTap says that the profile's phone number is invalid.", ""),
    517: ("CleverTap says that the profile's employment is invalid.", ""),
    518: ("CleverTap says that the profile's education is invalid.", ""),
    519: ("CleverTap says that the profile's marital status is invalid.", ""),
    520: ("CleverTap says that the profile's age is invalid.", ""),
    522: (
        "CleverTap says that the event has too many properties.",
        "Choose the event data format One JSON text, or ask CleverTap to raise the limit, then replay.",
    ),
    523: (
        "CleverTap says that the user's identity is missing or not allowed.",
        "Look at the user's identity in the event, and correct your backend for events from now on.",
    ),
    524: ("CleverTap says that the record is neither an event nor a profile.", ""),
    525: (
        "CleverTap says that the time is not in Unix seconds.",
        "Correct how your backend fills occurred_at, and send the event again with a new id.",
    ),
    526: (
        "CleverTap says that the CleverTap ID is invalid.",
        "Choose another identity provider and replay, or send the ID that CleverTap's SDK reports, its prefix included.",
    ),
    528: (
        "The event is discarded in CleverTap's dashboard.",
        "Restore the event in CleverTap under Settings, Schema, Events, then replay.",
    ),
    530: ("CleverTap says that a device token's data is invalid.", ""),
    531: ("CleverTap says that a device token's data is invalid.", ""),
    532: ("CleverTap says that a device token's data is invalid.", ""),
    533: ("CleverTap says that a device token's data is invalid.", ""),
    534: ("CleverTap says that a device token's data is invalid.", ""),
    535: ("CleverTap says that a device token's data is invalid.", ""),
    555: (
        "CleverTap had a fault of its own, and again each time that the record was sent again.",
        "Replay later; if it lasts, ask CleverTap's support.",
    ),
}
# A code about profiles or device tokens, which we never send: only its words help.
_REPORT = "Report this code with the attempt's answer, because we send nothing that it is about."
# A code that CleverTap does not explain.
_UNEXPLAINED = (
    "CleverTap refused the record with a code that its documentation leaves out."
)
_READ = "Read what CleverTap answered in the attempt, and report it."


def _clevertap_reason(code: int) -> Reason:
    meaning, remedy = _CLEVERTAP.get(code, (_UNEXPLAINED, _READ))
    return Reason(f"clevertap_{code}", meaning, remedy or _REPORT)


REASONS: dict[str, Reason] = {
    reason.code: reason
    for reason in (
        *_IDENTITY,
        *_PEOPLE,
        *_EVENT,
        *_PROPERTIES,
        *_DELIVERY,
        *map(_clevertap_reason, (*range(509, 536), 555)),
    )
}


def find_reason(code: str) -> Reason:
    """Return the reason with this code; one without a remedy for an unknown code."""
    return REASONS.get(code) or Reason(code, code, "")


def find_reason_for_code(code: int | None) -> str:
    """Return the code of our reason for a record code of CleverTap's answer."""
    reason = f"clevertap_{code}"
    return reason if reason in REASONS else "clevertap_unknown"


def shorten_reason(code: str) -> str:
    """Return a reason in a few words, such as "No identity", for a narrow column."""
    words = code.replace("_", " ").capitalize()
    return words.replace("Clevertap", "CleverTap").replace(" id ", " ID ")
