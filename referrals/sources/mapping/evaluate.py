"""Reading the values of one item by the rules of a mapping. Pure.

Where a value is not there, a rule returns None, and what depends on it does the same. What
counts as not there is `words.is_nothing`'s to say.
"""

import hashlib
import hmac
import json
from collections.abc import Mapping as MappingABC
from typing import Any, Final

from referrals import rules
from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.sources.call import parse_pairs
from referrals.sources.document import Document, gather_pairs, read_json
from referrals.sources.mapping.paths import (
    Path,
    follow_steps,
    name_path,
    parse_path,
    parse_template,
)
from referrals.sources.mapping.rules import Condition, Rule, Scalar
from referrals.sources.mapping.times import read_time
from referrals.sources.mapping.words import (
    fold_word,
    is_nothing,
    weigh_value,
    write_text,
)
from referrals.sources.mapping.work import Work

_DIGITS: Final = 32
ALL: Final = "*"


class KeyedHash:
    """Hashes with the key of an app: equal where what they are of is, useless without it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash_texts(self, purpose: str, texts: list[str | None]) -> str:
        """Return 32 hexadecimal digits for `texts`, of which each keeps its place."""
        content = json.dumps([purpose, *texts]).encode()
        return hmac.new(self._key, content, hashlib.sha256).hexdigest()[:_DIGITS]


class Reader:
    """Reads one item of a call.

    `read` and `holds` raise `BrokenRuleError` for a value that cannot be what its rule says,
    and `TooMuchWorkError` where the call has been read too often.
    """

    def __init__(
        self, document: Document, item: object, *, keyed_hash: KeyedHash, work: Work
    ) -> None:
        self.keyed_hash = keyed_hash
        self.work = work
        self._starts: dict[str, Any] = {
            "item": item,
            "body": document.body,
            "headers": document.headers,
            "query": document.query,
        }
        self._parsed: dict[tuple[str, str], Any] = {}

    def read(self, rule: str | Rule | None) -> Any:  # noqa: ANN401 - JSON is any value
        """Return the value that `rule` says, or None where it is not there."""
        if rule is None:
            return None
        if isinstance(rule, str):
            return self.read_path(rule)
        if not all(self.holds(condition) for condition in rule.when):
            return None
        return self._refine(rule, self._find(rule))

    def read_text(self, rule: str | Rule | None) -> str | None:
        """Return the value as a text; None where it is an object or a list."""
        return write_text(self.read(rule))

    def read_path(self, text: str, within: object = None) -> Any:  # noqa: ANN401 - JSON is any value
        """Return the value at a path, which may start `within` an object of the item."""
        path = parse_path(text)
        start = self._starts[path.start]
        if within is not None and path.start == "item":
            start = within
        value = follow_steps(start, path.steps)
        # A text is counted whole: whoever asked for it goes through it.
        length = len(value) if isinstance(value, str) else 0
        self.work.charge(len(path.steps) + 1 + length)
        return None if is_nothing(value) else value

    def holds(self, condition: Condition) -> bool:
        """Return whether what stands at the condition's path is what it asks for."""
        value = self.read_path(condition.path)
        if value in ({}, []):
            value = None
        if condition.exists is not None and condition.exists is (value is None):
            return False
        if condition.is_in is None and condition.not_in is None:
            return True
        text = write_text(value)
        word = None if text is None else fold_word(text)
        if condition.is_in is not None and word not in condition.is_in:
            return False
        return condition.not_in is None or word not in condition.not_in

    def _find(self, rule: Rule) -> Any:  # noqa: ANN401 - JSON is any value
        if rule.path is not None:
            return self.read_path(rule.path)
        if rule.first is not None:
            found = (self.read(each) for each in rule.first)
            return next((value for value in found if value is not None), None)
        if rule.template is not None:
            return self._fill(rule.template)
        if rule.hash is not None:
            return self._hash(rule.hash)
        return self._starts["item"] if rule.const is None else rule.const

    def _refine(self, rule: Rule, value: Any) -> Any:  # noqa: ANN401 - JSON is any value
        if rule.json is not None:
            value = self.read_path(rule.json, within=self._parse_json(value))
        if rule.query_of is not None:
            value = self._parse_query(value, rule.query_of)
        if rule.pick is not None:
            value = self._pick(rule, value)
        if rule.map is not None:
            value = self._look_up(rule, value)
        if rule.time is not None and value is not None:
            return read_time(value, rule.time)
        return None if is_nothing(value) else value

    def _fill(self, template: str) -> str | None:
        pieces = list(parse_template(template))
        for index in range(1, len(pieces), 2):
            text = self.read_text(pieces[index])
            if text is None:
                return None
            self.work.charge(len(text))
            pieces[index] = text
        return "".join(pieces)

    def _hash(self, parts: tuple[str | Rule, ...]) -> str | None:
        texts = [self._write_part(self.read(part)) for part in parts]
        # A constant tells no event from another.
        if all(
            text is None or (isinstance(part, Rule) and part.const is not None)
            for part, text in zip(parts, texts, strict=True)
        ):
            return None
        return self.keyed_hash.hash_texts("id", texts)

    def _write_part(self, value: object) -> str | None:
        """Return a part of a hash: a time in whole seconds, an object as JSON."""
        text = write_text(value)
        if text is None and value is not None:
            self.work.charge(weigh_value(value, rules.MAX_EVENT_BYTES))
            text = json.dumps(value, sort_keys=True)
        return text

    def _parse_json(self, value: object) -> object:
        """Return what the JSON of a text says; `{}` where it is none.

        An object or a list is returned as it is: some platforms send either.
        """
        if not isinstance(value, str):
            return value if isinstance(value, dict | list) else {}
        if ("json", value) not in self._parsed:
            self.work.charge(len(value))
            self._parsed["json", value] = _read_inner_json(value)
        return self._parsed["json", value]

    def _parse_query(self, value: object, name: str) -> object:
        if not isinstance(value, str):
            return None
        if ("query", value) not in self._parsed:
            self.work.charge(len(value))
            address, mark, query = value.partition("?")
            pairs, _ = parse_pairs((query if mark else address).partition("#")[0])
            self._parsed["query", value] = gather_pairs(pairs)
        parameters = self._parsed["query", value]
        return parameters if name == ALL else parameters.get(name)

    def _pick(self, rule: Rule, value: object) -> dict[str, Any] | None:
        """Return an object of what stands at the paths; the first of a name counts."""
        if value is None:
            return None
        picked: dict[str, Any] = {}
        for name, text in list_picked(rule):
            path = parse_path(text)
            if path.takes_all:
                members = self._read_members(path, value)
            else:
                members = {name: self.read_path(text, within=value)}
            self.work.charge(len(members))
            for key, member in members.items():
                if key not in rule.without and not is_nothing(member):
                    picked.setdefault(key, member)
        return picked or None

    def _read_members(self, path: Path, within: object) -> MappingABC[str, Any]:
        start = within if path.start == "item" else self._starts[path.start]
        found = follow_steps(start, path.steps)
        return found if isinstance(found, dict) else {}

    def _look_up(self, rule: Rule, value: object) -> Scalar | None:
        text = write_text(value)
        if text is None:
            return None
        found = (rule.map or {}).get(fold_word(text))
        if found is not None:
            return found
        return text if rule.keep else rule.otherwise


def list_picked(rule: Rule) -> list[tuple[str, str]]:
    """Return what a rule picks, as pairs of a name and a path."""
    if isinstance(rule.pick, dict):
        return list(rule.pick.items())
    return [(name_path(text), text) for text in rule.pick or ()]


def _read_inner_json(text: str) -> object:
    try:
        found = read_json(
            text.encode(errors="surrogatepass"), most_values=rules.MAX_VALUES
        )
    except BrokenRuleError as error:
        if error.code is Code.NOT_JSON:
            return {}
        raise
    return {} if found is None else found
