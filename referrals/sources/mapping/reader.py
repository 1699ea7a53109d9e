"""What one item of a call says, at paths that rules name. Pure."""

import hmac
import json
from typing import Any, Final

from referrals import rules
from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.sources.call import parse_pairs
from referrals.sources.document import Document, gather_pairs, read_json
from referrals.sources.mapping.paths import follow_steps, parse_path
from referrals.sources.mapping.words import is_nothing
from referrals.sources.mapping.work import Work

_DIGITS: Final = 32
#: In place of a parameter's name: all of them.
ALL: Final = "*"


class KeyedHash:
    """Hashes with the key of an app: equal where what they are of is, useless without it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash_texts(self, purpose: str, texts: list[str | None]) -> str:
        """Return 32 hexadecimal digits for `texts`, of which each keeps its place."""
        content = json.dumps([purpose, *texts]).encode()
        return hmac.digest(self._key, content, "sha256").hex()[:_DIGITS]


class Reader:
    """Reads one item of a call, and counts what that costs.

    Its methods raise `BrokenRuleError` for a value that cannot be what its rule says, and
    `TooMuchWorkError` where the call has been read too often.
    """

    __slots__ = ("_parsed", "item", "keyed_hash", "size", "starts", "work")

    def __init__(
        self, document: Document, item: object, *, keyed_hash: KeyedHash, work: Work
    ) -> None:
        self.keyed_hash = keyed_hash
        self.work = work
        self.item = item
        #: Of the whole call, in bytes.
        self.size = document.size
        #: Where a path may start, by `paths.Start`.
        self.starts: dict[str, Any] = {
            "item": item,
            "body": document.body,
            "headers": document.headers,
            "query": document.query,
        }
        self._parsed: dict[tuple[str, str], Any] = {}

    def read_path(self, text: str, within: object) -> Any:  # noqa: ANN401 - JSON is any value
        """Return the value at a path that starts `within` an object of the item."""
        path = parse_path(text)
        start = within if path.start == "item" else self.starts[path.start]
        value = follow_steps(start, path.steps)
        # A text is counted whole: whoever asked for it goes through it.
        length = len(value) if isinstance(value, str) else 0
        self.work.charge(len(path.steps) + 1 + length)
        return None if is_nothing(value) else value

    def parse_json(self, value: object) -> object:
        """Return what the JSON of a text says; `{}` where it is none.

        An object or a list is returned as it is: some platforms send either.
        """
        if not isinstance(value, str):
            return value if isinstance(value, dict | list) else {}
        if ("json", value) not in self._parsed:
            self.work.charge(len(value))
            self._parsed["json", value] = _read_inner_json(value)
        return self._parsed["json", value]

    def parse_query(self, value: object, name: str) -> object:
        """Return the parameter `name`, or `ALL`, of the address in a text."""
        if not isinstance(value, str):
            return None
        if ("query", value) not in self._parsed:
            self.work.charge(len(value))
            address, mark, query = value.partition("?")
            pairs, _ = parse_pairs((query if mark else address).partition("#")[0])
            self._parsed["query", value] = gather_pairs(pairs)
        parameters = self._parsed["query", value]
        return parameters if name == ALL else parameters.get(name)


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
