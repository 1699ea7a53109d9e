"""How strict the sandbox is: one immutable value for each location.

Pure. A default is the more restrictive of the documented figures. A field marked
*guess* stands for behaviour that no public source describes, so that the day CleverTap
is seen to do otherwise, one switch follows.
"""

from typing import Final, Literal

import msgspec

from clevertap_sync.sandbox import limits
from clevertap_sync.sandbox.reading_rules import ReadingRules
from clevertap_sync.sandbox.schema import Schema

Reaction = Literal["refuse", "accept"]


class Rules(ReadingRules, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is refused, with which limit, and how it is read back."""

    records_per_request: int = limits.RECORDS_PER_REQUEST
    #: Guess: CleverTap publishes no limit for the body as a whole.
    body_bytes: int = 16 * 1024 * 1024
    uploads_in_flight: int = limits.UPLOADS_IN_FLIGHT
    #: For each of the calls that read.
    reads_in_flight: int = limits.READS_IN_FLIGHT

    #: 100 by default, says the reference; 256, say older pages.
    properties: int = limits.PROPERTIES
    key_characters: int = limits.KEY_CHARACTERS
    #: Bytes, says the reference; characters, says the dashboard's documentation.
    value_bytes: int = limits.VALUE_BYTES
    #: Guess: 512 is the Android SDK's limit, none is documented for the API.
    name_characters: int = limits.NAME_CHARACTERS
    identity_characters: int = limits.IDENTITY_CHARACTERS
    #: More event types than this are accepted, and dropped without a word.
    event_types: int = limits.EVENT_TYPES
    #: So many of them the account has already: system events and those of its apps.
    other_event_types: int = 0

    #: Guess: what happens beyond a documented limit. Refused with 512.
    long_keys: Reaction = "refuse"
    long_values: Reaction = "refuse"
    long_names: Reaction = "refuse"
    #: Guess: prohibited in names of events and properties. Refused with 512.
    prohibited_characters: Reaction = "refuse"
    #: Guess: null as a property's value. Refused with 512.
    nulls: Reaction = "refuse"
    #: Objects and lists in `evtData`: a feature that an account has or has not.
    nested: Reaction = "refuse"
    #: Guess: a `ts` in milliseconds. Refused with 525.
    milliseconds: Reaction = "refuse"
    #: Guess: more than one of identity, objectId, FBID and GPID. Refused with 523.
    several_identities: Reaction = "refuse"
    #: Guess: system events that are not on the restricted list. Refused with 513.
    system_names: Reaction = "refuse"
    #: Guess: a request whose Content-Type is not JSON. Refused with 400.
    other_content_types: Reaction = "refuse"

    #: Event names that the account's owner discarded in the dashboard.
    discarded_names: tuple[str, ...] = ()
    #: Sources differ: their records are refused with 528, or accepted and dropped.
    discarded_records: Literal["refuse", "drop"] = "refuse"
    #: What is kept, cut and dropped without a word.
    schema: Schema = Schema()

    #: Guess: how an account is refused that another location has, or none. "Account ID is
    #: not valid" was recorded; whether every location says so is not known.
    refused_credentials: Literal["told", "alike", "blocked"] = "told"
    #: Whether the account is a test account, whose ID begins with TEST-.
    test_account: bool = False

    #: Whether an echoed record differs from the sent one as it does in recordings.
    mutated_echoes: bool = True
    #: Whether connections stay open; recorded answers say `connection: Close`.
    keep_alive: bool = False
    #: Three forms are documented for a profile that does not exist.
    profile_not_found: Literal["404", "null", "fail"] = "404"


STRICT = Rules()
#: Its fields are read now: no thread is the first that needs them.
_decoder: Final = msgspec.json.Decoder(Rules)


def changed(rules: Rules, changes: dict[str, object]) -> Rules:
    """Return `rules` with `changes`.

    Raises `msgspec.ValidationError` for a rule that does not exist or a value that
    does not fit it.
    """
    return msgspec.convert({**msgspec.to_builtins(rules), **changes}, Rules)
