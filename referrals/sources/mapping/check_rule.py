"""Whether a rule makes sense. Pure."""

from collections.abc import Iterator
from typing import Final

from referrals.rules import extend_pointer
from referrals.sources.mapping.mistakes import (
    Mistake,
    find_path_mistakes,
    find_template_mistakes,
)
from referrals.sources.mapping.rules import MAX_KEYS, MAX_NESTING, Condition, Rule
from referrals.sources.mapping.times import TimeForm
from referrals.vocabulary import FraudStatus

_WAYS: Final = ("path", "first", "const", "template", "hash")
_OBJECTS: Final = ("event_data", "metadata")
_TIME: Final = "occurred_at"
_NO_FORM: Final = (
    f"Say how the platform writes the time: time is one of {', '.join(TimeForm)}."
)


def check_rule(
    pointer: str, rule: str | Rule, target: str = "", depth: int = 1
) -> Iterator[Mistake]:
    """Yield what is wrong with a rule, which fills `target`, and with those within it."""
    if isinstance(rule, str):
        if target == _TIME:
            yield Mistake(pointer, _NO_FORM)
        yield from find_path_mistakes(pointer, rule)
        return
    if depth > MAX_NESTING:
        yield Mistake(
            pointer, f"Rules may stand within one another {MAX_NESTING} deep."
        )
        return
    yield from _check_way(pointer, rule)
    yield from _check_steps(pointer, rule)
    yield from _check_result(pointer, rule, target)
    for index, condition in enumerate(rule.when):
        yield from check_condition(f"{pointer}/when/{index}", condition)
    for name in ("first", "hash"):
        inner = getattr(rule, name)
        if inner == ():
            yield Mistake(f"{pointer}/{name}", "An empty list finds nothing.")
        target_within = target if name == "first" and rule.time is None else ""
        for index, each in enumerate(inner or ()):
            yield from check_rule(
                f"{pointer}/{name}/{index}", each, target_within, depth + 1
            )


def check_condition(pointer: str, condition: Condition) -> Iterator[Mistake]:
    """Yield what is wrong with a condition."""
    yield from find_path_mistakes(f"{pointer}/path", condition.path)
    asked = (condition.is_in, condition.not_in, condition.exists)
    if asked == (None, None, None):
        yield Mistake(
            pointer, "Say what the value must be: in, not_in or exists is missing."
        )
    if () in (condition.is_in, condition.not_in):
        yield Mistake(
            pointer, "An empty list asks for nothing. Name at least one value."
        )


def _check_way(pointer: str, rule: Rule) -> Iterator[Mistake]:
    ways = [name for name in _WAYS if getattr(rule, name) is not None]
    if len(ways) > 1 or not (ways or rule.pick):
        yield Mistake(
            pointer,
            "A rule has exactly one of path, first, const, template and hash, or pick "
            "alone.",
        )
    if rule.path is not None:
        yield from find_path_mistakes(f"{pointer}/path", rule.path)
    if rule.template is not None:
        yield from find_template_mistakes(f"{pointer}/template", rule.template)


def _check_steps(pointer: str, rule: Rule) -> Iterator[Mistake]:
    if rule.json is not None:
        yield from find_path_mistakes(f"{pointer}/json", rule.json)
    if rule.query_of == "":
        yield Mistake(
            f"{pointer}/query_of", "Name the parameter, or write * for all of them."
        )
    named = isinstance(rule.pick, dict)
    picked = (
        rule.pick.items() if isinstance(rule.pick, dict) else enumerate(rule.pick or ())
    )
    for key, path in picked:
        yield from find_path_mistakes(
            extend_pointer(f"{pointer}/pick", key), path, may_take_all=not named
        )
    if rule.pick is None and rule.without:
        yield Mistake(f"{pointer}/without", "Without belongs to pick.")
    if rule.pick in ((), {}) or len(rule.without) > MAX_KEYS:
        yield Mistake(
            pointer, f"Pick names at least one path, without at most {MAX_KEYS} names."
        )
    if rule.map is None and (rule.otherwise is not None or rule.keep):
        yield Mistake(pointer, "Else and keep say what happens beside map.")
    if rule.otherwise is not None and rule.keep:
        yield Mistake(pointer, "Of else and keep only one can happen.")


def _check_result(pointer: str, rule: Rule, target: str) -> Iterator[Mistake]:
    makes_object = rule.pick is not None or rule.first is not None or rule.json
    if target in _OBJECTS and not (makes_object or rule.path is not None):
        yield Mistake(pointer, "Here an object belongs: put it together with pick.")
    if target == "status":
        said = (*(rule.map or {}).values(), rule.const, rule.otherwise)
        if not {each for each in said if each is not None} <= set(FraudStatus):
            yield Mistake(pointer, f"A status is one of {', '.join(FraudStatus)}.")
    if rule.time is not None and (rule.pick is not None or rule.map is not None):
        yield Mistake(f"{pointer}/time", "A time is neither picked nor looked up.")
    if target == _TIME and rule.time is None and rule.first is None:
        yield Mistake(pointer, _NO_FORM)
    if rule.time is not None and target not in (_TIME, ""):
        yield Mistake(f"{pointer}/time", "Only occurred_at and a hash hold a time.")
