"""The made-up month with planted frauds: what the rules find, and what falsely, to the install."""

import pytest

from referrals.fraud_rules import DEFAULT_RULES, FIRST_RULES, Limit
from tests.documented import page
from tests.fraud_month.month import play_month
from tests.fraud_month.scenes import SCENES
from tests.fraud_month.table import BEFORE, NEW, RULES

IDS_ALONE = "advertising IDs alone: 2 in 30 days"


@pytest.fixture(scope="module")
def month():
    """A month of about five thousand installs."""
    names = (BEFORE, NEW, IDS_ALONE)
    return play_month({name: RULES[name] for name in names}, scale=0.005)


def found(month, rules):
    """Return how many installs of each scene the rules of this name find."""
    return {name: each.flagged[rules] for name, each in month.items()}


def test_the_rules_of_before_and_of_a_new_app_find_exactly_so_many(month):
    table = {
        name: (each.installs, each.flagged[BEFORE], each.flagged[NEW])
        for name, each in month.items()
    }

    assert table == {
        "friends, each at home": (3167, 0, 0),
        "households": (507, 507, 0),
        "shared flats": (59, 59, 15),
        "carrier NAT": (823, 22, 0),
        "campus": (183, 119, 22),
        "reinstalls, a reset now and then": (146, 5, 0),
        "farm behind one address": (81, 80, 77),
        "slow farm behind one address": (9, 8, 5),
        "farm that changes its referrers": (6, 4, 0),
        "device that is reset each time": (18, 17, 16),
        "own second account, same device": (10, 10, 10),
        "own second account, same address": (8, 8, 0),
        "fraud without a signal": (10, 0, 0),
    }


def test_a_rule_that_is_off_finds_none_of_its_kind(month):
    alone = found(month, IDS_ALONE)

    assert alone["farm behind one address"] == 0
    assert alone["households"] == 0


def test_requests_of_any_size_have_the_same_verdicts(month):
    rules = {name: RULES[name] for name in (BEFORE, NEW)}

    cut = play_month(rules, scale=0.005, size=7)

    for name in rules:
        assert found(cut, name) == found(month, name)


def test_the_page_names_the_rules_of_a_new_app_and_of_before():
    text = page("fraud")
    (installs, days), (ids, id_days) = (
        DEFAULT_RULES.installs,
        DEFAULT_RULES.advertising_ids,
    )

    assert f"| {installs} in {days} days | {FIRST_RULES.installs.most}, as long" in text
    assert (
        f"| {ids} in {id_days} days | {FIRST_RULES.advertising_ids.most}, as long"
        in text
    )
    assert (DEFAULT_RULES.same_ip, FIRST_RULES.same_ip) == (False, True)
    assert "| off | on |" in text
    assert Limit(1) == FIRST_RULES.installs == FIRST_RULES.advertising_ids
    assert all(f"| {scene.name} |" in text for scene in SCENES)
