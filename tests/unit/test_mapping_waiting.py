"""What a record waits for whose person nobody knows yet, and what it does not wait for."""

import pytest

from clevertap_sync.clevertap.identities import list_awaited_identities
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    KeptBack,
    MappingSettings,
    Unmappable,
    decode_record,
    map_event,
)
from referrals.identity import Identity
from referrals.learning import blocklist
from referrals.schema import Person
from referrals.vocabulary import EventType, Side
from tests.builders import a_custom_event, an_event

BY_EMAIL = MappingSettings(
    identity_provider="email", waits_for=("anonymous_id", "Branch_ID")
)
FALLING_BACK = MappingSettings(
    identity_provider="email",
    waits_for=("anonymous_id",),
    falls_back_to_clevertap_id=True,
)
REMEMBERING = MappingSettings(identity_provider="email", remembers_referrers=True)
LAST = Person(last=True)
OBJECT_ID = "__g1234567890abcdef"


def of_user(settings, **identities):
    event = an_event(user=Person(identities=identities), referrer=None)
    (side,) = map_event(event, settings)
    return side


def reason_of(settings, **identities):
    side = of_user(settings, **identities)
    assert isinstance(side, Unmappable), side
    return side.reason


def of_referrer(settings, referrer, **changes):
    event = a_custom_event(referrer=referrer, **changes)
    return map_event(event, settings)[-1]


def test_a_side_with_an_id_that_comes_before_sign_up_waits():
    assert of_user(BY_EMAIL, branch_id="b-1", facebook="7") == Unmappable(
        Side.REFERRED,
        "Referred App Install",
        "waiting_for_identity",
        "Nobody is known yet by branch_id.",
    )


def test_each_side_waits_for_itself():
    event = an_event(referrer=Person(identities={"anonymous_id": "a-1"}))
    user, referrer = map_event(event, BY_EMAIL)

    assert isinstance(user, EventRecord)
    assert isinstance(referrer, Unmappable)
    assert referrer.reason == "waiting_for_identity"


@pytest.mark.parametrize("provider", ["branch_id", "Branch_ID", "BRANCH_ID"])
def test_the_case_of_a_provider_does_not_count(provider):
    assert reason_of(BY_EMAIL, **{provider: "b-1"}) == "waiting_for_identity"


def test_the_detail_repeats_no_spelling_of_the_producers():
    side = of_user(BY_EMAIL, ANONYMOUS_ID="a-1", anonymous_id="a-2", branch_id="b-1")

    assert isinstance(side, Unmappable)
    assert side.detail == "Nobody is known yet by anonymous_id, branch_id."


def test_who_has_the_identity_does_not_wait():
    side = of_user(BY_EMAIL, email="ann@example.com", branch_id="b-1")

    assert isinstance(side, EventRecord)
    assert decode_record(side)["identity"] == "ann@example.com"


@pytest.mark.parametrize(
    ("identity", "reason"), [("", "identity_empty"), ("null", "identity_forbidden")]
)
def test_an_identity_that_cannot_be_sent_is_a_mistake_and_does_not_wait(
    identity, reason
):
    assert reason_of(BY_EMAIL, email=identity, branch_id="b-1") == reason


@pytest.mark.parametrize("settings", [BY_EMAIL, FALLING_BACK, REMEMBERING])
def test_a_wrong_identity_provider_fails_at_once(settings):
    assert reason_of(settings, custom_id="42", facebook="7") == "no_identity"


def test_with_nothing_to_wait_for_all_is_as_before():
    settings = MappingSettings(identity_provider="email")

    assert reason_of(settings, branch_id="b-1", clevertap_id=OBJECT_ID) == "no_identity"


@pytest.mark.parametrize(
    "value",
    [
        *("null", " undefined ", "[object Object]", "0000-0000", "{{user_id}}"),
        *("${id}", "%s", "NULL", '"none"', "", "x" * (blocklist.MAX_CHARACTERS + 1)),
    ],
)
def test_a_value_that_names_nobody_is_not_waited_for(value):
    assert reason_of(BY_EMAIL, branch_id=value) == "no_identity"


