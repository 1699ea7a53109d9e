"""The columns of a CSV: which field of an event each one fills, and with what.

The columns are the wire format's fields, a dot standing between an object and a field in
it: `user.identities.email`, `referrer.ip`, `event_data.plan`. An empty cell is left out.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import reduce
from typing import Any, Final, NamedTuple

import msgspec

from referrals.files.file_errors import FileError
from referrals.refusals import Code
from referrals.repeated_keys import find_repeated_key
from referrals.rules import OCCURRED_AT_RULE, REPEATED_KEY_RULE, extend_pointer
from referrals.schema import (
    BLANKS,
    EventProblem,
    IncomingEvent,
    IncomingPerson,
    check_object,
)
from referrals.vocabulary import normalise_name

#: Its own column holds the word for whoever invited the user last.
_REFERRER: Final = "referrer"
_PEOPLE: Final = ("user", _REFERRER)
#: Objects whose keys are free: each key may have a column, and all of them one as JSON.
OBJECTS: Final = ("user.identities", "referrer.identities", "event_data", "metadata")
#: Fields of which a cut-off text is shorter, but not another person or event.
_LOOSE: Final = ("channel", "content", "event_data", "metadata")
_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}

_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")
#: How a spreadsheet shows a number that its column has no room for.
_SHORTENED: Final = re.compile(
    r"[+-]?[0-9]+([.,][0-9]*)?[eE][+-][0-9]+|[+-]?[0-9]+[.,][0-9]+[eE][0-9]+"
)
#: The same as other programs write it: as an ID, this may be hexadecimal.
_POWER_OF_TEN: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]*)?[eE][+-]?[0-9]+")
#: What a spreadsheet shows where it could not calculate, or where a column is too narrow.
_FAILED: Final = re.compile(
    r"#(NAME\?|REF!|VALUE!|DIV/0!|NUM!|N/A|NULL!|SPILL!|CALC!|GETTING_DATA|#+)"
)
#: Days since 1900 from 1970 to 2119, as a spreadsheet keeps dates.
_DAY_NUMBERS: Final = (25_569, 80_000)

_NO_HEADING: Final = (
    "The first line of a CSV names its columns, and this one names no field of an event. "
    "Put a heading before the rows, such as id,type,occurred_at,user.identities.email,"
    "referrer.identities.email. Where the cells are not separated by commas, semicolons, "
    "tabs or bars, change that too. What a platform such as AppsFlyer exported is imported by "
    "command, with the name of its source: --source NAME."
)
_NO_OBJECT: Final = (
    'The cell must hold a JSON object, such as {"plan": "gold"}, or nothing.'
)
_LOST_DIGITS: Final = (
    "A spreadsheet has shortened this number (scientific notation, such as 1.2E+09), and "
    "digits are lost. Format the column as text, or as a number without decimals, enter the "
    "values again, and save the file anew."
)
_FAILED_CELL: Final = (
    "A spreadsheet shows here that it failed, or that the column is too narrow, in place of "
    "what belongs here. Format the column as text, enter the values again, and save the "
    "file anew."
)
_BROKEN_CELL: Final = "A line break stands in this cell, which no ID and no identity has. Take the break out."
_DAY_NUMBER: Final = (
    "This looks like a spreadsheet's number of days. Format the column as text, with "
    f"times in it that say what they are. {OCCURRED_AT_RULE}"
)


class EventColumn(NamedTuple):
    """One column: its name, the objects around its field, its key, what reads a cell."""

    name: str
    parents: tuple[str, ...]
    key: str
    read: Callable[[str], Any] | None

    @property
    def pointer(self) -> str:
        """The JSON pointer to its field."""
        return reduce(extend_pointer, (*self.parents, self.key), "")


class Heading:
    """The columns of a file, in the order of its cells."""

    def __init__(self, names: Sequence[str], line: int) -> None:
        """Read the names that stand on `line`. Raises `FileError` for any doubt."""
        self.width = len(names)
        stripped = [name.strip(BLANKS) for name in names]
        self._names = stripped
        for problem in _find_problems(stripped):
            raise FileError(line, problem)
        columns = list(enumerate(map(_to_column, stripped)))
        # Whole values first: what has a column of its own is put into them.
        self._columns = sorted(columns, key=lambda item: _rank_column(item[1].name))

    @property
    def is_last_needed_whole(self) -> bool:
        """Whether a cut-off last cell could name another person, or another kind of event."""
        return self._names[-1].partition(".")[0] not in _LOOSE

    def is_other_heading(self, cells: Sequence[str]) -> bool:
        """Return whether a row names columns, and not those of this heading in its order."""
        # Of nearly every row, one cell is looked at.
        if len(cells) == 1 or not all(_is_known(cell.strip(BLANKS)) for cell in cells):
            return False
        return [cell.strip(BLANKS) for cell in cells] != self._names

    def read_cells(self, cells: Sequence[str]) -> IncomingEvent | EventProblem:
        """Return the event that a row of `width` cells holds, or why it is refused."""
        event: dict[str, Any] = {}
        for place, column in self._columns:
            if cell := cells[place]:
                try:
                    _put_value(
                        event, column, column.read(cell) if column.read else cell
                    )
                except CellError as error:
                    return EventProblem(error.code, column.pointer, str(error))
        return check_object(event)


class CellError(ValueError):
    """A cell cannot be what its column says, or says other than its neighbour."""

    def __init__(self, detail: str, code: Code = Code.BAD_ROW) -> None:
        super().__init__(detail)
        self.code = code


def count_known(names: Sequence[str]) -> int:
    """Return how many of `names` are columns of an event."""
    return sum(_is_known(name.strip(BLANKS)) for name in names)


def _rank_column(name: str) -> int:
    return 0 if name == _REFERRER else 1 if name in OBJECTS else 2


def _list_fields() -> Iterator[str]:
    for field in IncomingEvent.__struct_fields__:
        if field == _REFERRER:
            yield field
        if field in _PEOPLE:
            for inner in IncomingPerson.__struct_fields__:
                yield f"{field}.{inner}"
        else:
            yield field


_FIELDS: Final = tuple(_list_fields())


def _is_known(name: str) -> bool:
    return name in _FIELDS or _find_free_object(name) is not None


def _find_free_object(name: str) -> str | None:
    """Return the free object that has the column `name` as a key, or None."""
    for prefix in OBJECTS:
        if name.startswith(f"{prefix}.") and name != f"{prefix}.":
            return prefix
    return None


def _to_column(name: str) -> EventColumn:
    prefix = _find_free_object(name)
    if prefix is None:
        *parents, key = name.split(".")
    else:
        # A key of a free object may have dots of its own.
        parents, key = prefix.split("."), name.removeprefix(f"{prefix}.")
    return EventColumn(name, tuple(parents), key, _choose_reader(name))


def _choose_reader(name: str) -> Callable[[str], Any] | None:
    """Return the function that turns a cell into a value; None to keep the text."""
    if name in OBJECTS:
        return _read_object
    if name == "test":
        return _read_truth
    if name == "occurred_at":
        return _read_time
    # An identity that has lost digits names another person.
    if name == "id" or name.startswith(tuple(f"{person}." for person in _PEOPLE)):
        return read_text
    return None


def _find_problems(names: Sequence[str]) -> Iterator[str]:
    """Yield the faults of a heading. Repeats no unknown name: it may be a person's data."""
    if not count_known(names):
        yield _NO_HEADING
    for number, name in enumerate(names, 1):
        if not name:
            yield f"Column {number} has no name. Name it, or remove it from every row."
        elif not _is_known(name):
            yield f"Column {number} is no field of an event. {_suggest_name(name)}"
    numbers: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        first = numbers.setdefault(normalise_name(name), number)
        if first != number:
            yield (
                f"Columns {first} and {number} are both {name}, whose case and blanks do "
                "not count. Remove or rename one of them."
            )


