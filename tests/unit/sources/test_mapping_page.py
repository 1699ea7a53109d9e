"""Every example of docs/sources/mapping.md, run as it stands there."""

import json
import re
from urllib.parse import parse_qsl

import msgspec
import pytest

from referrals.sources.document import MAX_VALUES
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.paths import MAX_STEPS
from referrals.sources.mapping.rules import (
    MAX_ITEMS,
    MAX_MAPPING_BYTES,
    MAX_NESTING,
    MAX_PATHS,
    MAX_RULES,
    Choices,
    Mapping,
    Reason,
)
from referrals.sources.mapping.translate import translate_call
from referrals.sources.mapping.validate import FIELDS, validate_mapping
from tests.documented import page
from tests.platforms import KEY, a_call

PAGE = page("sources/mapping")
RULES, _, REST = PAGE.partition("\n## Kinds\n")
KINDS = REST.partition("\n## Fields\n")[0]
ROW = re.compile(r"^\| `(.+?)` \| `(.+?)` \| (?:`(.+?)`|nothing) \|$", re.MULTILINE)
BLOCKS = [
    json.loads(each) for each in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
]
#: The mapping, the call and what it becomes, of each whole example.
EXAMPLES = [BLOCKS[n : n + 3] for n in range(0, len(BLOCKS), 3)]
CHOICES = Choices(chosen=frozenset({"Chosen Name"}))


def call_of(cell):
    """Return a call that has what a cell of a table says."""
    if cell.startswith("?"):
        return msgspec.structs.replace(a_call({}), query=tuple(parse_qsl(cell[1:])))
    if cell.startswith("{"):
        return a_call(json.loads(cell))
    name, _, value = cell.partition(": ")
    return a_call({}, headers=[(name, value)])


def translate(value, call):
    mapping = validate_mapping(value)
    assert isinstance(mapping, Mapping), mapping
    return translate_call(call, mapping, CHOICES, key=KEY)


def choose_target(rule):
    """Return a field of an event that takes what the rule gives."""
    if "time" in rule:
        return "occurred_at"
    return "metadata" if "pick" in rule or rule.get("query_of") == "*" else "content"


@pytest.mark.parametrize(("rule", "cell", "gives"), ROW.findall(RULES))
def test_a_rule_gives_what_the_page_says(rule, cell, gives):
    rule = json.loads(rule)
    target = choose_target(rule if isinstance(rule, dict) else {})
    mapping = {
        "kind": {"const": "x"},
        "kinds": {"x": {"type": "app_open"}},
        "event": {
            "id": {"const": "e-1"},
            "referrer.id": {"const": "u-7"},
            target: rule,
        },
    }

    (event,) = translate(mapping, call_of(cell))

    found = event.get(target)
    if gives == '"…"':
        assert re.fullmatch("[0-9a-f]{32}", found)
    else:
        assert found == (json.loads(gives) if gives else None)


@pytest.mark.parametrize(("kind", "cell", "becomes"), ROW.findall(KINDS))
def test_a_kind_becomes_what_the_page_says(kind, cell, becomes):
    mapping = {
        "kind": {"const": "x"},
        "kinds": {"x": json.loads(kind)},
        "event": {"id": {"const": "e-1"}, "referrer.id": {"const": "u-7"}},
    }

    (outcome,) = translate(mapping, call_of(cell))

    if becomes:
        assert json.loads(becomes).items() <= outcome.items()
        assert ("name" in outcome) is ("name" in json.loads(becomes))
    else:
        assert isinstance(outcome, Ignored)


@pytest.mark.parametrize(("mapping", "body", "becomes"), EXAMPLES)
def test_a_whole_example_becomes_what_the_page_says(mapping, body, becomes):
    call = a_call(body, headers=[("X-Message-Id", "m-1")])

    outcomes = [
        {"ignored": each.reason} if isinstance(each, Ignored) else each
        for each in translate(mapping, call)
    ]

    assert outcomes == (becomes if isinstance(becomes, list) else [becomes])


def test_the_page_has_examples_of_everything():
    """Whoever adds a part, a field, a reason or a limit describes it there."""
    parts = (*Mapping.__struct_fields__, *Reason, *FIELDS)

    assert len(ROW.findall(RULES)) > 40
    assert len(ROW.findall(KINDS)) == 7
    assert len(EXAMPLES) == 3
    assert [each for each in parts if f"`{each}`" not in PAGE] == []
    for way in ("first", "const", "template", "hash", "json", "query_of", "pick"):
        assert f'"{way}":' in RULES
    for limit in (MAX_RULES, MAX_PATHS, MAX_STEPS, MAX_NESTING):
        assert re.search(rf"\b{limit}\b", PAGE.partition("## Limits")[2])
    assert f"{MAX_ITEMS:,} items, {MAX_VALUES:,} values" in PAGE
    assert MAX_MAPPING_BYTES == 32 * 1024
