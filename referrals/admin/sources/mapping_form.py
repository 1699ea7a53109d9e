"""A mapping as a form: a row for each field of an event and for each kind of the platform's.

A cell has one path a line, of which the first that is there counts. What a line cannot say
stands in its cell as JSON, so that every mapping can be shown, changed and saved again
without loss. Nothing here raises for what a person, or a mapping of anybody's, may hold.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping as Pairs
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeVar

from referrals.admin.sources.mapping_text import (
    MistakeError,
    has_unseen,
    read_json_text,
    write_json_text,
)
from referrals.admin.sources.rule_text import (
    TIME,
    read_lines,
    read_rule,
    write_lines,
    write_rule,
)
from referrals.rules import extend_pointer
from referrals.sources.mapping.mistakes import Mistake
from referrals.sources.mapping.rules import MAX_RULES, MEANINGS
from referrals.sources.mapping.times import TimeForm
from referrals.vocabulary import TITLES, WHO_IS_WHO, EventType

#: Rows for what is not in the mapping yet.
BLANK_FIELDS: Final = 2
BLANK_KINDS: Final = 3
#: Rows that are read of a form: as many as a request may have inputs for.
MOST_KINDS: Final = 150
MOST_FIELDS: Final = MAX_RULES + 20
#: The path of the item itself, in which keys stand unless told otherwise.
_ITEM: Final = "."
#: The input that says how many kinds had a name.
_NAMED_KINDS: Final = "named-kinds"
_DIGITS: Final = 3
_NAMED, _NAMED_BY, _TYPE, _IGNORE = "name", "name_of", "type", "ignore"

#: Fields that have a row in any case, with their labels.
_FIELDS: Final = {
    "id": "ID of the event",
    TIME: "When it happened",
    "user.id": "ID of the user",
    "user.identities.email": "E-mail address of the user",
    "user.ip": "IP address of the user",
    "user.device_id": "Device ID of the user",
    "user.advertising_id": "Advertising ID of the user",
    "referrer.id": "ID of the referrer",
    "referrer.identities.email": "E-mail address of the referrer",
    "channel": "Channel",
    "content": "Content",
    "status": "Fraud status",
    "event_data": "Event data",
    "metadata": "Metadata",
    "test": "Test event",
}
TIME_FORMS: Final = (
    ("", "Not said"),
    (TimeForm.RFC3339.value, "With an offset, such as 2026-11-28T10:00:00Z"),
    (TimeForm.UTC_TEXT.value, "Without an offset, in UTC"),
    (TimeForm.UNIX_S.value, "Unix seconds"),
    (TimeForm.UNIX_MS.value, "Unix milliseconds"),
)
#: What a kind becomes, for a choice.
BECOMES: Final = (
    ("", "Not said"),
    *((f"{_TYPE}:{each.value}", TITLES[each]) for each in EventType if each in TITLES),
    (f"{_TYPE}:{EventType.IDENTIFY.value}", WHO_IS_WHO),
    (_NAMED, "A custom event named …"),
    (_NAMED_BY, "A custom event, its name at …"),
    *((f"{_IGNORE}:{reason}", f"Ignored: {why}") for reason, why in MEANINGS.items()),
)


class _Part(NamedTuple):
    """A part of a mapping that has one cell."""

    name: str
    label: str
    help: str
    is_json: bool = False
    is_word: bool = False


_PARTS: Final = (
    _Part(
        "kind",
        "What happened",
        "Where the call names the event.",
    ),
    _Part(
        "each",
        "Items",
        "Of a call with several events, the list of them. Paths are then within an item; "
        "$.name is of the whole call.",
        is_word=True,
    ),
    _Part("id_prefix", "Prefix of IDs", "Tells this platform's IDs from others.", is_word=True),
    _Part("native", "An event of ours", "Where the call holds a whole event already."),
    _Part("when", "Only when", "Conditions, as a list of JSON.", is_json=True),
    _Part("organic", "Organic when", "Conditions, as a list of JSON.", is_json=True),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One rule: `name` is its input's, `pointer` leads to it in the mapping.

    `target` is the field that it fills, where a person may name it; `time` how a time is
    written, for the one that has such a choice.
    """

    name: str
    pointer: str
    label: str
    text: str
    help: str = ""
    target: str | None = None
    time: str | None = None
    mistakes: tuple[str, ...] = ()

    @property
    def lines(self) -> int:
        """How tall its box is, in lines."""
        return min(max(self.text.count("\n") + 1, 1), 12)


