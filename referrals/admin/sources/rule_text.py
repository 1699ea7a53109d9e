"""A rule of a mapping as a person types it: a path a line, or JSON.

Of several paths the first that is there counts; where an object is put together, each is a
member. What begins like JSON is JSON, since no path does.
"""

from collections.abc import Iterable
from typing import Any, Final

from referrals.admin.sources.mapping_text import read_json_text, write_json_text

#: The fields in which an object stands.
OBJECTS: Final = ("event_data", "metadata")
#: The field that needs to know how a time is written.
TIME: Final = "occurred_at"
_JSON: Final = ("{", '"')


def write_rule(rule: object, target: str = "") -> tuple[str, str]:
    """Return a rule as the text of a cell, and the form of its time where it has one."""
    if target in OBJECTS:
        picks = _list_texts(rule, "pick")
        return ("\n".join(picks), "") if picks else (_write_rest(rule), "")
    if isinstance(rule, str):
        return rule, ""
    time = str(rule.get("time", "")) if isinstance(rule, dict) else ""
    if target == TIME and isinstance(rule, dict) and time:
        inner = {name: value for name, value in rule.items() if name != "time"}
        lines = [inner["path"]] if _is_path(inner) else _list_texts(inner, "first")
        if lines:
            return "\n".join(lines), time
    lines = _list_texts(rule, "first")
    return ("\n".join(lines), "") if len(lines) > 1 else (_write_rest(rule), "")


def read_rule(text: str, pointer: str, target: str = "", time: str = "") -> Any:
    """Return the rule that the text of a cell says, or None. Raises `MistakeError`."""
    text = text.strip()
    if not text:
        return None
    if text.startswith(_JSON):
        return read_json_text(text, pointer)
    lines = split_lines(text)
    if target in OBJECTS:
        return {"pick": lines}
    if time:
        return {"path": lines[0], "time": time} if len(lines) == 1 else {"first": lines, "time": time}  # fmt: skip
    return lines[0] if len(lines) == 1 else {"first": lines}


def _is_path(rule: dict[str, Any]) -> bool:
    return list(rule) == ["path"] and isinstance(rule["path"], str)


def _list_texts(rule: object, name: str) -> list[str]:
    """Return the texts of a rule that has nothing but a list of texts, or none."""
    if not isinstance(rule, dict) or list(rule) != [name]:
        return []
    texts = rule[name]
    is_plain = isinstance(texts, list) and all(
        isinstance(each, str) and each == each.strip() != "" and "\n" not in each
        for each in texts
    )
    # What begins like JSON is read as JSON.
    return texts if is_plain and texts and texts[0][0] not in _JSON else []


def _write_rest(rule: object) -> str:
    return "" if rule is None else write_json_text(rule)


def write_lines(values: Iterable[object]) -> str:
    """Return a list of paths and rules, one a line."""
    return "\n".join(
        each if isinstance(each, str) else " ".join(write_json_text(each).split("\n"))
        for each in values
    )


def split_lines(text: str) -> list[str]:
    """Return the lines of a text, without blanks around them and without empty ones."""
    return [line for each in text.splitlines() if (line := each.strip())]


def read_lines(text: str, pointer: str) -> list[Any] | None:
    """Return the paths and rules that stand one a line. Raises `MistakeError`."""
    found = [
        read_json_text(line, f"{pointer}/{number}") if line.startswith(_JSON) else line
        for number, line in enumerate(split_lines(text))
    ]
    return found or None
