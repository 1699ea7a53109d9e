"""Whose record it is: the identity as the producer sent it, or why there is none."""

from typing import Any

import pytest

from clevertap_sync.clevertap.mapping import (
    EventRecord,
    MappingSettings,
    Unmappable,
    decode_record,
    map_event,
)
from referrals.schema import Person
from referrals.vocabulary import Side
from tests.builders import an_event


def of_user(identities, provider="email"):
    event = an_event(user=Person(identities=identities), referrer=None)
    (side,) = map_event(event, MappingSettings(identity_provider=provider))
    return side


def identity_of(identities, provider="email"):
    side = of_user(identities, provider)
    assert isinstance(side, EventRecord), side
    return decode_record(side)["identity"]


def reason_of(identities, provider="email"):
    side = of_user(identities, provider)
    assert isinstance(side, Unmappable), side
    return side.reason


@pytest.mark.parametrize(
    "identity",
    [
        " Ann@Example.COM ",
        "+49 170 1234567",
        "00042",
        "Zoë 🦊",
        "e\u0301 is not \u00e9",
        'quote " and \\',
        "no-break\u00a0space",
    ],
)
def test_an_identity_is_sent_byte_for_byte(identity):
    assert identity_of({"email": identity}) == identity


def test_providers_are_compared_without_regard_to_case():
    assert identity_of({"EMail": "ann@example.com"}, "eMAIL") == "ann@example.com"


def test_of_two_providers_alike_the_exact_one_counts():
    identities = {"EMAIL": "wrong", "Email": "right", "email": "wrong"}

    assert identity_of(identities, "Email") == "right"


def test_of_two_providers_alike_and_none_exact_the_first_in_sorted_order_counts():
    assert identity_of({"eMail": "wrong", "EMAIL": "right"}) == "right"


def test_a_user_without_the_providers_identity_is_said():
    assert of_user({"custom_id": "42", "facebook": "7"}) == Unmappable(
        Side.REFERRED,
        "Referred App Install",
        "no_identity",
        'There is no "email" among the user\'s 2 identities.',
    )


def test_the_only_identity_of_a_user_is_no_number():
    assert of_user({"custom_id": "42"}) == Unmappable(
        Side.REFERRED,
        "Referred App Install",
        "no_identity",
        'The user\'s only identity is not "email".',
    )


def test_a_user_without_any_identity_is_said():
    assert reason_of({}) == "no_identity"


@pytest.mark.parametrize("identity", ["", " ", "\t\n", "\u00a0\u2003"])
def test_a_blank_identity_is_refused(identity):
    assert reason_of({"email": identity}) == "identity_empty"


@pytest.mark.parametrize(
    "identity",
    [
        *("undefined", "null", "na", "n/a", "0", "nil", "-1", "none", "empty"),
        *("infinity", "-infinity", "inf", "-inf", "nan", "-nan", "xxxxxx"),
        *(" NULL ", "None", "NaN"),
    ],
)
@pytest.mark.parametrize("provider", ["email", "clevertap_id"])
def test_a_placeholder_is_refused(identity, provider):
    assert reason_of({provider: identity}, provider) == "identity_forbidden"


@pytest.mark.parametrize("identity", ["00", "nobody", "1", "xxxxxxx"])
def test_what_only_resembles_a_placeholder_is_sent(identity):
    assert identity_of({"email": identity}) == identity


def test_an_identity_of_1024_characters_is_sent():
    assert identity_of({"email": "é" * 1024}) == "é" * 1024


def test_a_longer_identity_is_refused():
    side = of_user({"email": "é" * 1025})

    assert (side.reason, side.detail) == (
        "identity_too_long",
        "It has 1025 characters.",
    )


@pytest.mark.parametrize("character", ["\n", "\r", "\t", "\x00", "\x7f", "\x9f"])
def test_an_identity_with_a_control_character_is_refused(character):
    assert reason_of({"email": f"ann@example.com{character}"}) == "identity_characters"


@pytest.mark.parametrize("provider", ["clevertap_id", "CleverTap_ID"])
@pytest.mark.parametrize(
    "object_id",
    ["__g1a2B", "-h(x)!:@$_-", "1a063854f83a4c6484285039ecff87cb", "a" * 67],
)
def test_a_clevertap_id_is_sent_as_object_id_in_place_of_identity(provider, object_id):
    side = of_user({"clevertap_id": object_id, "identity": "42"}, provider)

    assert side.json.startswith(b'{"objectId":"%s","ts":' % object_id.encode())
    assert list(decode_record(side)) == ["objectId", "ts", "type", "evtName", "evtData"]


@pytest.mark.parametrize("object_id", ["a b", "ann@example.com", "é", "a" * 68, "a\n"])
def test_a_clevertap_id_of_another_shape_is_refused(object_id):
    assert (
        reason_of({"clevertap_id": object_id}, "clevertap_id") == "clevertap_id_invalid"
    )


def test_a_detail_never_contains_the_identity():
    event = an_event(
        user=Person({"email": "canary\n@example.com"}),
        referrer=Person({"email": "canary@example.com" * 60}),
    )

    sides: list[Any] = list(map_event(event, MappingSettings("email")))

    assert [s.reason for s in sides] == ["identity_characters", "identity_too_long"]
    assert not any("canary" in s.detail for s in sides)
