"""A mapping as JSON that a person writes: read strictly, with a place for each mistake."""

import json
import re
from typing import Any, Final

import msgspec

from referrals import rules, words
from referrals.repeated_keys import find_repeated_key
from referrals.sources.mapping.mistakes import Mistake

#: Four times what a mapping may have, so that blanks do not count against it.
MAX_CHARACTERS: Final = 128 * 1024
#: Controls, blanks of a line's end, and what turns the direction of a text.
_UNSEEN: Final = re.compile(f"[{re.escape(words.UNSEEN)}]")
_PLACE: Final = re.compile(
    r"(?:JSON is malformed: )?(?P<what>.*) \(byte (?P<at>[0-9]+)\)"
)

#: NUL as JSON spells it. Behind one more backslash it is a text of six characters.
_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


class MistakeError(Exception):
    """A text cannot be read; its `mistake` says where and why."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.mistake = Mistake(pointer, detail)


def read_json_text(text: str, pointer: str = "") -> Any:
    """Return the JSON value that a person wrote for what `pointer` names.

    Raises `MistakeError` for anything that cannot be kept as JSON either.
    """
    if len(text) > MAX_CHARACTERS:
        raise MistakeError(
            pointer, f"This is longer than {MAX_CHARACTERS:,} characters."
        )
    try:
        value = msgspec.json.decode(text)
        repeated = find_repeated_key(text)
    except msgspec.DecodeError as error:
        raise MistakeError(pointer, _explain(error, text)) from None
    except (ValueError, RecursionError):
        detail = "This is nested too deeply, or has half a character in it."
        raise MistakeError(pointer, detail) from None
    if repeated is not None:
        raise MistakeError(pointer + repeated, rules.REPEATED_KEY_RULE)
    if _NUL.search(text):
        raise MistakeError(pointer, "No text of a mapping has the character NUL in it.")
    return value


def write_json_text(value: object) -> str:
    """Return JSON for people, without the blanks that a short one does not need."""
    text = _escape(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= rules.MAX_NAME_CHARACTERS // 4 else format_json(value)


def format_json(value: object) -> str:
    """Return JSON for people, a member a line, with an escape for what nobody sees."""
    return _escape(json.dumps(value, indent=2, ensure_ascii=False))


def has_unseen(text: str) -> bool:
    """Return whether a text has characters that a page does not show as they are."""
    return _UNSEEN.search(text) is not None


def _escape(text: str) -> str:
    return _UNSEEN.sub(
        lambda found: found[0] if found[0] == "\n" else f"\\u{ord(found[0]):04x}", text
    )


def _explain(error: Exception, text: str) -> str:
    """Return where the JSON breaks off, without a word of it."""
    found = _PLACE.fullmatch(str(error))
    if found is None:
        return f"This is no whole JSON: {str(error).lower()}."
    before = text.encode(errors="replace")[: int(found["at"])].decode(errors="ignore")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return f"This is no JSON at line {line}, column {column}: {found['what']}."
