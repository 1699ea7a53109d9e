"""The codes with which CleverTap refuses a record, and their wording.

Pure. Recorded or quoted wordings: 509, 513, 514 to 520, 523, 525. The others are guesses
in the same style, around the meaning that the reference gives.
Reference: https://developer.clevertap.com/docs/api-errors
"""

from typing import Final, NamedTuple

NO_NAME: Final = 509
STRUCTURE: Final = 512
RESTRICTED: Final = 513
TOO_MANY_PROPERTIES: Final = 522
NO_IDENTITY: Final = 523
NO_TYPE: Final = 524
TIMESTAMP: Final = 525
OBJECT_ID: Final = 526
DISCARDED: Final = 528
SERVER_ERROR: Final = 555


class Refusal(NamedTuple):
    """Why a record is refused. `why` is for people and never on the wire."""

    code: int
    why: str


_WORDING = {
    NO_NAME: "Event Name is incorrect. ErrorCode: 509 - Event name is mandatory. ",
    STRUCTURE: (
        "Event structure is incorrect. ErrorCode: 512 - Invalid event structure. "
    ),
    RESTRICTED: (
        "Event Name is incorrect. "
        "ErrorCode: 513 - Trying to raise a restricted system event. "
    ),
    # Profile wordings have no blank before "Skipped". So they were recorded.
    514: "Profile data is incorrect. Gender needs to be M/F.",
    515: "Profile data is incorrect. Email is not valid.",
    516: "Profile data is incorrect. Phone number is not valid.",
    517: "Profile data is incorrect. Employed needs to be Y/N.",
    518: "Profile data is incorrect. Education needs to be School/College/Graduate..",
    519: "Profile data is incorrect. Married needs to be Y/N.",
    520: "Profile data is incorrect. Age is invalid.",
    TOO_MANY_PROPERTIES: (
        "Event data is incorrect. ErrorCode: 522 - Event properties limit exceeded. "
    ),
    NO_IDENTITY: (
        "'identity' or 'fbId' or 'gpId' or 'objectId' is necessary under 120 chars "
        "to identify the user. "
    ),
    NO_TYPE: "ErrorCode: 524 - Data is neither an event nor a profile. ",
    TIMESTAMP: "Timestamp should be present in the Unix Epoch format. ",
    OBJECT_ID: "ErrorCode: 526 - objectId is invalid. ",
    DISCARDED: "Event Name is incorrect. ErrorCode: 528 - Discarded event is raised. ",
    SERVER_ERROR: "ErrorCode: 555 - Miscellaneous server error. ",
}


#: What each code means, in short, for the page.
MEANINGS = {
    NO_NAME: "Event name is mandatory",
    STRUCTURE: "Invalid event structure",
    RESTRICTED: "Restricted system event",
    514: "Gender is not valid",
    515: "Email is not valid",
    516: "Phone number is not valid",
    517: "Employed is not valid",
    518: "Education is not valid",
    519: "Married is not valid",
    520: "Age is not valid",
    TOO_MANY_PROPERTIES: "Too many properties",
    NO_IDENTITY: "Identity is missing",
    NO_TYPE: "Neither event nor profile",
    TIMESTAMP: "Timestamp is not in seconds",
    OBJECT_ID: "objectId is not valid",
    DISCARDED: "Discarded event",
    SERVER_ERROR: "Miscellaneous server error",
}


def wording(code: int, number: int) -> str:
    """Return the error text for the record with the 1-based `number`."""
    text = _WORDING.get(code, f"ErrorCode: {code}. ")
    return f"{text}Skipped record number : {number}"
