"""Reads the values of a set-up file: what TOML read becomes what a column holds.

A reader raises `UnusableValueError` with a sentence that never repeats the value: it may be a
secret in the wrong place.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, NoReturn

from django.core.exceptions import ValidationError
from django.core.validators import (
    BaseValidator,
    MaxValueValidator,
    MinValueValidator,
    validate_email,
)
from django.db import models

from clevertap_sync.alerting.alert_rules import MOST_RECIPIENTS
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.provisioning.one_app import find_location
from clevertap_sync.provisioning.store import ProvisioningError
from referrals.fraud_signals import parse_networks
from referrals.loose_ids import LooseIdsError, read_loose_ids

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOW_TO_NAME_ONE: Final = (
    'Never write a secret into the file. Write { env = "NAME" } for a variable of the '
    'environment, or { file = "PATH" }.'
)

#: Takes what TOML read. Raises `UnusableValueError`.
Reader = Callable[[object], Any]


class UnusableValueError(ValueError):
    """The value cannot be used; the sentence says what can."""


def refuse_value(sentence: str) -> NoReturn:
    """Raise `UnusableValueError` with the sentence, and without what led to it."""
    raise UnusableValueError(sentence) from None


@dataclass(frozen=True, slots=True)
class SecretPlace:
    """Where a secret is: in a variable of the environment, or in a file."""

    variable: str = ""
    path: str = ""


def read_flag(value: object) -> bool:
    """Take true or false."""
    if isinstance(value, bool):
        return value
    refuse_value("Write true or false, without quotes.")


def read_text(value: object) -> str:
    """Take a text of one line that is not empty, without the blanks around it."""
    if not isinstance(value, str):
        refuse_value("Write a text in quotes.")
    text = value.strip()
    if not text:
        refuse_value("The text is empty. Leave the key out instead.")
    if not text.isprintable():
        refuse_value("Leave out line breaks and marks that nobody sees.")
    return text


def read_texts(value: object) -> list[str]:
    """Take a list of texts, which may be empty."""
    if not isinstance(value, list):
        refuse_value('Write a list of texts, such as ["one", "two"].')
    return [_read_member(number, each) for number, each in enumerate(value, 1)]


def _read_member(number: int, value: object) -> str:
    try:
        return read_text(value)
    except UnusableValueError as error:
        refuse_value(f"Entry {number}: {error}")


def read_whole_number(value: object) -> int:
    """Take a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    refuse_value("Write a whole number, without quotes.")


def read_number(value: object) -> float:
    """Take a number."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    refuse_value("Write a number, without quotes.")


def read_date(value: object) -> date:
    """Take a date, as TOML has it."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    refuse_value("Write a date, such as 2027-01-31, without quotes.")


def read_secret_place(value: object) -> SecretPlace:
    """Take the place of a secret, and never the secret itself."""
    if not isinstance(value, dict) or len(value) != 1:
        refuse_value(_HOW_TO_NAME_ONE)
    ((kind, where),) = value.items()
    if kind not in {"env", "file"} or not isinstance(where, str) or not where.strip():
        refuse_value(_HOW_TO_NAME_ONE)
    if kind == "file":
        return SecretPlace(path=where)
    if not _VARIABLE.fullmatch(where):
        refuse_value(
            "env takes the name of a variable: letters, digits and underscores."
        )
    return SecretPlace(variable=where)


def read_location(value: object) -> Location:
    """Take a code or a name of a location."""
    try:
        return find_location(read_text(value))
    except ProvisioningError:
        codes = ", ".join(Location)
        refuse_value(
            f"There is no such location. Use one of {codes}, or the region's name."
        )


def read_verifier(value: object) -> dict[str, Any]:
    """Take a table that says how calls are verified; the source's rules judge it."""
    if isinstance(value, dict):
        return value
    refuse_value('Write a table, such as { is = "hmac", header = "X-Sign" }.')


