"""What a step makes known leaves by an upload of the step's own, where nothing else is under way."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.delivery import caution
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.people import lookups, prompt_upload
from clevertap_sync.delivery.people.prompt_upload import KnownRecord
from clevertap_sync.delivery.people.step import advance_people
from clevertap_sync.delivery.sql.revival_rows import KnownLetter
from clevertap_sync.models import (
    Account,
    DeadLetter,
    Integration,
    LateTime,
    Replay,
    Upload,
    WaitingRecord,
)
from clevertap_sync.process import clock
from referrals import failpoints
from referrals.failpoints import FailpointError, parse_failpoints
from tests.builders import NOON, a_sent_event, an_app, an_integration
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


@pytest.fixture
def integration(settings):
    settings.REDIS_URL = ""
    integration = an_integration(cursor=1_000)
    learn_of_people(integration.app, "branch_id", "anonymous_id")
    # It has sent what waited before, and nothing of that is left.
    Replay.objects.create(
        integration=integration,
        kind=Replay.Kind.PEOPLE,
        state=Replay.State.DONE,
        created_at=clock.read_now(),
    )
    return integration


@pytest.fixture
def rung():
    return []


@pytest.fixture
def advance(integration, rung):
    def advance():
        while advance_people(integration.app_id, ring=rung.append):
            pass

    return advance


@pytest.fixture
def install(integration):
    """Let a record wait by these IDs, by an event of its own in the log."""

    def install(**identities):
        event = a_sent_event(user={"identities": identities}, referrer=None)
        position = append(integration.app, event | {"via": "smart_link"})
        return a_waiting_letter(integration, position, **identities)

    return install


def open_uploads():
    return list(Upload.objects.open().order_by("pk"))


def is_running():
    return Replay.objects.get().state == Replay.State.RUNNING


def test_what_a_step_makes_known_has_an_upload_when_the_step_is_committed(
    integration, install, advance, rung
):
    eve, dan = install(branch_id="A"), install(anonymous_id="B")
    dans = append(integration.app, a_link(anonymous_id="B", email=DAN))
    eves = append(integration.app, a_link(branch_id="A", email=EVE))

    advance()

    (upload,) = open_uploads()
    app = integration.app
    pins = {"2": hash_of(app, "email", EVE), "4": hash_of(app, "email", DAN)}
    assert (upload.picks, upload.identities) == ([2, 4], pins)
    assert (upload.first, upload.last, upload.covers) == (1, 2, 2)
    assert (upload.replay, upload.leased_until) == (Replay.objects.get(), None)
    assert (upload.attempt_count, upload.known_at) == (0, None)
    letters = list(DeadLetter.objects.order_by("pk"))
    assert [each.state for each in letters] == ["replaying", "replaying"]
    assert [each.linked_by for each in letters] == [eves, dans]
    assert {each.replay_upload for each in letters} == {upload}
    assert all(each.linked_at == upload.created_at for each in letters)
    assert (rows_of(eve), rows_of(dan), is_running()) == ([], [], False)
    assert rung == [integration.pk]


def test_it_is_delivered_once_and_what_follows_as_well(
    integration, install, advance, sandbox
):
    Integration.objects.update(cursor=0)
    for who, email in (("A", EVE), ("B", DAN)):
        user = {"identities": {"branch_id": who}}
        append(
            integration.app,
            a_sent_event(user=user, referrer=None, via="smart_link"),
        )
        deliver(integration.pk)
        append(integration.app, a_link(branch_id=who, email=email))
        advance()
        deliver(integration.pk)
        advance()

    sent = [record["identity"] for record in sandbox.records()]
    assert sent == [EVE, DAN]
    assert [each.state for each in DeadLetter.objects.all()] == ["delivered"] * 2
    assert (open_uploads(), is_running()) == ([], False)
    assert not WaitingRecord.objects.exists()


NOT_WELL = {
    "disabled": {"enabled": False},
    "archived": {"archived_at": NOON},
    "held": {"hold_reason": "server_error", "held_since": NOON},
    "failing": {"failures": 1},
    "looks identities up first": {"identities_confirmed_at": None},
}


@pytest.mark.parametrize("changes", NOT_WELL.values(), ids=NOT_WELL)
def test_for_an_integration_that_may_not_send_in_full_it_collects(
    integration, install, advance, changes
):
    letter = install(branch_id="A")
    append(integration.app, a_link(branch_id="A", email=EVE))
    Integration.objects.update(**changes)

    advance()

    assert_collects(letter, EVE)


@pytest.mark.parametrize("is_leased", [False, True])
def test_beside_a_revival_on_its_way_it_collects(
    integration, install, advance, is_leased
):
    install(branch_id="A")
    append(integration.app, a_link(branch_id="A", email=EVE))
    advance()
    (before,) = open_uploads()
    if is_leased:
        lease(before)
    letter = install(branch_id="B")
    append(integration.app, a_link(branch_id="B", email=DAN))

    advance()

    assert_collects(letter, DAN, beside=[before])


def test_while_something_is_left_to_a_claim_it_collects(integration, install, advance):
    Replay.objects.update(state=Replay.State.RUNNING)
    letter = install(branch_id="A")
    append(integration.app, a_link(branch_id="A", email=EVE))

    advance()

    assert_collects(letter, EVE)


def test_where_the_account_has_all_it_may_have_in_flight_it_collects(
    integration, install, advance
):
    Account.objects.update(in_flight_limit=1, current_limit=1)
    full = an_integration(
        an_app(slug="neighbour"), account=integration.account, cursor=1_000
    )
    now = clock.read_now()
    taken = Upload.objects.create(
        integration=full, first=1, last=1, settings={}, created_at=now, due_at=now
    )
    lease(taken)
    letter = install(branch_id="A")
    append(integration.app, a_link(branch_id="A", email=EVE))

    advance()

    assert_collects(letter, EVE, beside=[taken])


def test_a_record_that_waits_by_several_ids_is_left_to_a_claim(
    integration, install, advance
):
    letter = install(branch_id="A", anonymous_id="B")
    append(integration.app, a_link(branch_id="A", email=EVE))

    advance()

    assert (open_uploads(), state_of(letter)[0]) == ([], "waiting")
    eve = hash_of(integration.app, "email", EVE)
    assert [matched for _, matched, _ in rows_of(letter)] == [eve, None]
    assert is_running()


def test_where_two_accounts_are_concerned_it_collects(integration, install, advance):
    other = an_integration(
        integration.app, location=Location.US1, name="other", cursor=1_000
    )
    letter = install(branch_id="A")
    theirs = a_waiting_letter(other, 1, branch_id="A")
    append(integration.app, a_link(branch_id="A", email=EVE))

    advance()

    assert_collects(letter, EVE)
    assert_collects(theirs, EVE)


def test_what_is_more_than_a_request_takes_is_left_to_a_claim_in_log_order(
    integration, install, advance, monkeypatch
):
    monkeypatch.setattr(caution, "MAX_RECORDS", 2)
    who = {name: f"{name}@example.com" for name in ("c", "a", "b")}
    letters = [install(branch_id=name) for name in who]
    links = [a_link(branch_id=name, email=who[name]) for name in sorted(who)]
    append(integration.app, *links)

    advance()

    (upload,) = open_uploads()
    assert upload.picks == [2, 4]
    states = [state_of(letter)[0] for letter in letters]
    assert states == ["replaying", "replaying", "waiting"]
    assert rows_of(letters[2])[0][1] == hash_of(integration.app, "email", who["b"])
    assert is_running()


def test_a_letter_that_somebody_took_is_not_taken_again(integration, install, advance):
    taken, waits = install(branch_id="A"), install(branch_id="B")
    DeadLetter.objects.filter(pk=taken.pk).update(state="replaying")
    links = a_link(branch_id="A", email=EVE), a_link(branch_id="B", email=DAN)
    append(integration.app, *links)

    advance()

    (upload,) = open_uploads()
    assert upload.identities == {"4": hash_of(integration.app, "email", DAN)}
    assert (upload.picks, upload.first, upload.covers) == ([4], 2, 1)
    assert (state_of(waits)[0], rows_of(waits)) == ("replaying", [])
    taken.refresh_from_db()
    assert (taken.linked_at, taken.replay_upload) == (None, None)


def test_where_all_letters_were_taken_there_is_no_upload(integration, install, advance):
    letter = install(branch_id="A")
    DeadLetter.objects.update(state="replaying")
    append(integration.app, a_link(branch_id="A", email=EVE))

    advance()

    assert (Upload.objects.filter(identities__isnull=False).exists()) is False
    assert state_of(letter)[0] == "replaying"


def test_where_records_go_out_as_of_when_somebody_became_known_that_is_the_step_s_instant(
    integration, install, advance
):
    Integration.objects.update(late_time=LateTime.KNOWN)
    letter = install(branch_id="A")
    append(integration.app, a_link(branch_id="A", email=EVE))

    advance()

    (upload,) = open_uploads()
    letter.refresh_from_db()
    assert upload.known_at == letter.linked_at == upload.created_at


def test_what_was_looked_up_for_another_identity_than_is_sent_by_now_is_not_sent(
    integration, install
):
    letter = install(branch_id="A")
    (reader,) = lookups.read_readers(integration.app_id)
    Integration.objects.update(identity_provider="phone")
    wait = WaitingRecord.objects.get()
    known = KnownLetter(letter.pk, wait.pk, 2)
    records = [KnownRecord(known, wait.pick, hash_of(integration.app, "email", EVE))]

    with transaction.atomic():
        account = prompt_upload.lock_only_account([reader])
        taken = prompt_upload.write_upload(account, reader, records)

    assert (taken, open_uploads()) == (frozenset(), [])
    assert (state_of(letter)[0], len(rows_of(letter))) == ("waiting", 1)


def test_a_step_that_dies_with_its_upload_leaves_nothing_and_the_next_sends_it(
    integration, install, advance
):
    letter = install(branch_id="A")
    append(integration.app, a_link(branch_id="A", email=EVE))

    failpoints.arm_failpoints(parse_failpoints(["revival.claimed=raise"]))
    with pytest.raises(FailpointError):
        advance()
    left = (open_uploads(), state_of(letter)[0], rows_of(letter)[0][1:])
    advance()

    assert left == ([], "waiting", (None, True))
    assert [each.picks for each in open_uploads()] == [[2]]


def lease(upload):
    until = clock.read_now() + timedelta(seconds=settings.LEASE_SECONDS)
    Upload.objects.filter(pk=upload.pk).update(leased_until=until)


def assert_collects(letter, email, *, beside=()):
    """Assert that the letter's person is known, and that it is left to a claim."""
    assert [each.pk for each in open_uploads()] == [each.pk for each in beside]
    assert state_of(letter)[0] == "waiting"
    matched = hash_of(letter.integration.app, "email", email)
    assert [each[1] for each in rows_of(letter)] == [matched]
    replay = Replay.objects.get(integration=letter.integration, kind="people")
    assert replay.state == Replay.State.RUNNING