@dataclass(frozen=True, slots=True)
class KindRow:
    """What one of the platform's kinds becomes. `becomes` is one of `BECOMES`."""

    number: int
    name: str = ""
    becomes: str = ""
    detail: str = ""
    is_taken: bool = True
    mistakes: tuple[str, ...] = ()

    @property
    def pointer(self) -> str:
        """Where in the mapping it stands."""
        return extend_pointer("/kinds", self.name.strip())


Row = TypeVar("Row", Cell, KindRow)


@dataclass(frozen=True, slots=True)
class MappingForm:
    """All cells of a mapping, in the order in which they are shown.

    So many of the first kinds had a name when the form was made: one of these that has
    none any more was taken away, and any other one without a name is a mistake.
    """

    parts: tuple[Cell, ...]
    kinds: tuple[KindRow, ...]
    referrer: tuple[Cell, ...]
    fields: tuple[Cell, ...]
    named_kinds: int = 0

    def mark(self, mistakes: Iterable[Mistake]) -> "MappingForm":
        """Return the form with each mistake beside the cell that it is about."""
        found = list(mistakes)

        def mark(cells: tuple[Row, ...]) -> tuple[Row, ...]:
            return tuple(
                replace(each, mistakes=_list_details(each.pointer, found))
                for each in cells
            )

        return MappingForm(
            mark(self.parts),
            mark(self.kinds),
            mark(self.referrer),
            mark(self.fields),
            self.named_kinds,
        )

    def list_inputs(self) -> dict[str, str]:
        """Return what a browser sends of the form, by the names of its inputs."""
        sent = {cell.name: cell.text for cell in (*self.parts, *self.referrer)}
        sent[_NAMED_KINDS] = str(self.named_kinds)
        for row in self.kinds:
            taken = {f"taken-{row.number}": "on"} if row.is_taken else {}
            sent |= {
                f"kind-{row.number}": row.name,
                f"becomes-{row.number}": row.becomes,
                f"detail-{row.number}": row.detail,
                **taken,
            }
        for cell in self.fields:
            sent |= {
                f"target-{cell.name}": cell.target or "",
                f"rule-{cell.name}": cell.text,
                f"time-{cell.name}": cell.time or "",
            }
        return sent


def write_form(mapping: Pairs[str, Any]) -> MappingForm:
    """Return the form of a mapping that has no mistakes."""
    kinds = mapping.get("kinds", {})
    referrer = mapping.get("referrer")
    event = mapping.get("event", {})
    targets = [*_FIELDS, *(each for each in event if each not in _FIELDS)]
    fields = [
        _write_field(number, target, event.get(target))
        for number, target in enumerate(targets)
    ]
    fields += [
        _make_field(len(targets) + number, "", "", "") for number in range(BLANK_FIELDS)
    ]
    rows = [
        _write_kind(number, name, kind)
        for number, (name, kind) in enumerate(kinds.items())
    ]
    rows += [KindRow(len(rows) + number) for number in range(BLANK_KINDS)]
    return MappingForm(
        parts=tuple(
            _make_part(part, _write_part(part, mapping.get(part.name)))
            for part in _PARTS
        ),
        kinds=tuple(rows),
        referrer=_make_referrer(
            write_lines(referrer.get("keys", ())),
            write_lines(referrer.get("places", (_ITEM,))),
        )
        if referrer
        else _make_referrer("", ""),
        fields=tuple(fields),
        named_kinds=len(kinds),
    )


