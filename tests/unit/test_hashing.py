"""Keyed hashes of identities: who is recognised by them, and for how long."""

from referrals import hashing, suppression
from referrals.identity import Identity
from referrals.schema import Person
from referrals.vocabulary import Side
from tests.builders import an_event


def test_a_providers_case_does_not_count_and_each_byte_of_the_identity_does():
    digest = hashing.make_identity_hasher(1)

    assert digest("EMail", "ann") == digest("email", "ann")
    assert digest("email", "Ann") != digest("email", "ann")
    assert digest("email", " ann") != digest("email", "ann")
    assert digest("emaila", "nn") != digest("email", "ann")
    assert len(digest("email", "ann")) == 32


def test_each_app_has_hashes_of_its_own_and_none_of_another_purpose():
    assert hashing.make_identity_hasher(1)("a", "b") != hashing.make_identity_hasher(2)(
        "a", "b"
    )
    assert hashing.make_identity_hasher(1)("a", "b") != hashing.make_fingerprinter(1)(
        b"a\0b"
    )


def test_a_person_is_meant_by_any_of_their_identities():
    hashes = suppression.hash_identities(
        1, [Identity("email", "x"), Identity("Email", "x")]
    )
    is_meant = suppression.make_person_matcher(1, hashes)

    assert len(hashes) == 1
    assert is_meant(Person({"custom_id": "1", "EMAIL": "x"}))
    assert not is_meant(Person({"custom_id": "x"}))
    assert not is_meant(Person(erased=True))


def test_each_side_of_an_event_is_looked_at():
    is_meant = suppression.make_person_matcher(
        1, suppression.hash_identities(1, [Identity("email", "x")])
    )
    somebody, nobody = Person({"email": "x"}), Person({"email": "y"})

    assert suppression.find_sides_meant(an_event(user=somebody), is_meant) == {
        Side.REFERRED
    }
    assert suppression.find_sides_meant(an_event(referrer=somebody), is_meant) == {
        Side.GENERATED
    }
    assert suppression.find_sides_meant(an_event(user=nobody), is_meant) == set()


def test_what_was_made_of_a_key_is_forgotten_with_it():
    kept = dict(hashing._keys)
    before = hashing.make_fingerprinter(1)(b"a")
    try:
        hashing.remember_keys(dict.fromkeys(kept, b"another"))
        assert hashing.make_fingerprinter(1)(b"a") != before
    finally:
        hashing.remember_keys(kept)
    assert hashing.make_fingerprinter(1)(b"a") == before
