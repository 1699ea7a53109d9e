"""The codes of causes, in the order in which they are taken off a difference.

They are stable: statements, `--json`, metrics and the documentation use them.
"""

from typing import Final

EVENT_TYPES_FULL: Final = "event_types_full"
NAME_UNKNOWN: Final = "name_unknown"
NAME_DISCARDED: Final = "name_discarded"
SCHEMA_PUBLISHED: Final = "schema_published"
PROPERTY_MISSING: Final = "property_missing"
PROPERTY_TYPE: Final = "property_type"
SENT_TWICE: Final = "sent_twice"
MAYBE_REFUSED: Final = "maybe_refused"
OTHER_SENDER: Final = "other_sender"
OTHER_TIME_ZONE: Final = "other_time_zone"
NOT_PROCESSED_YET: Final = "not_processed_yet"
DATA_RETENTION: Final = "data_retention"
PROFILES_DELETED: Final = "profiles_deleted"
ACCOUNT_EMPTY: Final = "account_empty"
COUNTS_PEOPLE: Final = "counts_people"
#: Of a first sight only: without reading there is no count, and no difference.
NOT_READABLE: Final = "not_readable"
#: No cause: how the rest of a difference is named among them, or a name without a schema.
UNEXPLAINED: Final = "unexplained"

#: All codes, and what each says in a few words.
MEANINGS: Final = {
    EVENT_TYPES_FULL: "The account has no room for a further event type.",
    NAME_UNKNOWN: "The account's schema lacks the event's name.",
    NAME_DISCARDED: "The event is discarded in CleverTap.",
    SCHEMA_PUBLISHED: "A change of the schema began or ended what is counted.",
    PROPERTY_MISSING: "CleverTap demands a property that the records lack.",
    PROPERTY_TYPE: "A property's value has another type than in the schema.",
    SENT_TWICE: "Requests without an answer were sent again, and stored twice.",
    MAYBE_REFUSED: "CleverTap refused records, and did not say which.",
    OTHER_SENDER: "Somebody else sends events of this name.",
    OTHER_TIME_ZONE: "The account's days begin at another hour than in the settings.",
    NOT_PROCESSED_YET: "CleverTap has not processed everything yet.",
    DATA_RETENTION: "CleverTap has removed old events.",
    PROFILES_DELETED: "Profiles were deleted, and their events with them.",
    ACCOUNT_EMPTY: "CleverTap counts nothing at all.",
    COUNTS_PEOPLE: "CleverTap counts people, not records.",
    NOT_READABLE: "The passcode may not read.",
}
