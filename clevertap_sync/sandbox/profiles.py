"""What CleverTap says to the data of a profile record. Pure.

Reference: https://developer.clevertap.com/docs/upload-user-profiles-api
"""

import re
from collections.abc import Mapping
from typing import Any

from clevertap_sync.sandbox.verdicts import STRUCTURE, Refusal

# Each field with the code that refuses it, and what it has to look like.
_FIELDS: tuple[tuple[str, int, re.Pattern[str]], ...] = (
    ("Gender", 514, re.compile(r"[MFmf]")),
    ("Email", 515, re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")),
    ("Phone", 516, re.compile(r"\+?\d{5,15}")),
    ("Employed", 517, re.compile(r"[YNyn]")),
    ("Education", 518, re.compile(r"School|College|Graduate", re.IGNORECASE)),
    ("Married", 519, re.compile(r"[YNyn]")),
    ("Age", 520, re.compile(r"\d{1,3}")),
)


def check_profile(record: Mapping[str, Any]) -> Refusal | None:
    """Return why a profile or token record is refused, or None."""
    if record["type"] == "token":
        fine = isinstance(record.get("tokenData"), dict)
        return None if fine else Refusal(STRUCTURE, "tokenData is not an object")
    data = record.get("profileData")
    if not isinstance(data, dict):
        return Refusal(STRUCTURE, "profileData is not an object")
    for field, code, form in _FIELDS:
        if field in data and not form.fullmatch(str(data[field])):
            return Refusal(code, f"{field} has a wrong form")
    return None
