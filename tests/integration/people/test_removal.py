"""What is taken back of what was learned: learning anew, marks, erasure and age."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from clevertap_sync.models import Integration, Upload
from referrals import log, people
from referrals.models import (
    App,
    Change,
    KnownIdentity,
    KnownPerson,
    PeopleProgress,
    ReferrerDecision,
)
from referrals.people import lately
from tests.builders import NOON, an_app
from tests.integration.people.steps import (
    LOOSE,
    a_learning_app,
    ask_last,
    catch_up,
    hash_of,
    identify,
    install,
    step,
    teach,
    whom,
)

pytestmark = pytest.mark.django_db
LONG_AGO = NOON - timedelta(days=3650)


@pytest.fixture(autouse=True)
def _nothing_was_learned_before(monkeypatch):
    monkeypatch.setattr(lately, "_apps", {})


@pytest.fixture
def app():
    return a_learning_app()


def forget(app, **identities):
    hashes = [hash_of(app, **{name: each}) for name, each in identities.items()]
    with transaction.atomic():
        assert people.lock_progress(app.pk)
        people.forget_hashes(app.pk, hashes)


def test_other_rules_order_that_people_are_learned_anew(app):
    teach(app, identify(device_nr="D", email="E", crm_id="7"))
    assert whom(app, device_nr="D") is None
    App.objects.filter(pk=app.pk).update(loose_ids=["device_nr"])

    taken = step(app)
    assert (taken.first, taken.last, taken.has_more) == (1, 0, True)
    catch_up(app)

    assert whom(app, device_nr="D") == "E"


def test_another_identity_provider_becomes_a_key(app):
    teach(app, identify(anonymous_id="A", email="E", crm_id="7"))
    Integration.objects.filter(app=app).update(identity_provider="crm_id")
    catch_up(app)

    assert whom(app, "crm_id", anonymous_id="A") == "7"


def test_learning_anew_removes_in_steps_and_names_nobody_meanwhile(app):
    teach(app, *(identify(anonymous_id=f"A{n}", email=f"E{n}") for n in range(4)))
    teach(app, ask_last(email="E1"))
    assert people.relearn(app.pk) is True

    assert step(app, 5).last == 0
    assert KnownIdentity.objects.filter(app=app).count() == 3
    assert whom(app, anonymous_id="A3") is None
    assert people.find_decisions(app.pk, [5]) == {}
    assert people.find_cursor(app.pk) == 0
    catch_up(app)

    assert whom(app, anonymous_id="A3") == "E3"
    assert people.find_decisions(app.pk, [5]) == {5: None}


def test_what_an_upload_has_pinned_stays_when_people_are_learned_anew(app):
    teach(app, identify(custom_id="u1", email="E"), identify(custom_id="u2", email="F"))
    log.trim_log(app.pk, 2)
    pinned = hash_of(app, email="E")
    pin(app, pinned)

    people.relearn(app.pk)
    catch_up(app)

    kept = people.read_identities(app.pk, [pinned], test=False)
    assert kept[pinned].value == "E"
    assert whom(app, "custom_id", email="E") is None
    assert whom(app, "custom_id", email="F") == "u2"


def pin(app, *hashes):
    Upload.objects.create(
        integration=Integration.objects.get(app=app),
        first=1,
        last=1,
        settings={},
        created_at=NOON,
        due_at=NOON,
        identities={str(n): each for n, each in enumerate(hashes)},
    )


def test_the_command_orders_it_and_says_what_is_lost(app, capsys):
    teach(app, identify(anonymous_id="A", email="E"), install(email="F"))
    log.trim_log(app.pk, 2)

    call_command("relearn", app.slug)

    assert capsys.readouterr().out.splitlines() == [
        "Workers learn anew from the events 2 to 2.",
        "What only the events before 2 told is lost: retention removed them.",
    ]
    assert PeopleProgress.objects.get(app=app).emptying is True
    assert Change.objects.get(app=app).what == "Ordered that people are learned anew"


def test_the_command_refuses_where_nobody_learns(app, capsys):
    with pytest.raises(CommandError, match="no app with this short name"):
        call_command("relearn", "else")
    with pytest.raises(CommandError, match="does not learn who is who"):
        call_command("relearn", an_app().slug)

    call_command("relearn", app.slug)

    assert "workers begin by themselves" in capsys.readouterr().out


# Marks


def test_a_marked_id_names_nobody_also_when_people_are_learned_anew(app):
    teach(app, identify(anonymous_id="A", email="E"))
    mark = people.mark_shared(app.pk, "Anonymous_ID", "A", "ann")
    people.mark_shared(app.pk, "anonymous_id", "A", "somebody else")
    assert (mark.provider, mark.created_by) == ("anonymous_id", "ann")
    assert whom(app, anonymous_id="A") == "shared"
    assert people.is_marked(app.pk, hash_of(app, anonymous_id="A"))

    people.relearn(app.pk)
    catch_up(app)
    teach(app, identify(anonymous_id="A", email="E"))

    assert whom(app, anonymous_id="A") is None
    assert whom(app, email="E") == "E"


def test_an_id_may_be_marked_before_anybody_is_known_by_it(app):
    people.mark_shared(app.pk, "anonymous_id", "A", "ann")
    teach(app, identify(anonymous_id="A", email="E"))

    assert whom(app, anonymous_id="A") == "shared"
    assert whom(app, test=True, anonymous_id="A") == "shared"


def test_after_a_mark_is_lifted_the_next_event_says_whose_it_is(app):
    teach(app, identify(anonymous_id="A", email="E"))
    mark = people.mark_shared(app.pk, "anonymous_id", "A", "ann")
    teach(app, identify(anonymous_id="A", email="F"))

    people.lift_mark(app.pk, mark)
    assert whom(app, anonymous_id="A") is None
    assert not people.is_marked(app.pk, hash_of(app, anonymous_id="A"))
    teach(app, identify(anonymous_id="A", email="F"))

    assert whom(app, anonymous_id="A") == "F"


def test_a_lifted_mark_gives_nobody_what_two_people_had_claimed(app):
    teach(app, identify(anonymous_id="A", email="E"))
    teach(app, identify(anonymous_id="A", email="F"))
    mark = people.mark_shared(app.pk, "anonymous_id", "A", "ann")

    people.lift_mark(app.pk, mark)
    teach(app, identify(anonymous_id="A", email="F"))

    assert whom(app, anonymous_id="A") == "shared"
    people.relearn(app.pk)
    catch_up(app)
    assert whom(app, anonymous_id="A") == "shared"


# Erasure


def test_forgetting_a_device_leaves_the_person(app):
    teach(app, identify(anonymous_id="A", email="E", custom_id="u1"))

    forget(app, anonymous_id="A")

    assert whom(app, anonymous_id="A") is None
    assert whom(app, custom_id="u1") == "E"
    assert KnownPerson.objects.get(app=app).size == 2
    assert PeopleProgress.objects.get(app=app).generation == 1


def test_forgetting_one_of_two_keys_leaves_what_the_other_ties(app):
    teach(app, identify(anonymous_id="A", email="E", custom_id="u1"))

    forget(app, email="E")

    assert whom(app, anonymous_id="A") is None
    assert whom(app, "custom_id", anonymous_id="A") == "u1"


def test_who_has_no_key_left_is_forgotten_whole(app):
    teach(app, identify(anonymous_id="A", email="E"))

    forget(app, email="E")

    assert not KnownIdentity.objects.filter(app=app).exists()
    assert not KnownPerson.objects.filter(app=app).exists()
    teach(app, identify(anonymous_id="A", email="F"))
    assert whom(app, anonymous_id="A") == "F"


def test_test_identities_are_forgotten_as_well(app):
    teach(app, identify(anonymous_id="A", email="E", test=True))

    forget(app, email="E")

    assert not KnownIdentity.objects.filter(app=app).exists()


def test_whom_a_forgotten_person_invited_is_forgotten(app):
    teach(app, install(email="E"), install(anonymous_id="A"))
    teach(app, identify(custom_id="u", email="F"), install(custom_id="u"))
    teach(app, ask_last(email="E"), ask_last(email="F"))
    assert people.find_decisions(app.pk, [5, 6]) == dict.fromkeys(
        [5, 6], hash_of(app, email="bob")
    )

    forget(app, email="bob")
    forget(app, email="bob")

    assert people.find_decisions(app.pk, [5, 6]) == {5: None, 6: None}
    teach(app, ask_last(email="E"), ask_last(email="F"), ask_last(anonymous_id="A"))
    assert set(people.find_decisions(app.pk, [7, 8, 9]).values()) == {None}


def test_what_a_forgotten_user_asked_is_forgotten(app):
    teach(app, install(email="E"), ask_last(email="E"))

    forget(app, email="E")

    decision = ReferrerDecision.objects.get(app=app)
    assert (decision.user, decision.referrer) == (None, None)


def test_other_identities_are_named_masked(app):
    teach(app, identify(anonymous_id="A", email="ann@example.com", custom_id="u1"))
    teach(app, identify(anonymous_id="A", email="F"))

    found = people.find_other_identities(
        app.pk, [hash_of(app, email="ann@example.com")]
    )

    assert [(each.provider, each.shown, each.is_shared) for each in found] == [
        ("anonymous_id", "", True),
        ("custom_id", "•••", False),
    ]
    assert people.find_other_identities(app.pk, [hash_of(app, anonymous_id="A")]) == []


# Age


def age(model, app, **which):
    model.objects.filter(app=app, **which).update(seen_at=LONG_AGO)


def trim(*, limit=1000):
    return people.trim_people(LONG_AGO + timedelta(days=1), limit=limit)


def test_who_was_not_seen_for_long_is_removed(app):
    teach(app, identify(anonymous_id="A", email="E"), install(email="F"))
    teach(app, identify(anonymous_id="B", email="G"))
    old = KnownPerson.objects.get(app=app, number=2)
    age(KnownPerson, app, number=old.number)
    age(KnownIdentity, app, person=old.number)

    assert trim() == 1
    assert trim() == 0

    assert whom(app, anonymous_id="A") is None
    assert whom(app, anonymous_id="B") == "G"
    assert PeopleProgress.objects.get(app=app).generation == 1


def test_of_a_living_person_keys_stay_and_old_devices_go(app):
    teach(app, identify(custom_id="u1", email="old", anonymous_id="A"))
    teach(app, identify(custom_id="u1", email="new"))
    age(KnownIdentity, app)

    # One at a time: what stays stands in nobody's way.
    for _ in range(4):
        trim(limit=1)

    left = KnownIdentity.objects.filter(app=app).values_list("value", flat=True)
    assert set(left) == {"u1", "new"}
    assert KnownPerson.objects.get(app=app).size == 2


def test_what_an_upload_has_pinned_stays_however_old(app):
    teach(app, identify(anonymous_id="A", email="E"), install(anonymous_id="B"))
    pin(app, hash_of(app, email="E"), hash_of(app, email="bob"))
    age(KnownPerson, app)
    age(KnownIdentity, app)

    trim()

    left = KnownIdentity.objects.filter(app=app).values_list("value", flat=True)
    assert {"E", "bob"} <= set(left)
    assert whom(app, email="E") == "E"


def test_a_memory_older_than_its_referrer_s_days_names_nobody(app):
    teach(app, install(email="E"))
    age(KnownIdentity, app, value="bob")
    trim()
    teach(app, ask_last(email="E"))

    assert whom(app, email="bob") is None


def test_decisions_go_with_their_events(app):
    teach(app, ask_last(email="E"), ask_last(email="E"), ask_last(email="E"))
    log.trim_log(app.pk, 3)

    assert trim() == 2
    assert list(ReferrerDecision.objects.values_list("position", flat=True)) == [3]


def test_an_app_that_learns_no_more_keeps_nothing(app):
    teach(app, identify(anonymous_id="A", email="E"), ask_last(email="E"))
    App.objects.filter(pk=app.pk).update(loose_ids=[], remembers_referrers=False)
    assert people.find_cursor(app.pk) is None

    while trim(limit=2):
        pass

    for model in (KnownIdentity, KnownPerson, ReferrerDecision, PeopleProgress):
        assert not model.objects.exists()


def test_an_app_that_learns_again_while_it_is_emptied_learns_everything_anew(app):
    sent = [identify(anonymous_id=f"A{n}", email=f"E{n}") for n in range(3)]
    teach(app, *sent)
    App.objects.filter(pk=app.pk).update(loose_ids=[], remembers_referrers=False)
    assert trim(limit=2) == 2

    App.objects.filter(pk=app.pk).update(loose_ids=LOOSE, remembers_referrers=True)
    catch_up(app)

    known = [whom(app, anonymous_id=f"A{n}") for n in range(3)]
    assert known == ["E0", "E1", "E2"]


def test_what_an_upload_pins_of_an_app_that_learns_no_more_goes_after_the_upload(app):
    teach(app, identify(anonymous_id="A", email="E"))
    pin(app, hash_of(app, email="E"))
    App.objects.filter(pk=app.pk).update(loose_ids=[], remembers_referrers=False)

    while trim():
        pass
    assert KnownIdentity.objects.get(app=app).value == "E"

    Upload.objects.update(state=Upload.State.SETTLED)
    while trim():
        pass
    assert not KnownIdentity.objects.exists()
    assert not PeopleProgress.objects.exists()