def can_say(mapping: Pairs[str, Any]) -> bool:
    """Return whether the form of a mapping, sent as it is, says that mapping again."""
    if len(mapping.get("kinds", ())) > MOST_KINDS - BLANK_KINDS:
        return False
    inputs = write_form(mapping).list_inputs()
    if any(has_unseen(_leave_lines(name, text)) for name, text in inputs.items()):
        return False
    _, said, mistakes = read_form(inputs)
    return not mistakes and said == mapping


def _leave_lines(name: str, text: str) -> str:
    """Return a text without the ends of lines that its input may have."""
    is_line = name.startswith(("kind-", "target-"))
    return text if is_line else text.replace("\n", "")


def read_form(
    posted: Pairs[str, str],
) -> tuple[MappingForm, dict[str, Any], list[Mistake]]:
    """Return a form that was sent, the mapping that it says, and what it cannot say.

    The mapping has no part that could not be read, and is not validated.
    """
    form = _gather(posted)
    mapping: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    for part, cell in zip(_PARTS, form.parts, strict=True):
        _put(mapping, part.name, mistakes, _read_part, part, cell)
    kinds = _read_kinds(form, mistakes)
    if kinds:
        mapping["kinds"] = kinds
    keys, places = form.referrer
    if keys.text.strip() or places.text.strip():
        mapping["referrer"] = _read_referrer(keys, places, mistakes)
    event = _read_fields(form.fields, mistakes)
    if event:
        mapping["event"] = event
    return form, mapping, mistakes


def _put(
    into: dict[str, Any],
    name: str,
    mistakes: list[Mistake],
    read: Callable[..., Any],
    *args: object,
) -> None:
    """Put what `read` finds under `name`, or its mistake to the others."""
    try:
        value = read(*args)
    except MistakeError as error:
        mistakes.append(error.mistake)
        return
    if value is not None:
        into[name] = value


# Parts, kinds, fields -------------------------------------------------------------------


def _make_part(part: _Part, text: str) -> Cell:
    return Cell(f"part-{part.name}", f"/{part.name}", part.label, text, part.help)


def _write_part(part: _Part, value: object) -> str:
    if value is None or (part.is_json and not value):
        return ""
    if part.is_json:
        return write_json_text(value)
    return str(value) if part.is_word else write_rule(value)[0]


def _read_part(part: _Part, cell: Cell) -> object:
    text = cell.text.strip()
    if part.is_word or not text:
        return text or None
    if part.is_json:
        return read_json_text(text, cell.pointer)
    return read_rule(text, cell.pointer)


def _read_referrer(keys: Cell, places: Cell, mistakes: list[Mistake]) -> dict[str, Any]:
    referrer: dict[str, Any] = {"keys": []}
    _put(referrer, "keys", mistakes, read_lines, keys.text, keys.pointer)
    if places.text.strip() != _ITEM:
        _put(referrer, "places", mistakes, read_lines, places.text, places.pointer)
    return referrer


def _make_referrer(keys: str, places: str) -> tuple[Cell, ...]:
    return (
        Cell(
            "referrer-keys",
            "/referrer/keys",
            "Keys of the referrer's ID",
            keys,
            "One a line; the first that is there counts. A source may have keys of its own.",
        ),
        Cell(
            "referrer-places",
            "/referrer/places",
            "Where they stand",
            places,
            "One path a line; a dot is the item itself.",
        ),
    )


def _write_field(number: int, target: str, rule: object) -> Cell:
    text, time = write_rule(rule, target)
    return _make_field(number, target, text, time)


def _make_field(number: int, target: str, text: str, time: str) -> Cell:
    return Cell(
        name=str(number),
        pointer=extend_pointer("/event", target),
        label=_FIELDS.get(target, ""),
        text=text,
        target=target,
        time=time if target == TIME else None,
    )