def _suggest_name(name: str) -> str:
    """Return a sentence with the closest known column. Repeats no `name`."""
    last = name.rpartition(".")[2]
    known = {field: field for field in _FIELDS}
    known |= {f"{prefix}.{last}": f"{prefix}.…" for prefix in OBJECTS}
    close = get_close_matches(name.lower(), known, n=1, cutoff=0.7)
    if close:
        return f"Perhaps {known[close[0]]} is meant: rename it, or remove the column."
    fields = ", ".join([*_FIELDS, *(f"{prefix}.…" for prefix in OBJECTS)])
    return f"Remove it, or name it metadata.… to keep it. The fields are {fields}."


def _keep_digits(number: str) -> msgspec.Raw:
    """Return a number with all its digits: a float would round them."""
    return msgspec.Raw(number.encode())


_json: Final = msgspec.json.Decoder(float_hook=_keep_digits)


def read_text(cell: str) -> str:
    """Return a cell that names somebody or something, as it is. Raises `CellError`."""
    seen = cell.strip(BLANKS).removeprefix("'")
    if _SHORTENED.fullmatch(seen):
        raise CellError(_LOST_DIGITS)
    if _FAILED.fullmatch(seen):
        raise CellError(_FAILED_CELL)
    if "\n" in cell:
        raise CellError(_BROKEN_CELL)
    return cell


def _read_truth(cell: str) -> bool | str:
    return _TRUTHS.get(cell.strip().lower(), cell)


def _read_object(cell: str) -> dict[str, Any]:
    try:
        found = _json.decode(cell)
    except (ValueError, RecursionError):
        found = cell
    if isinstance(found, dict) and find_repeated_key(cell) is not None:
        raise CellError(REPEATED_KEY_RULE, Code.REPEATED_KEY)
    # Null means left out.
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise CellError(_NO_OBJECT, Code.WRONG_TYPE)
    return found


def _read_time(cell: str) -> str | int | msgspec.Raw:
    """Return Unix seconds as a number, and any other time as it is."""
    text = cell.strip()
    if _POWER_OF_TEN.fullmatch(text):
        raise CellError(_LOST_DIGITS)
    match = _NUMBER.fullmatch(text)
    if not match:
        return cell
    seconds = float(text) if match[1] else int(text)
    first, last = _DAY_NUMBERS
    if first <= seconds < last:
        raise CellError(_DAY_NUMBER, Code.BAD_TIME)
    return _keep_digits(text) if match[1] else int(text)


def _put_value(event: dict[str, Any], column: EventColumn, value: Any) -> None:  # noqa: ANN401 - any JSON
    """Put `value` where its column says. Raises `CellError` where another stands."""
    inner = event
    for key in column.parents:
        inner = inner.setdefault(key, {})
        if isinstance(inner, str):
            raise _make_contradiction(key, column.name)
    known = inner.get(column.key)
    # A key that is null in the whole object is left out there.
    if known is not None and known != value:
        raise _make_contradiction(
            column.name.removesuffix(f".{column.key}"), column.name
        )
    inner[column.key] = value


def _make_contradiction(whole: str, part: str) -> CellError:
    return CellError(
        f"The columns {whole} and {part} say different things about it. Correct one of "
        "the two cells, or leave it empty."
    )
