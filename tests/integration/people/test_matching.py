"""What waits is matched once its person is known, whoever comes first."""

from functools import partial

import pytest

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery.people import lookups, match
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.models import DeadLetter, Replay, WaitingRecord
from referrals import failpoints, people
from referrals.failpoints import FailpointError, parse_failpoints
from referrals.models import Change, SharedMark
from referrals.vocabulary import Side
from tests.builders import a_sent_event, an_integration
from tests.integration.people.waits import (
    DAN,
    EVE,
    a_link,
    a_waiting_letter,
    append,
    hash_of,
    learn_of_people,
    rows_of,
    state_of,
)

pytestmark = pytest.mark.django_db

WAITS = ("waiting", "waiting_for_identity")


@pytest.fixture
def integration(db):
    # Whatever is appended is handed over already, so that a step rings for what waits alone.
    return an_integration(cursor=1_000)


@pytest.fixture
def app(integration):
    learn_of_people(integration.app, "branch_id", "anonymous_id")
    return integration.app


@pytest.fixture
def rung():
    """The integrations that steps have rung for, in order."""
    return []


@pytest.fixture
def advance(app, rung):
    """Take steps until there is nothing more to do; return how many."""

    def advance():
        steps = 1
        while advance_people(app.pk, ring=rung.append):
            steps += 1
            assert steps < 50
        return steps

    return advance


@pytest.fixture
def one_by_one(monkeypatch):
    """Let each step learn from one event."""
    monkeypatch.setattr(people, "take_step", partial(people.take_step, limit=1))


def test_who_has_to_pass_by_what_only_says_who_is_who_is_rung_for(
    app, integration, advance, rung
):
    behind = an_integration(app, location=Location.US1, name="behind")
    an_integration(app, location=Location.IN1, name="off", enabled=False)

    append(app, a_link(branch_id="A", email=EVE))
    advance()
    append(app, a_sent_event(user={"identities": {"email": DAN}}))
    advance()

    assert rung == [behind.pk]

    ordinary = a_sent_event(user={"identities": {"email": DAN}})
    append(app, a_link(branch_id="B", email=EVE), ordinary)
    advance()
    assert rung == [behind.pk], "who was rung for the later event passes both by"

    append(app, ordinary | {"id": "after"}, a_link(branch_id="C", email=EVE))
    advance()
    assert rung == [behind.pk, behind.pk]


def replays():
    """Return (integration, state) of each standing replay."""
    standing = Replay.objects.filter(kind="people").order_by("pk")
    return list(standing.values_list("integration", "state"))


def an_install(**identities):
    return a_sent_event(user={"identities": identities})


def test_a_record_goes_once_its_person_becomes_known(app, integration, advance, rung):
    append(app, an_install(branch_id="A"))
    letter = a_waiting_letter(integration, 1, branch_id="A")

    advance()
    assert rows_of(letter) == [(hash_of(app, "branch_id", "A"), None, False)]
    assert (state_of(letter), replays(), rung) == (WAITS, [], [])

    at = append(app, a_link(branch_id="A", email=EVE))
    advance()

    (row,) = rows_of(letter)
    assert row == (
        hash_of(app, "branch_id", "A"),
        hash_of(app, "email", EVE),
        False,
    )
    assert (state_of(letter), letter.linked_by) == (WAITS, at)
    assert letter.linked_at is not None
    assert replays() == [(integration.pk, "running")]
    assert rung == [integration.pk]


def test_a_record_goes_at_once_where_its_person_is_known_already(
    app, integration, advance, rung
):
    at = append(app, a_link(branch_id="A", email=EVE), an_install(branch_id="A")) - 1
    advance()
    letter = a_waiting_letter(integration, at + 1, branch_id="A")

    advance()

    (row,) = rows_of(letter)
    assert row[1:] == (hash_of(app, "email", EVE), False)
    assert letter.linked_by is None
    state_of(letter)
    assert letter.linked_by == at
    assert rung == [integration.pk]


def test_a_record_goes_by_what_completed_its_person_where_the_id_was_tied_before(
    app, integration, advance
):
    append(app, a_link(branch_id="A", custom_id="u1"))
    at = append(app, a_link(custom_id="u1", email=EVE), an_install(branch_id="A")) - 1
    advance()
    letter = a_waiting_letter(integration, at + 1, branch_id="A")

    advance()

    assert [row[1] for row in rows_of(letter)] == [hash_of(app, "email", EVE)]
    state_of(letter)
    assert letter.linked_by == at