def _read_fields(cells: Iterable[Cell], mistakes: list[Mistake]) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for cell in cells:
        target = (cell.target or "").strip()
        if not cell.text.strip():
            continue
        if not target or target in event:
            detail = (
                "Two rows fill this field. Keep one."
                if target
                else "A rule has no field to fill: name it in its row."
            )
            mistakes.append(Mistake(extend_pointer("/event", target), detail))
            continue
        _put(
            event,
            target,
            mistakes,
            read_rule,
            *(cell.text, cell.pointer, target, cell.time or ""),
        )
    return event


def _write_kind(number: int, name: str, kind: Pairs[str, Any]) -> KindRow:
    is_taken = kind.get("taken", True) is not False
    for way in (_TYPE, _IGNORE):
        if kind.get(way) is not None:
            return KindRow(number, name, f"{way}:{kind[way]}", "", is_taken)
    if kind.get(_NAMED_BY) is not None:
        text = write_rule(kind[_NAMED_BY])[0]
        return KindRow(number, name, _NAMED_BY, text, is_taken)
    return KindRow(number, name, _NAMED, str(kind.get(_NAMED, "")), is_taken)


def _read_kinds(form: MappingForm, mistakes: list[Mistake]) -> dict[str, Any]:
    kinds: dict[str, Any] = {}
    for row in form.kinds:
        name = row.name.strip()
        is_blank = not (row.becomes or row.detail.strip())
        if not name and (is_blank or row.number < form.named_kinds):
            continue
        if not name or name in kinds:
            detail = (
                "Two rows have this name. Correct one of them."
                if name
                else "A row has no name. Write what the platform calls the event, or "
                'choose "Not said" and leave the row empty.'
            )
            mistakes.append(Mistake(row.pointer, detail))
            continue
        _put(kinds, name, mistakes, _read_kind, row, row.pointer)
    return kinds


def _read_kind(row: KindRow, pointer: str) -> dict[str, Any]:
    kind: dict[str, Any] = {}
    way, _, value = row.becomes.partition(":")
    detail = row.detail.strip()
    if way in (_TYPE, _IGNORE):
        kind[way] = value
    elif way == _NAMED:
        kind[way] = detail
    elif way == _NAMED_BY:
        kind[way] = read_rule(detail, f"{pointer}/{_NAMED_BY}")
    return kind if row.is_taken else {**kind, "taken": False}


# What was sent --------------------------------------------------------------------------


def _gather(posted: Pairs[str, str]) -> MappingForm:
    def get(name: str) -> str:
        return posted.get(name, "").replace("\0", "").replace("\r\n", "\n")

    return MappingForm(
        parts=tuple(_make_part(part, get(f"part-{part.name}")) for part in _PARTS),
        kinds=tuple(
            KindRow(
                number,
                get(f"kind-{number}"),
                get(f"becomes-{number}"),
                get(f"detail-{number}"),
                bool(get(f"taken-{number}")),
            )
            for number in _count_rows(posted, "kind", MOST_KINDS)
        ),
        referrer=_make_referrer(get("referrer-keys"), get("referrer-places")),
        fields=tuple(
            _make_field(
                number, get(f"target-{number}").strip(), get(f"rule-{number}"), get(f"time-{number}")
            )
            for number in _count_rows(posted, "target", MOST_FIELDS)
        ),
        named_kinds=_read_number(get(_NAMED_KINDS)),
    )  # fmt: skip


def _read_number(text: str) -> int:
    return (
        int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0
    )


def _count_rows(posted: Pairs[str, str], name: str, most: int) -> Iterator[int]:
    """Yield the numbers of the rows that were sent, from 0 on."""
    for number in range(most):
        if f"{name}-{number}" not in posted:
            return
        yield number


def _list_details(pointer: str, mistakes: Iterable[Mistake]) -> tuple[str, ...]:
    """Return what the mistakes at a pointer, or below it, are."""
    return tuple(
        each.detail
        for each in mistakes
        if each.pointer == pointer or each.pointer.startswith(f"{pointer}/")
    )
