"""Which IDs are suggested as those that come before sign-up."""

from datetime import timedelta

import pytest

from clevertap_sync.insight.loose_ids import LooseIdShare, suggest_loose_ids
from referrals.log import LoggedEvent
from referrals.schema import Person
from tests.builders import NOON, an_event


def logged(*people, **changes):
    """Return an event for each of these identities, as the user's."""
    return [
        LoggedEvent(
            position,
            NOON + timedelta(seconds=position),
            an_event(user=Person(identities=identities), referrer=None, **changes),
        )
        for position, identities in enumerate(people, start=1)
    ]


def installs(count, *, name="branch_id", start=0):
    return [{name: f"b-{n}"} for n in range(start, start + count)]


def sign_ups(count, *, name="branch_id"):
    return [{name: f"b-{n}", "Email": f"{n}@example.com"} for n in range(count)]


def test_an_id_that_others_tie_to_the_identity_is_suggested_with_its_shares():
    newest = logged(*installs(8), *sign_ups(5), *({"email": f"x{n}"} for n in range(7)))

    assert suggest_loose_ids(newest, "email", []) == (
        LooseIdShare("branch_id", people=8, percent=40, linked_percent=62),
    )


def test_case_of_a_provider_does_not_count():
    newest = logged(*installs(5, name="Branch_ID"), *sign_ups(5))

    (found,) = suggest_loose_ids(newest, "email", [])

    assert (found.name, found.linked_percent) == ("branch_id", 100)


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ([*installs(4), *sign_ups(4)], "so few carry it"),
        ([*installs(40), *sign_ups(1)], "hardly one is ever tied to an identity"),
        (
            [{"branch_id": "null"}] * 9 + [{"branch_id": "null", "email": "a"}],
            "blocked",
        ),
        (
            [*installs(6), *sign_ups(6), {"branch_id": "b-0", "email": "another"}],
            "it names two users now and then",
        ),
        (sign_ups(9), "nobody lacks the identity"),
        ([], "there is no event"),
    ],
)
def test_it_is_not_suggested_where(people, why):
    assert suggest_loose_ids(logged(*people), "email", []) == (), why


def test_what_is_listed_and_what_is_a_test_is_left_out():
    newest = logged(*installs(8), *sign_ups(5))
    tests = logged(*installs(8), *sign_ups(5), test=True)

    assert suggest_loose_ids(newest, "email", ["branch_id"]) == ()
    assert suggest_loose_ids(tests, "email", []) == ()


def test_the_one_of_the_most_people_comes_first():
    newest = logged(
        *installs(5),
        *sign_ups(5),
        *installs(9, name="anonymous_id"),
        *sign_ups(9, name="anonymous_id"),
    )

    names = [each.name for each in suggest_loose_ids(newest, "email", [])]

    assert names == ["anonymous_id", "branch_id"]