@pytest.mark.parametrize("comes_first", ["install", "link"])
def test_an_install_and_its_link_may_come_in_one_request(
    app, integration, advance, comes_first
):
    events = [an_install(branch_id="A"), a_link(branch_id="A", email=EVE)]
    append(app, *(events if comes_first == "install" else events[::-1]))
    position = 1 if comes_first == "install" else 2
    letter = a_waiting_letter(integration, position, branch_id="A")

    advance()

    assert [row[1] for row in rows_of(letter)] == [hash_of(app, "email", EVE)]


def test_an_id_that_two_people_claimed_before_it_is_looked_up_names_nobody(
    app, integration, advance, rung
):
    append(
        app,
        an_install(branch_id="A"),
        a_link(branch_id="A", email=EVE),
        a_link(branch_id="A", email=DAN),
    )
    letter = a_waiting_letter(integration, 1, branch_id="A")

    advance()

    assert state_of(letter) == ("expired", "shared_identity")
    assert (rows_of(letter), replays(), rung) == ([], [], [])


@pytest.mark.usefixtures("one_by_one")
@pytest.mark.parametrize("is_learned_anew", [False, True])
def test_a_record_waits_for_all_that_the_log_said_before_it(
    app, integration, advance, rung, is_learned_anew
):
    append(app, a_link(branch_id="A", email=EVE))
    at = append(app, a_link(branch_id="A", email=DAN), an_install(branch_id="A"))
    if is_learned_anew:
        advance()
        assert people.relearn(app.pk)
    letter = a_waiting_letter(integration, at, branch_id="A")

    advance()

    assert state_of(letter) == ("expired", "shared_identity")
    assert (letter.linked_by, rung) == (None, [])


@pytest.mark.usefixtures("one_by_one")
def test_who_waits_while_people_are_learned_anew_goes_once_the_log_comes_to_it(
    app, integration, advance, rung
):
    append(app, an_install(branch_id="A"))
    at = append(app, an_install(branch_id="A"), a_link(branch_id="B", email=DAN))
    letter = a_waiting_letter(integration, at, branch_id="A")
    advance()
    learned = append(app, a_link(branch_id="A", email=EVE))

    assert people.relearn(app.pk)
    advance()

    assert [row[1:] for row in rows_of(letter)] == [(hash_of(app, "email", EVE), False)]
    assert (state_of(letter), letter.linked_by) == (WAITS, learned)
    assert set(rung) == {integration.pk}


def test_a_record_waits_on_by_the_id_that_nobody_else_claimed(
    app, integration, advance
):
    append(
        app,
        an_install(branch_id="A", anonymous_id="N"),
        a_link(branch_id="A", email=EVE),
        a_link(branch_id="A", email=DAN),
    )
    letter = a_waiting_letter(integration, 1, branch_id="A", anonymous_id="N")

    advance()
    assert state_of(letter) == WAITS
    assert rows_of(letter) == [(hash_of(app, "anonymous_id", "N"), None, False)]

    append(app, a_link(anonymous_id="N", email=EVE))
    advance()
    assert rows_of(letter) == [
        (hash_of(app, "anonymous_id", "N"), hash_of(app, "email", EVE), False)
    ]


def test_the_referrer_waits_for_himself(app, integration, advance):
    append(app, a_sent_event(referrer={"identities": {"branch_id": "B"}}))
    letter = a_waiting_letter(integration, 1, side=Side.GENERATED, branch_id="B")
    append(app, a_link(branch_id="B", email=DAN))

    advance()

    assert [row[1] for row in rows_of(letter)] == [hash_of(app, "email", DAN)]


def test_each_integration_gets_the_identity_that_it_sends(app, integration, advance):
    other = an_integration(
        app, name="other", location=Location.IN1, identity_provider="custom_id"
    )
    append(app, an_install(branch_id="A"), a_link(branch_id="A", email=EVE))
    letters = [
        a_waiting_letter(each, 1, branch_id="A") for each in (integration, other)
    ]

    advance()
    assert [rows_of(each)[0][1] for each in letters] == [
        hash_of(app, "email", EVE),
        None,
    ]
    assert replays() == [(integration.pk, "running")]

    append(app, a_link(custom_id="7", email=EVE))
    advance()
    assert [rows_of(each)[0][1] for each in letters] == [
        hash_of(app, "email", EVE),
        hash_of(app, "custom_id", "7"),
    ]
    assert replays() == [(integration.pk, "running"), (other.pk, "running")]


