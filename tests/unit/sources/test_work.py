"""A translation ends quickly, counted in operations: hostile mappings, hostile bodies."""

import json
import sys

import pytest
from hypothesis import given, settings, strategies as st

from referrals.refusals import Code
from referrals.schema import EventProblem
from referrals.sources.document import read_document
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.rules import Choices, Mapping
from referrals.sources.mapping.translate import translate_call, translate_document
from referrals.sources.mapping.validate import validate_mapping
from referrals.sources.mapping.work import Work
from tests.platforms import KEY, a_call

GREEDY = [
    {"hash": ["$"]},
    {"path": "$.big", "json": "a"},
    {"path": "$.big", "query_of": "a"},
    {"template": "{$.big}{$.big}{$.big}"},
    {"path": "$.big", "map": {"x": "y"}, "keep": True},
]


def greedy_mapping(rules=60):
    """Return a mapping that reads the whole body again for each item, by each rule."""
    event = {
        f"user.identities.p{number}": GREEDY[number % len(GREEDY)]
        for number in range(rules)
    }
    checked = validate_mapping(
        {
            "each": "items",
            "kind": {"const": "x"},
            "kinds": {"x": {"type": "app_install"}},
            "event": {
                "id": {"hash": ["$"]},
                "referrer.identities": "$.people",
                "metadata": {"pick": ["$.people.*", "$.*"]},
                **event,
            },
        }
    )
    assert isinstance(checked, Mapping), checked
    return checked


