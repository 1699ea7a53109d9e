"""Where CleverTap stores an account's data, and the host of its API there.

Pure. Reference: https://developer.clevertap.com/docs/common-api-components
"""

from enum import StrEnum
from typing import Final, NamedTuple


class Location(StrEnum):
    """CleverTap's regions, by the prefix of the dashboard's address."""

    EU1 = "eu1"
    IN1 = "in1"
    SG1 = "sg1"
    US1 = "us1"
    APS3 = "aps3"
    MEC1 = "mec1"
    SK1 = "sk1"


class StoragePlace(NamedTuple):
    """What is known of a location: its name as it stands after "in", and its host."""

    name: str
    host: str

    @property
    def label(self) -> str:
        """The name without its article."""
        return self.name.removeprefix("the ")


#: All that is known of each location. Whatever depends on it reads this table.
PLACES: Final = {
    # `eu1.api.clevertap.com` is not among the documented ones.
    Location.EU1: StoragePlace("Europe", "api.clevertap.com"),
    Location.IN1: StoragePlace("India", "in1.api.clevertap.com"),
    Location.SG1: StoragePlace("Singapore", "sg1.api.clevertap.com"),
    Location.US1: StoragePlace("the United States", "us1.api.clevertap.com"),
    Location.APS3: StoragePlace("Indonesia", "aps3.api.clevertap.com"),
    Location.MEC1: StoragePlace("the Middle East (UAE)", "mec1.api.clevertap.com"),
    Location.SK1: StoragePlace("South Korea", "sk1.api.clevertap.com"),
}
LABELS: Final = {location: place.label for location, place in PLACES.items()}


def spell_in_sentence(location: Location) -> str:
    """Return the location as it stands after "in", such as "the United States"."""
    return PLACES[location].name


def spell_in_brackets(location: Location) -> str:
    """Return the location without brackets of its own."""
    return LABELS[location].replace(" (", ", ").removesuffix(")")


def find_base_url(location: Location, template: str | None = None) -> str:
    """Return the address, without a trailing slash, that answers for `location`.

    `template` (`CLEVERTAP_BASE_URL`) sends every location elsewhere; `{location}` in
    it becomes the location's code.
    """
    if template:
        return template.replace("{location}", location.value).rstrip("/")
    return f"https://{PLACES[location].host}"