@pytest.mark.parametrize("is_test", [False, True])
def test_a_link_of_the_other_kind_says_nothing(app, integration, advance, is_test):
    append(app, an_install(branch_id="A"))
    letter = a_waiting_letter(integration, 1, branch_id="A", test=is_test)
    append(app, a_link(branch_id="A", email=EVE) | {"test": not is_test})

    advance()
    assert [row[1] for row in rows_of(letter)] == [None]

    append(app, a_link(branch_id="A", email=EVE) | {"test": is_test})
    advance()
    assert [row[1] for row in rows_of(letter)] == [hash_of(app, "email", EVE)]


def test_another_identity_provider_lets_all_be_looked_up_anew(
    app, integration, advance, monkeypatch
):
    monkeypatch.setattr(lookups, "MARKED_PER_STEP", 2)
    ids = [f"A{n}" for n in range(5)]
    append(app, *(an_install(branch_id=each) for each in ids))
    letters = [
        a_waiting_letter(integration, n, branch_id=each)
        for n, each in enumerate(ids, start=1)
    ]
    append(
        app,
        *(
            a_link(branch_id=each, custom_id=each, email=f"{each}@x.example")
            for each in ids[1:]
        ),
    )
    advance()
    assert [rows_of(each)[0][1] for each in letters] == [
        None,
        *(hash_of(app, "email", f"{each}@x.example") for each in ids[1:]),
    ]

    integration.identity_provider = "custom_id"
    integration.save()
    advance()

    assert [rows_of(each)[0][1] for each in letters] == [
        None,
        *(hash_of(app, "custom_id", each) for each in ids[1:]),
    ]
    assert not WaitingRecord.objects.filter(fresh=True).exists()


def test_a_great_many_who_wait_for_one_id_are_let_go_step_by_step(
    app, integration, advance, monkeypatch
):
    monkeypatch.setattr(match, "LINKED_PER_STEP", 3)
    monkeypatch.setattr(match, "FRESH_PER_STEP", 4)
    append(app, *(an_install(branch_id="A") for _ in range(10)))
    letters = [a_waiting_letter(integration, n, branch_id="A") for n in range(1, 11)]
    assert advance() == 3

    append(app, a_link(branch_id="A", email=EVE))
    assert advance() == 3

    assert {rows_of(each)[0][1:] for each in letters} == {
        (hash_of(app, "email", EVE), False)
    }


@pytest.mark.parametrize("place", ["people.learned", "people.matched"])
def test_a_step_that_dies_has_learned_nothing_and_the_next_does_it_all(
    app, integration, advance, rung, place
):
    append(app, an_install(branch_id="A"), a_link(branch_id="A", email=EVE))
    letter = a_waiting_letter(integration, 1, branch_id="A")
    failpoints.arm_failpoints(parse_failpoints([f"{place}=raise"]))

    with pytest.raises(FailpointError):
        advance()
    assert [row[1:] for row in rows_of(letter)] == [(None, True)]
    assert (replays(), rung) == ([], [])

    advance()
    assert [row[1:] for row in rows_of(letter)] == [(hash_of(app, "email", EVE), False)]
    assert (replays(), rung) == ([(integration.pk, "running")], [integration.pk])


def test_a_step_that_dies_before_it_rings_leaves_all_to_the_sweep(
    app, integration, advance
):
    append(app, an_install(branch_id="A"), a_link(branch_id="A", email=EVE))
    letter = a_waiting_letter(integration, 1, branch_id="A")
    failpoints.arm_failpoints(parse_failpoints(["people.committed=raise"]))

    with pytest.raises(FailpointError):
        advance()

    assert [row[1:] for row in rows_of(letter)] == [(hash_of(app, "email", EVE), False)]
    assert replays() == [(integration.pk, "running")]


def test_a_letter_that_a_claim_took_meanwhile_is_left_alone(app, integration, advance):
    append(app, an_install(branch_id="A"), a_link(branch_id="A", email=EVE))
    letter = a_waiting_letter(integration, 1, branch_id="A")
    DeadLetter.objects.update(state="replaying")

    advance()

    assert state_of(letter) == ("replaying", "waiting_for_identity")
    assert letter.linked_at is None


def test_a_replay_that_has_ended_runs_again(app, integration, advance):
    append(app, an_install(branch_id="A"), a_link(branch_id="A", email=EVE))
    a_waiting_letter(integration, 1, branch_id="A")
    advance()
    Replay.objects.update(state="done")

    # By two IDs, so that a claim has to decide.
    append(app, an_install(branch_id="A"))
    a_waiting_letter(integration, 3, branch_id="A", anonymous_id="B")
    advance()

    assert replays() == [(integration.pk, "running")]


