"""Fetches the secrets that a set-up file names: from the environment, or from files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from clevertap_sync.provisioning.file_values import SecretPlace, refuse_value
from referrals.secret import Secret

#: No passcode and no address is nearly as long.
_LONGEST: Final = 4096


@dataclass(frozen=True, slots=True)
class SecretPlaces:
    """The environment, and the folder that relative paths begin in."""

    environment: Mapping[str, str]
    folder: Path

    def fetch(self, place: SecretPlace) -> Secret:
        """Return the secret, without blanks and line ends around it.

        Raises `UnusableValueError`, which says nothing of what was found.
        """
        text = (
            self._read_file(place.path)
            if place.path
            else self.environment.get(place.variable, "")
        ).strip()
        if not text:
            what = "file is empty" if place.path else "variable is not set, or empty"
            refuse_value(f"The {what}.")
        if len(text) > _LONGEST or not text.isprintable():
            refuse_value(
                "What was found there is no secret: it has several lines, or is too long."
            )
        return Secret(text)

    def _read_file(self, path: str) -> str:
        try:
            with (self.folder / path).open(encoding="utf-8") as file:
                return file.read(_LONGEST + 2)
        except (OSError, ValueError) as error:
            refuse_value(f"The file cannot be read ({type(error).__name__}).")
