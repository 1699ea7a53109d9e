"""An app's fraud rules as they are written on a command line: `installs=4`. Pure."""

from collections.abc import Iterable
from typing import Final

#: What is written, and the column of the app that it sets.
COLUMNS: Final = {
    "same_ip": "fraud_same_ip",
    "installs": "fraud_installs",
    "installs_days": "fraud_installs_days",
    "advertising_ids": "fraud_advertising_ids",
    "advertising_ids_days": "fraud_advertising_ids_days",
}
_SWITCHED: Final = "same_ip"
_WORDS: Final = {"yes": True, "no": False}
_NONE: Final = "none"


class FraudSettingError(Exception):
    """It cannot be read; the text says why."""


def read_fraud_settings(texts: Iterable[str]) -> dict[str, bool | int | None]:
    """Return the values by column. Raises `FraudSettingError`; the column has the limits."""
    return dict(_read_setting(text) for text in texts)


def _read_setting(text: str) -> tuple[str, bool | int | None]:
    name, _, value = (part.strip().casefold() for part in text.partition("="))
    if name not in COLUMNS:
        msg = f"{text!r} is none of {', '.join(f'{each}=…' for each in COLUMNS)}."
        raise FraudSettingError(msg)
    if name == _SWITCHED:
        if value not in _WORDS:
            msg = f"{name} takes yes or no, and not {value!r}."
            raise FraudSettingError(msg)
        return COLUMNS[name], _WORDS[value]
    if value == _NONE:
        return COLUMNS[name], None
    if not (value.isascii() and value.isdigit()):
        msg = f"{name} takes a whole number or none, and not {value!r}."
        raise FraudSettingError(msg)
    return COLUMNS[name], int(value)