def greedy_body(items, size):
    return {
        "big": '{"a":"' + "x" * size + '"}',
        "people": {f"p{number}": "v" for number in range(size // 10)},
        "items": [{} for _ in range(items)],
    }


def spend(items, size):
    """Return what was done of what was allowed, the body's size, and the outcomes."""
    document = read_document(a_call(greedy_body(items, size)))
    work = Work(size=document.size, items=items)
    outcomes = translate_document(
        document, greedy_mapping(), Choices(), key=KEY, work=work
    )
    return work, document.size, outcomes


@pytest.mark.parametrize(
    ("items", "size"), [(1, 20_000), (100, 5_000), (1_000, 20_000)]
)
def test_a_mapping_that_reads_all_for_each_item_ends_in_refusals(items, size):
    work, body, outcomes = spend(items, size)

    assert len(outcomes) == items
    # Whatever went beyond was counted, and not done: a call for each item at most.
    assert work.done <= work.allowed + items * (body + 1)
    if items > 1:
        assert outcomes[-1].code is Code.TOO_LARGE


def done_by(event, body):
    """Return what ten items cost, of which each has these rules."""
    mapping = validate_mapping(
        {
            "each": "items",
            "kind": {"const": "x"},
            "kinds": {"x": {"type": "app_install"}},
            "event": {"id": "id", **event},
        }
    )
    assert isinstance(mapping, Mapping), mapping
    document = read_document(a_call({**body, "items": [{}] * 10}))
    work = Work(size=document.size, items=10)
    translate_document(document, mapping, Choices(), key=KEY, work=work)
    return work.done


@pytest.mark.parametrize(
    ("rule", "body", "amount"),
    [
        ("$.people", {"people": {f"p{number}": "v" for number in range(500)}}, 5_000),
        ("$.text", {"text": "x" * 500}, 5_000),
        (
            {"path": "$.text", "json": "."},
            {"text": '{"a":"' + "x" * 500 + '"}'},
            10_000,
        ),
        ({"path": "$.text", "query_of": "*"}, {"text": "?a=" + "x" * 500}, 10_000),
        (
            {"pick": ["$.people.*"]},
            {"people": {f"p{n}": 1 for n in range(500)}},
            10_000,
        ),
        ({"hash": ["$.list"]}, {"list": list(range(500))}, 5_000),
        ({"template": "{$.text}"}, {"text": "x" * 500}, 10_000),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_whatever_is_gone_through_is_counted(rule, body, amount):
    spare = done_by({"referrer.identities": {"const": "x"}}, body)

    assert done_by({"referrer.identities": rule}, body) >= spare + amount


def count_lines(function):
    """Return how many lines of Python `function` runs, which no clock decides."""
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        lines += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return lines


def test_twice_the_items_cost_twice_the_steps():
    def cost(items):
        document = read_document(a_call(greedy_body(items, 300)))
        mapping = greedy_mapping(20)
        return count_lines(
            lambda: translate_document(document, mapping, Choices(), key=KEY)
        )

    cost(1)  # what is read once and remembered
    small, large = cost(20), cost(40)

    assert large <= 2.2 * small


PATHS = st.sampled_from(
    [".", "$", "a", "b.c", "a[0]", "$.a", "query.q", "headers.h", "a.b.c.d"]
)
CONDITIONS = st.fixed_dictionaries(
    {
        "path": PATHS,
        "in": st.lists(st.sampled_from(["x", 1, True]), min_size=1, max_size=2),
    }
)
RULES = st.recursive(
    PATHS
    | st.fixed_dictionaries({"path": PATHS, "json": PATHS})
    | st.fixed_dictionaries({"path": PATHS, "query_of": st.sampled_from(["*", "q"])})
    | st.fixed_dictionaries({"template": st.just("{a}{$}{b.c}")})
    | st.fixed_dictionaries(
        {
            "path": PATHS,
            "map": st.just({"x": "suspicious"}),
            "keep": st.sampled_from([True]),
        }
    )
    | st.fixed_dictionaries({"path": PATHS, "when": st.lists(CONDITIONS, max_size=2)}),
    lambda inner: (
        st.fixed_dictionaries({"first": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"hash": st.lists(inner, min_size=1, max_size=3)})
    ),
    max_leaves=4,
)
OBJECTS = st.fixed_dictionaries(
    {
        "pick": st.lists(
            st.sampled_from(["*", "$.*", "a.*", "b.c"]), min_size=1, max_size=3
        )
    }
)
MAPPINGS = st.fixed_dictionaries(
    {
        "kind": RULES,
        "kinds": st.just({"x": {"type": "app_install"}, "1": {"name_of": "b"}}),
        "event": st.fixed_dictionaries(
            {"id": RULES},
            optional={
                "content": RULES,
                "user.id": RULES,
                "user.identities": RULES,
                "user.handles.h": RULES,
                "referrer.identities": RULES,
                "metadata": OBJECTS,
                "event_data": OBJECTS,
                "status": RULES,
                "test": RULES,
                "channel": RULES,
                "occurred_at": st.fixed_dictionaries(
                    {"path": PATHS, "time": st.sampled_from(["unix_s", "utc_text"])}
                ),
            },
        ),
    },
    optional={
        "each": PATHS,
        "referrer": st.just({"keys": ["a", "c"], "places": [".", "b"]}),
    },
)
BODIES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from(
        ["x", "None", '{"a":{"b":1}}', "?q=1&q=2", "\ud800", "2026-11-28 10:05:01"]
    )
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["a", "b", "c", "d"]) | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=25,
)


@settings(max_examples=60)
@given(MAPPINGS, BODIES, st.booleans())
def test_whatever_is_mapped_has_an_outcome_for_each_item(value, body, takes):
    mapping = validate_mapping(value)
    assert isinstance(mapping, Mapping), mapping
    raw = json.dumps(body).encode()
    choices = Choices(takes_marketing_links=takes, chosen=frozenset({"x", "true"}))
    call = a_call(raw, headers=[("h", "x")], query_string="q=x")

    outcomes = translate_call(call, mapping, choices, key=KEY)

    assert outcomes
    assert all(isinstance(each, dict | Ignored | EventProblem) for each in outcomes)
    # By what is shown of them: NaN is not even itself.
    assert repr(outcomes) == repr(translate_call(call, mapping, choices, key=KEY))


@settings(max_examples=30)
@given(MAPPINGS, st.binary(max_size=200))
def test_any_body_has_an_outcome(value, raw):
    mapping = validate_mapping(value)
    assert isinstance(mapping, Mapping), mapping

    outcomes = translate_call(a_call(raw), mapping, Choices(), key=KEY)

    assert outcomes
