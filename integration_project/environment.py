"""Reads the environment: typed, within limits, and with a sentence where it is wrong.

Imports no framework, so that the web server's own configuration can use it. A variable
that is set to nothing counts as not set.
"""

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from pathlib import Path

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})
# They read the settings, but sign, encrypt and serve nothing.
_NEED_NO_SECRET = frozenset({"collectstatic", "dmypy", "mypy"})


class UnusableUrlError(ValueError):
    """An address names nothing that this product can use. Says nothing of its text."""


class Environment:
    """Every variable that is read, and everything that is wrong with them.

    A wrong or missing value does not stop the reading: its problem is noted, and
    `refuse` then tells all of them at once.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.names: set[str] = set()
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """Return the text, without blanks around it."""
        self.names.add(name)
        return self._values.get(name, "").strip() or default

    def words(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """Return what stands between the commas."""
        words = [word.strip() for word in self.text(name).split(",")]
        return [word for word in words if word] or list(default)

    def choice(self, name: str, default: str, *, among: Sequence[str]) -> str:
        """Return one of a few words."""
        word = self.text(name, default).lower()
        if word not in among:
            self._wrong(name, f"one of {', '.join(among)}")
            return default
        return word

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return yes or no. A word that is neither is wrong, not no."""
        word = self.text(name).lower()
        if word in _YES:
            return True
        if word and word not in _NO:
            self._wrong(name, "true or false")
        return default if not word else False

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number."""
        return int(self._number(name, default, least, most, whole=True))

    def seconds(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a number of seconds, fractions allowed."""
        return self._number(name, default, least, most, whole=False)

    def needed(self, name: str, why: str, remedy: str) -> None:
        """Note that `name` has to be set, and how."""
        self.problems.append(f"{name} is not set. {why} {remedy}")

    def refuse(self) -> None:
        """End the process with every problem, if there is one."""
        if self.problems:
            raise SystemExit(_refusal(self.problems))

    def _number(
        self, name: str, default: float, least: float, most: float, *, whole: bool
    ) -> float:
        text = self.text(name)
        if not text:
            return default
        try:
            number = int(text) if whole else float(text)
        except ValueError:
            number = most + 1
        if not least <= number <= most:
            kind = "a whole number" if whole else "a number"
            self._wrong(name, f"{kind} from {least:g} to {most:g}")
            return default
        return number

    def _wrong(self, name: str, wanted: str) -> None:
        # The value is not repeated: a secret may have got into the wrong variable.
        self.problems.append(f"{name} has a value that cannot be used: give {wanted}.")


def fill_in(
    environment: MutableMapping[str, str], values: Iterable[tuple[str, str]]
) -> None:
    """Set what `environment` lacks; of two values for a name, the first counts."""
    for name, value in values:
        if not environment.get(name):
            environment[name] = value


def needs_no_secret(arguments: Sequence[str]) -> bool:
    """Say whether this command line only reads the settings."""
    program = Path(arguments[0]) if arguments else Path()
    words = {program.name, program.parent.name, *arguments[1:2]}
    return bool(words & _NEED_NO_SECRET)


def _refusal(problems: Sequence[str]) -> str:
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return (
        "This does not start, because its environment is incomplete or wrong:\n"
        f"{lines}\n"
        "Every variable is described in docs/reference/environment.md."
    )
