"""A secret shows its text to nobody who does not ask for it by name."""

import copy
import json
import pickle
import traceback

import pytest

from referrals.secret import Secret

CANARY = "CAN-ARY-PASS"


def test_only_reveal_gives_the_text():
    assert Secret(CANARY).reveal() == CANARY


@pytest.mark.parametrize(
    "show",
    [repr, str, "{}".format, "%s".__mod__, "%r".__mod__, lambda s: f"{[s]} {s!r}"],
    ids=["repr", "str", "format", "%s", "%r", "in a list"],
)
def test_every_way_to_show_it_gives_a_mask(show):
    shown = show(Secret(CANARY))

    assert "••••" in shown
    assert CANARY not in shown


def test_the_hint_ends_in_the_last_two_characters():
    assert Secret(CANARY).hint() == "••••SS"


@pytest.mark.parametrize("text", ["", "a", "123456"])
def test_the_hint_of_a_short_text_shows_nothing_of_it(text):
    assert Secret(text).hint() == "••••"


def test_an_empty_secret_is_false_and_shows_nothing():
    assert not Secret()
    assert str(Secret()) == ""
    assert Secret("x")


def test_secrets_are_equal_by_their_text_and_to_nothing_else():
    assert Secret(CANARY) == Secret(CANARY)
    assert hash(Secret(CANARY)) == hash(Secret(CANARY))
    assert Secret(CANARY) != Secret("other")
    assert Secret(CANARY) != CANARY


def test_comparing_does_not_reveal():
    class Unreadable(Secret):
        __slots__ = ()

        def reveal(self):
            pytest.fail("compared by what it hides")

    assert Unreadable("x") != Secret("x")
    assert Unreadable("x") == Unreadable("x")


def test_a_copy_is_the_secret_itself():
    secret = Secret(CANARY)

    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@pytest.mark.parametrize(
    "leak",
    [pickle.dumps, json.dumps, lambda secret: "x" + secret],
    ids=["pickle", "JSON", "concatenation"],
)
def test_what_would_carry_the_text_away_fails_without_showing_it(leak):
    with pytest.raises(TypeError) as caught:
        leak(Secret(CANARY))

    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_it_has_no_dictionary_that_a_debugger_would_print():
    assert not hasattr(Secret(CANARY), "__dict__")
