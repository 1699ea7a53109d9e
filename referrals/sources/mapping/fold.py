"""A mapping's own words in the form in which they are compared, folded once. Pure."""

import msgspec

from referrals.sources.mapping.rules import (
    Condition,
    Mapping,
    ReferrerKeys,
    Rule,
    Scalar,
)
from referrals.sources.mapping.words import fold_word, write_text


def fold_mapping(mapping: Mapping) -> Mapping:
    """Return `mapping` with what its conditions, maps and kinds are compared with folded."""
    return msgspec.structs.replace(
        mapping,
        when=_fold_conditions(mapping.when),
        organic=_fold_conditions(mapping.organic),
        kind=None if mapping.kind is None else _fold_rule(mapping.kind),
        native=None if mapping.native is None else _fold_rule(mapping.native),
        kinds={
            fold_word(name): msgspec.structs.replace(
                kind,
                name_of=None if kind.name_of is None else _fold_rule(kind.name_of),
            )
            for name, kind in mapping.kinds.items()
        },
        referrer=_fold_places(mapping.referrer),
        event={target: _fold_rule(rule) for target, rule in mapping.event.items()},
    )


def _fold_places(referrer: ReferrerKeys | None) -> ReferrerKeys | None:
    if referrer is None:
        return None
    return msgspec.structs.replace(
        referrer, places=tuple(map(_fold_rule, referrer.places))
    )


def _fold_rule(rule: str | Rule) -> str | Rule:
    if isinstance(rule, str):
        return rule
    return msgspec.structs.replace(
        rule,
        first=None if rule.first is None else tuple(map(_fold_rule, rule.first)),
        hash=None if rule.hash is None else tuple(map(_fold_rule, rule.hash)),
        map=None
        if rule.map is None
        else {fold_word(word): value for word, value in rule.map.items()},
        when=_fold_conditions(rule.when),
    )


def _fold_conditions(conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
    return tuple(
        msgspec.structs.replace(
            each, is_in=_fold_values(each.is_in), not_in=_fold_values(each.not_in)
        )
        for each in conditions
    )


def _fold_values(values: tuple[Scalar, ...] | None) -> tuple[Scalar, ...] | None:
    if values is None:
        return None
    return tuple(fold_word(write_text(value) or "") for value in values)
