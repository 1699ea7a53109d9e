"""The list of IDs that come before sign-up, as people write it."""

import pytest

from referrals.loose_ids import LooseIdsError, read_loose_ids, spell_loose_ids


@pytest.mark.parametrize(
    "text",
    [
        "Anonymous_ID,branch_id",
        " anonymous_id ; branch_id\n",
        "anonymous_id,, BRANCH_ID branch_id",
    ],
)
def test_names_are_folded_and_stand_once(text):
    assert read_loose_ids(text) == ["anonymous_id", "branch_id"]


@pytest.mark.parametrize("text", ["ann@example.com", "a\x07b", "x" * 101])
def test_what_is_no_name_is_refused_without_repeating_it(text):
    with pytest.raises(LooseIdsError) as caught:
        read_loose_ids(text)

    assert text not in str(caught.value)


def test_a_list_of_everything_is_refused():
    with pytest.raises(LooseIdsError, match="at most 20 names"):
        read_loose_ids(" ".join(f"id_{n}" for n in range(21)))


def test_what_was_read_is_spelt_as_it_is_read():
    assert spell_loose_ids([]) == ""
    assert read_loose_ids(spell_loose_ids(["a", "b"])) == ["a", "b"]
