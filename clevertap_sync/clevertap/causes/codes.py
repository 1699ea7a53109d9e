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
#: No cause: how the rest of a difference is named among them, or a name without a schema.
UNEXPLAINED: Final = "unexplained"

#: All causes, as they are taken off.
ORDER: Final = (
    EVENT_TYPES_FULL,
    NAME_UNKNOWN,
    NAME_DISCARDED,
    SCHEMA_PUBLISHED,
    PROPERTY_MISSING,
    PROPERTY_TYPE,
    SENT_TWICE,
    MAYBE_REFUSED,
    OTHER_SENDER,
    OTHER_TIME_ZONE,
    NOT_PROCESSED_YET,
    DATA_RETENTION,
    PROFILES_DELETED,
    ACCOUNT_EMPTY,
    COUNTS_PEOPLE,
)
