"""A rule as a function of one item, made once and called for every call. Pure.

Where a value is not there, a function returns None, and what depends on it does the same.
What counts as not there is `words.is_nothing`'s to say.
"""

import json
from collections.abc import Callable
from typing import Any, Final

from referrals import rules
from referrals.sources.mapping.compile_condition import Holds, compile_condition
from referrals.sources.mapping.compile_path import Read, compile_path, read_nothing
from referrals.sources.mapping.paths import (
    Path,
    follow_steps,
    name_path,
    parse_path,
    parse_template,
)
from referrals.sources.mapping.reader import Reader
from referrals.sources.mapping.rules import Rule, Scalar
from referrals.sources.mapping.times import TimeForm, read_time
from referrals.sources.mapping.words import (
    fold_word,
    is_nothing,
    weigh_value,
    write_text,
)

ReadText = Callable[[Reader], str | None]
#: Makes of a value another one.
Refine = Callable[[Reader, Any], Any]
_ITEM: Final = "item"


def compile_rule(rule: str | Rule | None) -> Read:
    """Return what reads the value that `rule` says, or None where it is not there."""
    if rule is None:
        return read_nothing
    if isinstance(rule, str):
        return compile_path(rule)
    read = _compile_way(rule)
    for refine in _list_refinements(rule):
        read = _chain(read, refine)
    if rule.when:
        return _guard(read, tuple(map(compile_condition, rule.when)))
    return read


def compile_text(rule: str | Rule | None) -> ReadText:
    """Return what reads the value as a text; None where it is an object or a list."""
    read = compile_rule(rule)

    def read_text(reader: Reader) -> str | None:
        value = read(reader)
        return value if type(value) is str else write_text(value)

    return read_text


def _chain(read: Read, refine: Refine) -> Read:
    return lambda reader: refine(reader, read(reader))


def _guard(read: Read, conditions: tuple[Holds, ...]) -> Read:
    def read_if(reader: Reader) -> Any:  # noqa: ANN401 - JSON is any value
        for holds in conditions:
            if not holds(reader):
                return None
        return read(reader)

    return read_if


def _compile_way(rule: Rule) -> Read:
    """Return the one way in which a rule gets at its value."""
    if rule.path is not None:
        return compile_path(rule.path)
    if rule.first is not None:
        return _compile_first(tuple(map(compile_rule, rule.first)))
    if rule.template is not None:
        return _compile_template(rule.template)
    if rule.hash is not None:
        return _compile_hash(rule.hash)
    if rule.const is not None:
        const = None if is_nothing(rule.const) else rule.const
        return lambda _: const
    return lambda reader: reader.item


def _compile_first(reads: tuple[Read, ...]) -> Read:
    def read_first(reader: Reader) -> Any:  # noqa: ANN401 - JSON is any value
        for read in reads:
            value = read(reader)
            if value is not None:
                return value
        return None

    return read_first


def _compile_template(template: str) -> Read:
    pieces = parse_template(template)
    paths = [(index, compile_text(pieces[index])) for index in range(1, len(pieces), 2)]

    def fill(reader: Reader) -> str | None:
        filled = list(pieces)
        for index, read in paths:
            text = read(reader)
            if text is None:
                return None
            reader.work.charge(len(text))
            filled[index] = text
        whole = "".join(filled)
        return None if is_nothing(whole) else whole

    return fill


def _compile_hash(parts: tuple[str | Rule, ...]) -> Read:
    # A constant tells no event from another.
    compiled = [
        (compile_rule(part), isinstance(part, Rule) and part.const is not None)
        for part in parts
    ]

    def hash_parts(reader: Reader) -> str | None:
        texts: list[str | None] = []
        is_telling = False
        for read, is_constant in compiled:
            text = _write_part(reader, read(reader))
            texts.append(text)
            is_telling = is_telling or (text is not None and not is_constant)
        return reader.keyed_hash.hash_texts("id", texts) if is_telling else None

    return hash_parts


def _write_part(reader: Reader, value: object) -> str | None:
    """Return a part of a hash: a time in whole seconds, an object as JSON."""
    text = write_text(value)
    if text is None and value is not None:
        reader.work.charge(weigh_value(value, rules.MAX_EVENT_BYTES))
        text = json.dumps(value, sort_keys=True)
    return text


def _list_refinements(rule: Rule) -> list[Refine]:
    """Return what is made of the value, in the order in which it is."""
    found: list[Refine] = []
    if rule.json is not None:
        found.append(_compile_json(rule.json))
    if rule.query_of is not None:
        found.append(_compile_query(rule.query_of))
    if rule.pick is not None:
        found.append(_compile_pick(rule))
    if rule.map is not None:
        found.append(_compile_map(rule.map, rule.otherwise, keep=rule.keep))
    if rule.time is not None:
        found.append(_compile_time(rule.time))
    elif found:
        found.append(lambda _, value: None if is_nothing(value) else value)
    return found


def _compile_json(path: str) -> Refine:
    return lambda reader, value: reader.read_path(path, reader.parse_json(value))


def _compile_query(name: str) -> Refine:
    return lambda reader, value: reader.parse_query(value, name)


def _compile_time(form: TimeForm) -> Refine:
    return lambda _, value: None if value is None else read_time(value, form)


def _compile_map(
    table: dict[str, Scalar], otherwise: Scalar | None, *, keep: bool
) -> Refine:
    def look_up(_: Reader, value: object) -> Scalar | None:
        text = write_text(value)
        if text is None:
            return None
        found = table.get(fold_word(text))
        if found is not None:
            return found
        return text if keep else otherwise

    return look_up


def _compile_pick(rule: Rule) -> Refine:
    picked_paths = [(name, text, parse_path(text)) for name, text in list_picked(rule)]
    without = frozenset(rule.without)

    def pick(reader: Reader, value: object) -> dict[str, Any] | None:
        """Return an object of what stands at the paths; the first of a name counts."""
        if value is None:
            return None
        picked: dict[str, Any] = {}
        for name, text, path in picked_paths:
            if path.takes_all:
                members = _read_members(reader, path, value)
            else:
                members = {name: reader.read_path(text, value)}
            reader.work.charge(len(members))
            for key, member in members.items():
                if key not in without and not is_nothing(member):
                    picked.setdefault(key, member)
        return picked or None

    return pick


def _read_members(reader: Reader, path: Path, within: object) -> dict[str, Any]:
    start = within if path.start == _ITEM else reader.starts[path.start]
    found = follow_steps(start, path.steps)
    return found if isinstance(found, dict) else {}


def list_picked(rule: Rule) -> list[tuple[str, str]]:
    """Return what a rule picks, as pairs of a name and a path."""
    if isinstance(rule.pick, dict):
        return list(rule.pick.items())
    return [(name_path(text), text) for text in rule.pick or ()]