def read_networks(value: object) -> str:
    """Take a list of networks; return it as the column has it, one a line."""
    texts = read_texts(value)
    for number, text in enumerate(texts, 1):
        try:
            parse_networks(text)
        except ValueError:
            refuse_value(
                f"Entry {number} is no network and no address, such as 192.0.2.0/24."
            )
    return "\n".join(texts)


def read_provider_names(value: object) -> list[str]:
    """Take a list of identity providers."""
    try:
        return read_loose_ids(", ".join(read_texts(value)))
    except LooseIdsError as error:
        refuse_value(str(error))


def read_addresses(value: object) -> str:
    """Take a list of e-mail addresses; return it as the column has it, one a line."""
    texts = read_texts(value)
    if len(texts) > MOST_RECIPIENTS:
        refuse_value(f"Write at most {MOST_RECIPIENTS} addresses.")
    for number, text in enumerate(texts, 1):
        try:
            validate_email(text)
        except ValidationError:
            refuse_value(f"Entry {number} is no e-mail address.")
    return "\n".join(texts)


def make_choice_reader(choices: Iterable[str]) -> Reader:
    """Return the reader of one of these words."""
    known = list(choices)

    def read(value: object) -> str:
        if isinstance(value, str) and value in known:
            return value
        refuse_value(f"Use one of: {', '.join(known)}.")

    return read


def make_choices_reader(choices: Iterable[str]) -> Reader:
    """Return the reader of a list of these words; each counts once, in their order."""
    known = list(choices)

    def read(value: object) -> list[str]:
        texts = read_texts(value)
        for number, text in enumerate(texts, 1):
            if text not in known:
                refuse_value(f"Entry {number} is none of: {', '.join(known)}.")
        return [each for each in known if each in texts]

    return read


def make_range_reader(least: int, most: int) -> Reader:
    """Return the reader of a whole number within these."""

    def read(value: object) -> int:
        number = read_whole_number(value)
        if not least <= number <= most:
            refuse_value(f"Write a number from {least:,} to {most:,}.")
        return number

    return read


def allow_never(read: Reader) -> Reader:
    """Return the reader that takes false besides, for none."""

    def read_or_never(value: object) -> object:
        return None if value is False else read(value)

    return read_or_never


def make_column_reader(field: "models.Field[Any, Any]") -> tuple[Reader, str]:
    """Return the reader of a column's values by the column's type and rules, and what it takes."""
    read, takes = _choose_reader(field)

    def read_and_check(value: object) -> object:
        found = read(value)
        if found is None:
            return None
        try:
            return field.clean(found, None)
        except ValidationError as error:
            refuse_value(" ".join(error.messages))

    return read_and_check, takes


def _choose_reader(field: "models.Field[Any, Any]") -> tuple[Reader, str]:
    if field.choices:
        words = [str(value) for value, _ in field.flatchoices]
        return make_choice_reader(words), _list_words(words)
    if isinstance(field, models.BooleanField):
        return read_flag, "`true` or `false`"
    if isinstance(field, models.DateField):
        return read_date, "a date"
    if isinstance(field, models.FloatField | models.DecimalField):
        read, takes = read_number, "a number"
    elif isinstance(field, models.IntegerField):
        read, takes = read_whole_number, _spell_range(field)
    else:
        return read_text, "a text"
    if field.null:
        return allow_never(read), f"{takes}, or `false`"
    return read, takes


def _spell_range(field: "models.IntegerField[Any, Any]") -> str:
    least = max(_list_limits(field, MinValueValidator), default=None)
    most = min(_list_limits(field, MaxValueValidator), default=None)
    return (
        "a whole number" if least is None or most is None else f"{least:,} to {most:,}"
    )


def _list_limits(
    field: "models.IntegerField[Any, Any]", kind: type[BaseValidator]
) -> list[int]:
    # Those that the column names: the database's own differ.
    named = field.deconstruct()[3].get("validators", ())
    return [each.limit_value for each in named if isinstance(each, kind)]


def _list_words(words: Iterable[str]) -> str:
    *others, last = (f"`{each}`" for each in words)
    return f"{', '.join(others)} or {last}" if others else last