@pytest.mark.parametrize("side", list(Side))
def test_a_constant_that_a_crowd_waits_for_is_nobody_s(
    app, integration, advance, monkeypatch, side
):
    """Case 8: who signs up first must not get what ten thousand did. Fans are no crowd."""
    monkeypatch.setattr(match, "WAITS_OF_A_USER", 2)
    append(app, *(an_install(branch_id="A") for _ in range(5)))
    crowd = [
        a_waiting_letter(integration, n, side=side, branch_id="A") for n in (1, 2, 3)
    ]
    few = [a_waiting_letter(integration, n, side=side, branch_id="B") for n in (4, 5)]
    append(app, a_link(branch_id="A", email=EVE), a_link(branch_id="B", email=DAN))

    advance()

    marks = list(SharedMark.objects.values_list("provider", "created_by"))
    if side == Side.REFERRED:
        assert marks == [("branch_id", "worker")]
        assert {state_of(each) for each in crowd} == {("expired", "shared_identity")}
        assert Change.objects.get(app=app).what.startswith(
            "Marked as shared: more than"
        )
    else:
        assert marks == []
        assert {state_of(each) for each in crowd} == {WAITS}
    dan = hash_of(app, "email", DAN)
    assert [rows_of(each)[0][1] for each in few] == [dan, dan]


def test_a_provider_may_be_thrice_as_long_without_its_case(app, integration, advance):
    provider = "\N{GREEK SMALL LETTER IOTA WITH DIALYTIKA AND TONOS}" * 100
    integration.identity_provider = provider
    integration.save()
    append(app, an_install(branch_id="A"), a_link(branch_id="A", **{provider: EVE}))
    letter = a_waiting_letter(integration, 1, branch_id="A")

    advance()

    assert [row[1] for row in rows_of(letter)] == [hash_of(app, provider, EVE)]


@pytest.fixture
def by_single_events(monkeypatch):
    """Let a step learn from one event."""
    monkeypatch.setattr(people, "take_step", partial(people.take_step, limit=1))


@pytest.mark.usefixtures("by_single_events")
def test_a_record_is_looked_up_once_its_own_event_was_learned_from(app, advance):
    """Ann opens the app on Bob's tablet: her event says that it is not his alone."""
    by_custom_id = an_integration(
        app, name="other", location=Location.IN1, identity_provider="custom_id"
    )
    advance()
    append(app, a_link(branch_id="T", custom_id="bob"))
    append(app, a_sent_event(user={"identities": {"branch_id": "T", "email": EVE}}))
    letter = a_waiting_letter(by_custom_id, 2, branch_id="T")

    assert advance_people(app.pk)
    assert rows_of(letter) == [(hash_of(app, "branch_id", "T"), None, True)]
    advance()

    assert state_of(letter) == ("expired", "shared_identity")


@pytest.mark.usefixtures("by_single_events")
@pytest.mark.parametrize("is_anew", [False, True])
def test_nobody_is_known_before_all_that_the_log_says_was_learned(
    app, integration, advance, rung, is_anew
):
    append(app, an_install(branch_id="T"), an_install(branch_id="A"))
    append(app, a_link(branch_id="T", email=DAN), a_link(branch_id="A", email=EVE))
    append(app, a_link(branch_id="T", email=EVE))
    if is_anew:
        advance()
        people.relearn(app.pk)
    of_two = a_waiting_letter(integration, 1, branch_id="T")
    of_eve = a_waiting_letter(integration, 2, branch_id="A")

    while people.find_cursor(app.pk) != 4:
        assert advance_people(app.pk, ring=rung.append)
        assert {row[1] for row in rows_of(of_two) + rows_of(of_eve)} == {None}
        digest = hash_of(app, "branch_id", "T")
        assert (
            not people.resolve(app.pk, [digest], "email", test=False)
            .get(digest, people.SHARED)
            .hash
        )
    assert rung == []
    advance()

    assert state_of(of_two) == ("expired", "shared_identity")
    assert [row[1] for row in rows_of(of_eve)] == [hash_of(app, "email", EVE)]
    assert rung == [integration.pk]


def test_what_was_looked_up_before_people_are_learned_anew_is_looked_up_after(
    app, integration, advance
):
    append(app, an_install(anonymous_id="N", device_nr="D"))
    letter = a_waiting_letter(integration, 1, device_nr="D")
    append(app, a_link(device_nr="D", email=EVE))
    advance()
    assert rows_of(letter) == [(hash_of(app, "device_nr", "D"), None, False)]

    learn_of_people(app, "branch_id", "device_nr")
    advance()

    assert [row[1] for row in rows_of(letter)] == [hash_of(app, "email", EVE)]


def test_an_app_that_learns_of_nobody_has_no_step(integration):
    append(integration.app, a_link(branch_id="A", email=EVE))

    assert advance_people(integration.app_id) is False
