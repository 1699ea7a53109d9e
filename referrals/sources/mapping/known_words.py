"""The words that a mapping knows: what a platform calls things, and nothing of people. Pure."""

from collections.abc import Iterator

from referrals.sources.mapping.rules import (
    Choices,
    Condition,
    Mapping,
    Rule,
    list_inner_rules,
    list_rules,
)
from referrals.sources.mapping.words import fold_word, write_text


def list_known_words(mapping: Mapping, choices: Choices) -> frozenset[str]:
    """Return what a value is compared with or looked up in, folded."""
    words = {*mapping.kinds, *choices.chosen, *choices.left_out}
    words.update(_list_of_conditions(mapping.when))
    words.update(_list_of_conditions(mapping.organic))
    for rule in list_rules(mapping):
        words.update(_list_of_rule(rule))
    return frozenset(map(fold_word, words))


def _list_of_rule(rule: str | Rule | None) -> Iterator[str]:
    if rule is None or isinstance(rule, str):
        return
    yield from rule.map or ()
    yield from _list_of_conditions(rule.when)
    for inner in list_inner_rules(rule):
        yield from _list_of_rule(inner)


def _list_of_conditions(conditions: tuple[Condition, ...]) -> Iterator[str]:
    for condition in conditions:
        for value in (*(condition.is_in or ()), *(condition.not_in or ())):
            yield write_text(value) or ""