def test_beside_a_value_that_names_nobody_the_other_is_waited_for():
    person = Person(identities={"branch_id": "null", "anonymous_id": "a-1", "x": "1"})

    awaited = list_awaited_identities(person, ("Anonymous_id", "branch_id"))

    assert awaited == [Identity("anonymous_id", "a-1")]


def test_what_the_settings_keep_back_does_not_wait():
    settings = MappingSettings(
        identity_provider="email", waits_for=("branch_id",), event_kinds="test"
    )

    assert of_user(settings, branch_id="b-1") == KeptBack(Side.REFERRED)


@pytest.mark.parametrize("reason", ["erased", "suppressed"])
def test_who_is_not_to_be_processed_does_not_wait(reason):
    person = Person(identities={"branch_id": "b-1"}, erased=reason == "erased")
    suppressed = {Side.REFERRED} if reason == "suppressed" else ()

    (side,) = map_event(an_event(user=person, referrer=None), BY_EMAIL, suppressed)

    assert isinstance(side, Unmappable)
    assert side.reason == reason


class TestCleverTapID:
    """CleverTap's own ID as the second choice."""

    def test_without_the_identity_the_record_goes_at_once_by_it(self):
        side = of_user(FALLING_BACK, clevertap_id=OBJECT_ID, anonymous_id="a-1")

        assert isinstance(side, EventRecord)
        sent = decode_record(side)
        assert sent["objectId"] == OBJECT_ID
        assert "identity" not in sent

    def test_the_identity_is_the_first_choice(self):
        side = of_user(FALLING_BACK, clevertap_id=OBJECT_ID, email="ann@example.com")

        assert isinstance(side, EventRecord)
        sent = decode_record(side)
        assert sent["identity"] == "ann@example.com"
        assert "objectId" not in sent

    def test_an_identity_that_cannot_be_sent_is_said_all_the_same(self):
        reason = reason_of(FALLING_BACK, clevertap_id=OBJECT_ID, email="null")

        assert reason == "identity_forbidden"

    def test_one_that_is_none_is_not_sent(self):
        bad = "two words"

        waiting = reason_of(FALLING_BACK, clevertap_id=bad, anonymous_id="a-1")
        assert waiting == "waiting_for_identity"
        assert reason_of(FALLING_BACK, clevertap_id=bad) == "no_identity"

    def test_by_default_it_is_not_sent(self):
        reason = reason_of(BY_EMAIL, clevertap_id=OBJECT_ID, anonymous_id="a-1")

        assert reason == "waiting_for_identity"


class TestLastReferrer:
    """The referrer "last", whoever that is."""

    def test_it_always_waits(self):
        assert of_referrer(REMEMBERING, LAST) == Unmappable(
            Side.GENERATED,
            "Generated Subscription Started",
            "waiting_for_referrer",
            "",
        )

    def test_the_user_of_the_event_does_not_wait_for_it(self):
        user, _ = map_event(a_custom_event(referrer=LAST), REMEMBERING)

        assert isinstance(user, EventRecord)

    def test_where_referrers_are_not_remembered_it_says_what_to_switch_on(self):
        side = of_referrer(BY_EMAIL, LAST)

        assert isinstance(side, Unmappable)
        assert side.reason == "no_referrer_known"
        assert side.detail == (
            "The app does not remember referrers. Its settings in the admin have a switch."
        )

    def test_a_referrer_who_is_named_does_not_wait_for_memory(self):
        side = of_referrer(REMEMBERING, Person(identities={"branch_id": "b-1"}))

        assert isinstance(side, Unmappable)
        assert side.reason == "no_identity"

    def test_a_name_that_is_not_sent_is_said_first(self):
        side = of_referrer(REMEMBERING, LAST, name_number=51)

        assert isinstance(side, Unmappable)
        assert side.reason == "new_event_name"


def test_an_event_that_only_ties_identities_has_no_side():
    event = an_event(
        type=EventType.IDENTIFY,
        user=Person(identities={"branch_id": "b-1", "custom_id": "42"}),
        referrer=None,
    )

    assert map_event(event, BY_EMAIL) == []
