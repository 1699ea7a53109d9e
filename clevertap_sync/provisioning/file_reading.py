"""Reads a set-up file: everything is checked, and all that is wrong is said at once."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, NoReturn

from clevertap_sync.provisioning.file_keys import TABLES, Key, Table
from clevertap_sync.provisioning.file_secrets import SecretPlaces
from clevertap_sync.provisioning.file_values import UnusableValueError
from clevertap_sync.provisioning.store import ProvisioningError

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
#: More is no set-up: a thousand apps need less.
LONGEST: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class WantedRow:
    """One row of a table: where it stands in the file, its name, and its values by key."""

    place: str
    name: str
    values: Mapping[str, Any]
    inner: Mapping[str, tuple["WantedRow", ...]] = field(default_factory=dict)

    def choose(self, keys: Mapping[str, str]) -> dict[str, Any]:
        """Return the values that the file has of these keys, by column."""
        return {
            column: self.values[key]
            for key, column in keys.items()
            if key in self.values
        }

    def within(self, *names: str) -> "WantedRow":
        """Return a row without values below this one."""
        return WantedRow(f"{self.place}.{spell_place(*names)}", names[-1], {})


class SetUpFileError(ProvisioningError):
    """The file, or what it asks for, cannot be: a line for each problem, with its place."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        super().__init__("\n".join(f"{place}: {text}" for place, text in problems))


def refuse_place(place: str, sentence: str) -> NoReturn:
    """Raise `SetUpFileError` for one place of the file."""
    raise SetUpFileError((place, sentence)) from None


def read_set_up(text: str, secrets: SecretPlaces) -> dict[str, tuple[WantedRow, ...]]:
    """Return the rows of each table of the file. Raises `SetUpFileError`."""
    reading = _Reading(secrets)
    document = _parse(text)
    reading.refuse_unknown("", document, TABLES)
    rows = {
        name: tuple(reading.read_rows(name, document.get(name, {}), table))
        for name, table in TABLES.items()
    }
    if reading.problems:
        raise SetUpFileError(*reading.problems)
    return rows


def spell_place(*names: str) -> str:
    """Return where something stands, as TOML spells it."""
    return ".".join(
        each if _BARE.fullmatch(each) else '"{}"'.format(each.replace('"', r"\""))
        for each in names
    )


def _parse(text: str) -> dict[str, Any]:
    if len(text) > LONGEST:
        refuse_place("file", f"It is longer than {LONGEST:,} characters.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # It names a place and what TOML expects there, and repeats no value.
        refuse_place("file", f"This is no TOML: {error}.")
    except RecursionError:
        refuse_place("file", "Its tables are nested too deeply.")


class _Reading:
    """One reading, which collects what is wrong."""

    def __init__(self, secrets: SecretPlaces) -> None:
        self.problems: list[tuple[str, str]] = []
        self._secrets = secrets

    def read_rows(self, place: str, found: object, table: Table) -> Iterator[WantedRow]:
        """Yield the rows of a table, each under its name."""
        if not isinstance(found, dict):
            self._refuse(place, f"Write tables, such as [{table.place}].")
            return
        for name, row in found.items():
            at = f"{place}.{spell_place(name)}"
            if not isinstance(row, dict):
                self._refuse(at, f"Write a table, such as [{table.place}].")
                continue
            yield self._read_row(at, name, row, table)

    def _read_row(
        self, place: str, name: str, row: dict[str, Any], table: Table
    ) -> WantedRow:
        self._read_value(place, name, table.name)
        self.refuse_unknown(place, row, {**table.keys, **table.inner})
        for key in table.keys.values():
            if key.is_required and key.name not in row:
                self._refuse(f"{place}.{key.name}", "This key is missing.")
        values = {
            key.name: self._read_value(f"{place}.{key.name}", row[key.name], key)
            for key in table.keys.values()
            if key.name in row
        }
        inner = {
            each: tuple(self.read_rows(f"{place}.{each}", row.get(each, {}), within))
            for each, within in table.inner.items()
        }
        return WantedRow(place, name, values, inner)

    def _read_value(self, place: str, value: object, key: Key) -> object:
        try:
            found = key.read(value)
            return self._secrets.fetch(found) if key.is_secret else found
        except UnusableValueError as error:
            self._refuse(place, str(error))
            return None

    def refuse_unknown(
        self, place: str, row: Mapping[str, Any], known: Mapping[str, object]
    ) -> None:
        """Say of each key that is none, and which may be meant."""
        for name in row.keys() - known.keys():
            near = get_close_matches(name, known, n=1)
            meant = f"Is {near[0]} meant?" if near else f"Known: {', '.join(known)}."
            at = f"{place}.{spell_place(name)}" if place else spell_place(name)
            self._refuse(at, f"There is no such key. {meant}")

    def _refuse(self, place: str, sentence: str) -> None:
        self.problems.append((place, sentence))
