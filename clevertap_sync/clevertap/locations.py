"""Where CleverTap stores an account's data, and the host of its API there.

Pure. Reference: https://developer.clevertap.com/docs/common-api-components
"""

from enum import StrEnum


class Location(StrEnum):
    """CleverTap's regions, by the prefix of the dashboard's address."""

    EU1 = "eu1"
    IN1 = "in1"
    SG1 = "sg1"
    US1 = "us1"
    APS3 = "aps3"
    MEC1 = "mec1"
    SK1 = "sk1"


LABELS = {
    Location.EU1: "Europe",
    Location.IN1: "India",
    Location.SG1: "Singapore",
    Location.US1: "United States",
    Location.APS3: "Indonesia",
    Location.MEC1: "Middle East (UAE)",
    Location.SK1: "South Korea",
}
_WITH_ARTICLE = frozenset({Location.US1, Location.MEC1})


def spell_in_sentence(location: Location) -> str:
    """Return the location's name as it follows "in": "the United States"."""
    label = LABELS[location]
    return f"the {label}" if location in _WITH_ARTICLE else label


def spell_in_brackets(location: Location) -> str:
    """Return the location without brackets of its own."""
    return LABELS[location].replace(" (", ", ").removesuffix(")")


def find_base_url(location: Location, template: str | None = None) -> str:
    """Return the address, without a trailing slash, that answers for `location`.

    `template` (`CLEVERTAP_BASE_URL`) sends every location elsewhere; `{location}` in
    it becomes the location's code. Europe has the bare host: `eu1.api.clevertap.com`
    is not among the documented ones.
    """
    if template:
        return template.replace("{location}", location.value).rstrip("/")
    prefix = "" if location is Location.EU1 else f"{location.value}."
    return f"https://{prefix}api.clevertap.com"
