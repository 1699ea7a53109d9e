"""Which integrations of an app stand together on the overview, and in which order."""

import pytest

from clevertap_sync.admin.overview.cards import StandingLine
from clevertap_sync.admin.overview.siblings import group_siblings, split_for_cards
from clevertap_sync.admin.overview.status_light import StatusLight
from clevertap_sync.insight.facts import Facts
from clevertap_sync.models import Account, Integration
from referrals.models import App
from tests.builders import NOON


def line(name, kinds="production", account_id="ABC-DEF-123Z", rank=3):
    """Return the line of an integration whose app is the first letter of its name."""
    integration = Integration(
        name=name,
        app=App(pk=ord(name[0]), slug=name[0]),
        account=Account(location="eu1", account_id=account_id),
        event_kinds=kinds,
    )
    return StandingLine(Facts(NOON, integration), StatusLight("good", "x"), (), rank)


def names(groups):
    return [[each.integration.name for each in group] for group in groups]


def lines(*sizes):
    """Return the lines of apps with so many integrations each: a1, a2, b1, …"""
    return [
        line(f"{chr(97 + app)}{number}")
        for app, size in enumerate(sizes)
        for number in range(1, size + 1)
    ]


def test_an_app_stands_where_its_first_line_stood():
    sorted_lines = [line("b1", rank=0), line("a1", rank=1), line("b2"), line("c1")]

    assert names(group_siblings(sorted_lines)) == [["b1", "b2"], ["a1"], ["c1"]]


def test_production_stands_before_its_staging():
    found = group_siblings(
        [
            line("a-test", "test", "TEST-ABC-DEF-123Z", rank=0),
            line("a-both", "both"),
            line("a-trial", "production", "TEST-ABC-DEF-123Z"),
            line("a-ill", rank=2),
            line("a-held", rank=1),
        ]
    )

    assert names(found) == [["a-held", "a-ill", "a-trial", "a-both", "a-test"]]


@pytest.mark.parametrize(
    ("sizes", "cards", "further"),
    [
        ((1,), [["a1"]], []),
        ((2, 2, 1), [["a1", "a2"], ["b1", "b2"], ["c1"]], []),
        # No pair is torn apart, and none that needs a person less comes before it.
        ((2, 2, 2, 1), [["a1", "a2"], ["b1", "b2"]], [["c1", "c2"], ["d1"]]),
        ((1,) * 7, [[f"{a}1"] for a in "abcde"], [["f1"], ["g1"]]),
        ((7, 1), [["a1", "a2", "a3", "a4", "a5"]], [["a6", "a7"], ["b1"]]),
        ((), [], []),
    ],
)
def test_siblings_have_cards_together_while_there_is_room(sizes, cards, further):
    with_cards, with_lines = split_for_cards(group_siblings(lines(*sizes)), 5)

    assert (names(with_cards), names(with_lines)) == (cards, further)
