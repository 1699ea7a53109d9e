"""Reads the environment: typed, within limits, and with a sentence where it is wrong.

Imports no framework, so that the web server's own configuration can use it. A variable
that is set to nothing counts as not set.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from environ import Env

Made = TypeVar("Made")

_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})
# They read the settings, but sign, encrypt and serve nothing.
_NEED_NO_SECRET = frozenset({"collectstatic", "dmypy", "mypy"})


class UnusableError(ValueError):
    """A value cannot be used. Its text is a reason without the value: `it names no host`."""

    def __init__(self, *, because: str) -> None:
        super().__init__(because)


@dataclass(frozen=True, slots=True)
class ChangedVariable:
    """A variable that says something else than its default.

    `value` and `default` are what is in force, of a number, a flag or one of a few words.
    Both are empty where it is a text, which may hold a secret.
    """

    name: str
    value: str = ""
    default: str = ""


class Environment:
    """Every variable that is read, and everything that is wrong with them.

    A wrong or missing value does not stop the reading: its problem is noted, and
    `refuse` then tells all of them at once.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.names: set[str] = set()
        #: Those that are set to something else than their default, by name.
        self.changed: dict[str, ChangedVariable] = {}
        self.problems: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """Return the text, without blanks around it."""
        text = self._take(name) or default
        if text != default:
            self.changed[name] = ChangedVariable(name)
        return text

    def words(self, name: str, default: Sequence[str] = ()) -> list[str]:
        """Return the words between the commas."""
        words = [word.strip() for word in Env.parse_value(self.text(name), [str])]
        return [word for word in words if word] or list(default)

    def choice(self, name: str, default: str, *, among: Sequence[str]) -> str:
        """Return one of a few words."""
        word = self._take(name).lower() or default
        if word not in among:
            self._wrong(name, f"one of {', '.join(among)}")
            return default
        self._compare(name, word, default)
        return word

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return yes or no. A word that is neither is wrong, not no."""
        word = self._take(name).lower()
        if word and word not in _YES | _NO:
            self._wrong(name, "true or false")
        is_on = word in _YES if word else default
        self._compare(name, str(is_on).lower(), str(default).lower())
        return is_on

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a whole number."""
        return int(self._number(name, default, least, most, whole=True))

    def seconds(self, name: str, default: float, *, least: float, most: float) -> float:
        """Return a number of seconds, fractions allowed."""
        return self._number(name, default, least, most, whole=False)

    def read(
        self, name: str, reader: Callable[[str], Made], *, right: str, default: str = ""
    ) -> Made | None:
        """Return the value that `reader` reads from the text, or None without a text.

        `reader` raises `UnusableError` for a text that it cannot use. `right` describes a
        good one, for the problem's sentence.
        """
        text = self.text(name, default)
        return self._read(name, reader, text, right) if text else None

    def each(
        self, name: str, reader: Callable[[str], Made], *, right: str
    ) -> list[Made]:
        """Return the value of each word, as `read` does for one text."""
        made = (self._read(name, reader, word, right) for word in self.words(name))
        return [one for one in made if one is not None]

    def needed(self, name: str, why: str, remedy: str) -> None:
        """Note that `name` has to be set, and how."""
        self.problems.append(f"{name} is not set. {why} {remedy}")

    def check_secrets(
        self, secrets: Mapping[str, str], *, least: int, longer: Mapping[str, int]
    ) -> None:
        """Note a problem for each secret that is too short, and for secrets that are equal.

        `secrets` are those that are set, by name. Each needs `least` characters, or the
        number that `longer` has for it.
        """
        for name, text in secrets.items():
            if len(text) < (needed := longer.get(name, least)):
                self.problems.append(
                    f"{name} is shorter than {needed} characters, and could be guessed: "
                    "choose a longer one, by chance."
                )
        times = Counter(secrets.values())
        equal = [name for name, text in secrets.items() if times[text] > 1]
        if equal:
            self.problems.append(
                f"{' and '.join(equal)} are the same: who learns one, knows the other. Give "
                "each a value of its own."
            )

    def refuse(self) -> None:
        """End the process with every problem, if there is one."""
        if self.problems:
            raise SystemExit(_list_problems(self.problems))

    def _take(self, name: str) -> str:
        self.names.add(name)
        return self._values.get(name, "").strip()

    def _compare(self, name: str, value: str, default: str) -> None:
        """Note a value that was read as a number or a word of ours, so that it may be shown."""
        if value != default:
            self.changed[name] = ChangedVariable(name, value, default)

    def _number(
        self, name: str, default: float, least: float, most: float, *, whole: bool
    ) -> float:
        text = self._take(name)
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
        self._compare(name, _spell_number(number), _spell_number(default))
        return number

    def _read(
        self, name: str, reader: Callable[[str], Made], text: str, right: str
    ) -> Made | None:
        try:
            return reader(text)
        except UnusableError as error:
            problem = f"{name} cannot be used, because {error}: give {right}."
        if problem not in self.problems:
            self.problems.append(problem)
        return None

    def _wrong(self, name: str, wanted: str) -> None:
        # The value is not repeated: a secret may have got into the wrong variable.
        self.problems.append(f"{name} has a value that cannot be used: give {wanted}.")


def fill_in_missing(
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


def _spell_number(number: float) -> str:
    """Return the number as a person writes it: "45", "0.5"."""
    return str(int(number)) if number == int(number) else str(number)


def _list_problems(problems: Sequence[str]) -> str:
    lines = "\n".join(f"  - {problem}" for problem in problems)
    return (
        "This does not start, because its environment is incomplete or wrong:\n"
        f"{lines}\n"
        "Every variable is described in docs/reference/environment.md."
    )
