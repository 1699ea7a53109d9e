"""Whom an identity names: links, conflicts, limits, and who invited whom."""

import pytest

from referrals import people, suppression
from referrals.identity import Identity
from referrals.models import (
    KnownIdentity,
    KnownPerson,
    PeopleProgress,
    ReferralEvent,
    ReferrerDecision,
)
from referrals.people import lately
from tests.builders import an_app
from tests.integration.people.steps import (
    a_learning_app,
    ask_last,
    catch_up,
    hash_of,
    identify,
    install,
    put,
    step,
    teach,
    whom,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_was_learned_before(monkeypatch):
    monkeypatch.setattr(lately, "_apps", {})


def test_an_app_that_lists_nothing_learns_nothing(django_assert_num_queries):
    app = an_app()
    put(app, [identify(anonymous_id="A", email="E")])

    # The lock of no row, and the app's rules.
    with django_assert_num_queries(2):
        assert people.take_step(app.pk) is None

    assert not PeopleProgress.objects.exists()
    assert people.find_cursor(app.pk) is None
    assert people.list_learning_apps() == []


def test_an_install_is_that_of_the_user_who_signed_up_later():
    app = a_learning_app()
    teach(app, install(anonymous_id="A"))
    assert whom(app, anonymous_id="A") is None

    taken = teach(app, identify(anonymous_id="A", email="E"))

    assert whom(app, anonymous_id="A") == "E"
    assert taken.linked == {
        (False, hash_of(app, anonymous_id="A")): 2,
        (False, hash_of(app, email="E")): 2,
    }
    assert (taken.first, taken.last, taken.head, taken.has_more) == (2, 2, 2, False)


def test_an_id_of_any_case_of_its_provider_is_the_same():
    app = a_learning_app(loose_ids=["Anonymous_ID"])
    teach(app, identify(ANONYMOUS_id="A", Email="E"))

    assert whom(app, anonymous_id="A") == whom(app, provider="EMAIL", anonymous_id="A")
    assert whom(app, anonymous_id="A") == "E"


def test_of_a_loose_id_no_value_is_kept():
    app = a_learning_app()
    teach(app, identify(anonymous_id="A", email="E"))

    values = KnownIdentity.objects.filter(app=app).values_list("provider", "value")
    assert set(values) == {("anonymous_id", ""), ("email", "E")}


def test_a_device_that_two_people_had_names_nobody():
    app = a_learning_app()
    teach(app, identify(anonymous_id="A", email="E"))
    taken = teach(app, identify(anonymous_id="A", email="F"))

    assert whom(app, anonymous_id="A") == "shared"
    assert whom(app, email="E") == "E"
    assert taken.linked[False, hash_of(app, anonymous_id="A")] == 2
    progress = PeopleProgress.objects.get(app=app)
    assert (progress.shared, progress.generation) == (1, 1)


def test_a_device_that_two_people_claim_in_one_step_never_names_one_of_them():
    app = a_learning_app()
    teach(
        app,
        identify(anonymous_id="A", email="E"),
        identify(anonymous_id="A", email="F"),
    )

    assert whom(app, anonymous_id="A") == "shared"


def test_a_stale_key_on_a_device_makes_it_shared_rather_than_wrong():
    app = a_learning_app("custom_id", loose_ids=["branch_id"])
    teach(app, identify(branch_id="B", custom_id="ann"))
    teach(app, identify(branch_id="B", custom_id="bob"))
    teach(app, identify(branch_id="B", custom_id="ann"))

    assert whom(app, "custom_id", branch_id="B") == "shared"


@pytest.mark.parametrize(
    "nobody", ["null", "undefined", "[object Object]", "0000-0000", "{{user_id}}"]
)
def test_values_that_name_nobody_tie_nobody(nobody):
    app = a_learning_app()
    teach(
        app,
        identify(anonymous_id=nobody, email="E"),
        identify(anonymous_id="A", email=nobody),
    )

    assert whom(app, anonymous_id=nobody) is None
    assert whom(app, anonymous_id="A") is None
    assert not KnownIdentity.objects.filter(app=app).exists()


def test_a_value_that_many_users_send_names_nobody_and_costs_no_more():
    app = a_learning_app()
    for first in range(0, 60, 20):
        teach(
            app,
            *(
                identify(custom_id="constant", email=f"e{n}", anonymous_id=f"A{n}")
                for n in range(first, first + 20)
            ),
        )

    assert whom(app, custom_id="constant") == "shared"
    assert whom(app, anonymous_id="A2") == "shared"
    assert whom(app, anonymous_id="A50") == "e50"
    assert max(KnownPerson.objects.values_list("size", flat=True)) == 12


def test_a_changed_address_is_sent_and_the_old_one_still_names_the_person():
    app = a_learning_app()
    teach(app, identify(custom_id="u1", email="old", anonymous_id="A"))
    pinned = people.resolve(
        app.pk, [hash_of(app, anonymous_id="A")], "email", test=False
    )
    teach(app, identify(custom_id="u1", email="new"))

    assert whom(app, anonymous_id="A") == "new"
    assert whom(app, "custom_id", email="old") == "u1"
    # What is on its way goes out as it was.
    ((_, was),) = pinned.items()
    kept = people.read_identities(app.pk, [was.hash], test=False)
    assert kept[was.hash].value == "old"


def test_an_address_that_another_user_has_names_nobody_but_is_sent_itself():
    app = a_learning_app()
    teach(app, identify(custom_id="u1", email="E", anonymous_id="A"))
    teach(app, identify(custom_id="u2", email="E", anonymous_id="B"))

    assert whom(app, "custom_id", email="E") == "shared"
    assert whom(app, email="E") == "E"
    assert whom(app, "custom_id", anonymous_id="A") == "u1"
    assert whom(app, anonymous_id="B") is None


def test_two_who_were_known_by_weak_keys_become_one():
    app = a_learning_app("custom_id")
    teach(app, identify(email="E", anonymous_id="A"))
    teach(app, identify(phone="P", branch_id="B"))
    assert KnownPerson.objects.filter(app=app).count() == 2

    taken = teach(app, identify(custom_id="u1", email="E", phone="P"))

    assert whom(app, "custom_id", anonymous_id="A") == "u1"
    assert whom(app, "custom_id", branch_id="B") == "u1"
    assert KnownPerson.objects.get(app=app).size == 5
    assert {digest for _, digest in taken.linked} == {
        each.hex for each in KnownIdentity.objects.values_list("hash", flat=True)
    }


def test_whoever_waits_for_any_id_of_a_person_hears_of_a_key():
    app = a_learning_app()
    teach(app, identify(custom_id="u1", anonymous_id="A"))
    assert whom(app, anonymous_id="A") is None

    taken = teach(app, identify(custom_id="u1", email="E"))

    assert taken.linked[False, hash_of(app, anonymous_id="A")] == 2
    assert whom(app, anonymous_id="A") == "E"


def test_the_fifty_first_device_is_left_out(settings):
    settings.PERSON_IDENTITIES = 5
    app = a_learning_app()
    for n in range(8):
        teach(app, identify(anonymous_id=f"A{n}", email="E"))

    assert whom(app, anonymous_id="A3") == "E"
    assert whom(app, anonymous_id="A4") is None
    assert KnownPerson.objects.get(app=app).size == 5
    assert PeopleProgress.objects.get(app=app).refused == 4


def test_a_side_with_the_ids_of_two_people_is_its_key_s():
    app = a_learning_app()
    teach(app, identify(anonymous_id="A", email="E"))
    teach(app, identify(branch_id="B", email="F"))
    teach(app, identify(anonymous_id="A", branch_id="B", email="G"))

    assert whom(app, anonymous_id="A") == whom(app, branch_id="B") == "shared"


def test_test_and_production_are_apart():
    app = a_learning_app()
    teach(app, identify(anonymous_id="A", email="E"))
    teach(app, identify(anonymous_id="A", email="T", test=True))

    assert whom(app, anonymous_id="A") == "E"
    assert whom(app, test=True, anonymous_id="A") == "T"
    assert whom(app, test=True, email="E") is None


def test_two_apps_know_nothing_of_each_other():
    app, other = a_learning_app(), a_learning_app()
    teach(app, identify(anonymous_id="A", email="E"))
    catch_up(other)

    assert whom(other, anonymous_id="A") is None


def test_a_side_of_a_suppressed_person_teaches_nothing():
    app = a_learning_app()
    hashes = suppression.hash_identities(app.pk, [Identity("crm_id", "7")])
    suppression.suppress_hashes(app.pk, hashes)
    teach(app, identify(anonymous_id="A", email="E", crm_id="7"))

    assert whom(app, anonymous_id="A") is None
    assert not KnownIdentity.objects.filter(app=app).exists()


def test_the_referrer_s_side_teaches_as_well():
    app = a_learning_app()
    teach(
        app,
        {
            "type": "link_click",
            "referrer": {"identities": {"anonymous_id": "A", "email": "E"}},
        },
    )

    assert whom(app, anonymous_id="A") == "E"
    assert KnownPerson.objects.get(app=app).number == 3


def test_an_event_that_cannot_be_read_is_skipped_and_counted():
    app = a_learning_app()
    put(app, [identify(anonymous_id="A", email="E")] * 2)
    ReferralEvent.objects.filter(app=app, position=1).update(body="{")
    catch_up(app)

    progress = PeopleProgress.objects.get(app=app)
    assert (progress.cursor, progress.skipped) == (2, 1)
    assert whom(app, anonymous_id="A") == "E"


def test_an_event_at_which_learning_fails_stops_no_other(monkeypatch, caplog):
    app = a_learning_app()
    put(app, [identify(anonymous_id=f"A{n}", email=f"E{n}") for n in range(7)])
    fail_at(monkeypatch, 4)
    catch_up(app)

    progress = PeopleProgress.objects.get(app=app)
    assert (progress.cursor, progress.skipped) == (7, 1)
    found = [whom(app, anonymous_id=f"A{n}") for n in range(7)]
    assert found == ["E0", "E1", "E2", None, "E4", "E5", "E6"]
    assert [r.error for r in caplog.records if r.message == "people.skipped"] == [
        "ZeroDivisionError"
    ]


def fail_at(monkeypatch, position):
    from referrals.learning.learner import Learner

    learn_event = Learner.learn_event

    def fail_or_learn(self, event):
        assert event.position != position or 1 / 0
        learn_event(self, event)

    monkeypatch.setattr(Learner, "learn_event", fail_or_learn)


# Who invited whom


def decided(app, position):
    """Return the hash of the referrer for whom "last" stands; None; or "not passed"."""
    return people.find_decisions(app.pk, [position]).get(position, "not passed")


def test_last_is_whoever_invited_the_user():
    app = a_learning_app()
    put(app, [install(anonymous_id="A", referrer="bob")])
    put(app, [identify(anonymous_id="A", email="E"), ask_last(email="E")])
    assert decided(app, 3) == "not passed"

    taken = step(app)

    assert taken.decided == {3: hash_of(app, email="bob")}
    assert decided(app, 3) == hash_of(app, email="bob")
    # The referrer goes under what the event named them by, though nothing else is known.
    assert whom(app, email="bob") == "bob"


def test_last_does_not_look_ahead():
    app = a_learning_app()
    teach(app, ask_last(email="E"), install(email="E"), ask_last(email="E"))

    assert [decided(app, n) for n in (1, 3)] == [None, hash_of(app, email="bob")]


def test_last_is_decided_later_where_the_user_becomes_known():
    app = a_learning_app()
    teach(app, install(anonymous_id="A"), ask_last(email="E"))
    assert decided(app, 2) is None

    taken = teach(app, identify(anonymous_id="A", email="E"))

    assert taken.decided == {2: hash_of(app, email="bob")}
    assert decided(app, 2) == hash_of(app, email="bob")


def test_last_is_decided_later_through_another_id_of_the_user():
    app = a_learning_app()
    teach(app, identify(custom_id="u1", email="E"), install(anonymous_id="A"))
    teach(app, ask_last(email="E"))

    taken = teach(app, identify(anonymous_id="A", custom_id="u1"))

    assert taken.decided == {3: hash_of(app, email="bob")}


def test_nobody_is_their_own_referrer():
    app = a_learning_app()
    teach(app, identify(anonymous_id="A", email="E"))
    teach(app, install(anonymous_id="A", referrer="E"), ask_last(email="E"))

    assert decided(app, 3) is None


def test_a_rejected_event_does_not_say_who_invited_whom():
    app = a_learning_app()
    teach(app, {**install(email="E"), "status": "rejected"}, ask_last(email="E"))

    assert decided(app, 2) is None


def test_test_events_do_not_say_who_invited_whom_in_production():
    app = a_learning_app()
    teach(app, {**install(email="E"), "test": True}, ask_last(email="E"))
    teach(app, {**ask_last(email="E"), "test": True})

    assert decided(app, 2) is None
    assert decided(app, 3) == hash_of(app, email="bob")


def test_an_app_that_remembers_no_referrers_decides_nothing():
    app = a_learning_app(remembers_referrers=False)
    teach(app, install(email="E"), ask_last(email="E"))

    assert not ReferrerDecision.objects.exists()
    assert whom(app, email="bob") is None


def test_an_app_may_remember_referrers_alone():
    app = a_learning_app(loose_ids=[])
    teach(app, install(email="E"), ask_last(email="E"))

    assert people.list_learning_apps() == [app.pk]
    assert decided(app, 2) == hash_of(app, email="bob")
