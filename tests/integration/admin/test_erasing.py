"""Erasing one person in the admin: ordered, followed, told to CleverTap, lifted."""

import re
import time

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client

from clevertap_sync import insight
from clevertap_sync.admin.erasures import erasure_admin
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.process import slots, worker_presence
from clevertap_sync.sandbox.faults import Fault
from referrals import log
from referrals.models import Change, ErasureRequest, Membership, Role, Suppression
from tests.builders import BOB, an_app
from tests.integration.admin.conftest import text_of
from tests.integration.delivery.erasing import (
    CANARY,
    by_canary,
    event_at,
    of_canary,
    rows_with,
)
from tests.integration.people.knowing import KnownPeople

LIST = "/admin/referrals/erasurerequest/"
ERASE = f"{LIST}erase/"
TAKEN = "CleverTap has taken the order to delete the person."
LIFTED = "2 of 2 identities were suppressed. Later events go out again; what was erased is gone."
IDENTITIES = f"email={CANARY}\r\ncustom_id=canary-id\r\n"


@pytest.fixture(autouse=True)
def _own_slots():
    slots.clear_slots()


@pytest.fixture
def typed(integration):
    """What a person types who asks for the canary to be erased."""
    return {"app": integration.app_id, "identities": IDENTITIES}


@pytest.fixture
def order(admin, typed, sandbox):
    """An order of the admin's, not gone on with yet."""
    admin.post(ERASE, {**typed, "confirmed": "1"})
    return ErasureRequest.objects.get()


def done(order):
    """Go on as a worker does, to the end."""
    erasure_orders.advance_all_erasures()
    order.refresh_from_db()
    return f"{LIST}{order.pk}/"


def reasons_of(integration):
    """Return the dead letters' positions, sides and reasons."""
    letters = integration.dead_letters.order_by("pk")
    return list(letters.values_list("position", "side", "reason"))


def known_to(sandbox):
    """Return whom CleverTap knows."""
    return {who for who, _ in sandbox.counts()}


def test_an_order_is_confirmed_then_carried_out_by_the_workers(
    admin, integration, sandbox, typed
):
    log.append(integration.app, [by_canary(id="1"), of_canary(id="2")])
    deliver(integration.pk)

    asked = text_of(admin.post(ERASE, typed))
    before = ErasureRequest.objects.count()
    response = admin.post(ERASE, {**typed, "confirmed": "1"})

    assert "Erase one person from Shop?" in asked
    assert "2 identities" in asked
    assert "<code>email=c•••</code>, <code>custom_id=c•••</code>" in asked
    order = ErasureRequest.objects.get()
    assert before == 0
    assert response["Location"] == f"{LIST}{order.pk}/change/"
    # The web process goes through no log.
    assert (order.state, order.erased_to) == ("waiting", 0)
    assert order.requested_by == "ann"
    assert rows_with(CANARY) == ["referrals_referralevent"]

    page = done(order)
    log.append(integration.app, [by_canary(id="3")])
    deliver(integration.pk)

    assert (order.state, order.events) == ("done", 2)
    assert event_at(integration, 1).user.erased
    assert reasons_of(integration) == [(3, "referred", "suppressed")]
    assert insight.read_statuses()[0].balanced
    assert "Erased from 2 events and 0 dead letters" in text_of(
        admin.get(f"{page}change/")
    )


def test_what_else_the_person_is_known_by_is_named_and_taken_along_where_ticked(
    admin, integration, typed
):
    known = KnownPeople(integration)
    mine, everybodys = ("branch_id", "canary-branch"), ("phone", "canary-phone")
    known.knows(2, ("email", CANARY), mine, everybodys, shared=[everybodys])

    left = text_of(admin.post(ERASE, typed))
    taken = text_of(admin.post(ERASE, {**typed, "including_others": "on"}))
    hidden = {"including_others": "True", "confirmed": "1"}
    admin.post(ERASE, {**typed, **hidden})

    assert "the same person's: <code>branch_id=•••</code>" in left
    assert "Shared with somebody else: <code>phone=•••</code>" in left
    assert ("They are erased, too" in left, "They are erased, too" in taken) == (
        False,
        True,
    )
    assert 'name="including_others" value="True"' in taken
    assert known.hash(mine).hex in ErasureRequest.objects.get().hashes
    assert len(ErasureRequest.objects.get().hashes) == 3
    assert Change.objects.get().what == "Ordered, by 3 identities."


def test_a_page_looks_again_until_the_order_is_done(admin, order):
    page = f"{LIST}{order.pk}/change/"
    alone = text_of(admin.get(page))
    worker_presence.record_presence("one")
    begun = text_of(admin.get(page))
    done(order)
    ended = text_of(admin.get(page))

    assert "A worker begins within a minute" in begun
    assert 'data-live="3"' in begun
    assert "No worker has been seen lately" in alone
    assert "No worker has been seen lately" not in begun
    assert "data-live" not in ended.replace("time[data-live]", "")
    assert "Ask CleverTap to delete the profile…" not in begun
    assert "Ask CleverTap to delete the profile…" in ended


def test_uploads_that_are_waited_for_are_told(admin, integration, sandbox, typed):
    sandbox.switch(faults=(Fault(ending="reset_after_storing", only="uploads"),))
    log.append(integration.app, [by_canary()])
    deliver(integration.pk)
    admin.post(ERASE, {**typed, "confirmed": "1"})
    erasure_orders.advance_all_erasures()

    order = ErasureRequest.objects.get()
    page = text_of(admin.get(f"{LIST}{order.pk}/change/"))
    row = text_of(admin.get(LIST))

    assert order.state == "waiting"
    assert "1 upload may hold the person" in page
    assert '<td class="field-waiting">1</td>' in row


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CANARY, "Line 1 cannot be read. Write an identity as PROVIDER=VALUE"),
        (f"custom_id=1\r\n={CANARY}", "Line 2 cannot be read."),
        (f"email={CANARY}\0", "Null characters are not allowed."),
        ("", "Say who is meant"),
        (" \r\n\r\n", "Say who is meant"),
        (
            "\n".join(f"custom_id=canary-{n}" for n in range(101)),
            "These are more than 100 identities.",
        ),
    ],
    ids=range(6),
)
def test_what_cannot_be_read_is_explained_and_not_repeated(admin, typed, text, said):
    for confirmed in ({}, {"confirmed": "1"}):
        response = admin.post(ERASE, {**typed, "identities": text, **confirmed})

        page = text_of(response)
        assert said in page
        assert "canary" not in page
    assert not Suppression.objects.exists()
    assert not ErasureRequest.objects.exists()


def test_values_are_taken_byte_for_byte_and_said_once(admin, integration, typed):
    text = f"email= {CANARY} \nemail= {CANARY} \n\n"

    admin.post(ERASE, {**typed, "identities": text, "confirmed": "1"})
    log.append(
        integration.app,
        [by_canary(id="1"), by_canary(id="2", user=_spaced())],
    )
    done(ErasureRequest.objects.get())

    assert Suppression.objects.count() == 1
    assert [event_at(integration, n).user.erased for n in (1, 2)] == [False, True]


def _spaced():
    return {"identities": {"email": f" {CANARY} "}}


@pytest.mark.parametrize("role", Role)
def test_nobody_but_a_superuser_gets_there(order, integration, typed, role):
    user = User.objects.create_user("eve", password="x")
    Membership.objects.create(user=user, app=integration.app, role=role)
    browser = Client()
    browser.force_login(user)
    page = done(order)

    answers = [
        *(browser.get(url).status_code for url in (LIST, ERASE, f"{page}change/")),
        browser.post(ERASE, {**typed, "confirmed": "1"}).status_code,
        *(
            browser.post(f"{page}{name}/", {"identities": IDENTITIES}).status_code
            for name in ("clevertap", "lift")
        ),
    ]

    assert answers == [403] * 6
    assert (ErasureRequest.objects.count(), Suppression.objects.count()) == (1, 2)
    assert ">Erasures<" not in text_of(browser.get("/admin/"))


def test_nothing_happens_by_a_get_or_without_a_token(admin, order, typed, sandbox):
    page = done(order)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(username="ann"))
    asked = len(sandbox.requests())

    admin.get(ERASE, {**typed, "confirmed": "1"})
    admin.get(f"{page}lift/", {"identities": IDENTITIES})
    admin.get(f"{page}clevertap/", {"identities": IDENTITIES})
    refused = [
        strict.post(url, {**typed, "confirmed": "1"}).status_code
        for url in (ERASE, f"{page}lift/", f"{page}clevertap/")
    ]

    assert refused == [403] * 3
    assert (ErasureRequest.objects.count(), Suppression.objects.count()) == (1, 2)
    assert len(sandbox.requests()) == asked


def test_no_page_log_line_or_history_holds_the_person_afterwards(
    admin, integration, sandbox, typed, caplog
):
    caplog.set_level("DEBUG")
    log.append(integration.app, [by_canary()])
    deliver(integration.pk)

    admin.post(ERASE, typed)
    admin.post(ERASE, {**typed, "confirmed": "1"}, follow=True)
    page = done(ErasureRequest.objects.get())
    after = [
        admin.post(f"{page}clevertap/", {"identities": IDENTITIES}),
        *(admin.get(url) for url in (LIST, ERASE, f"{page}change/", "/admin/history/")),
        admin.post(f"{page}lift/", {"identities": IDENTITIES}),
    ]

    assert not [each for each in after if "canary" in text_of(each)]
    own = [r for r in caplog.records if not r.name.startswith("django.db.backends")]
    assert "canary" not in repr([vars(record) for record in own]).casefold()
    assert rows_with(CANARY) == []
    assert list(Change.objects.order_by("pk").values_list("by", "what")) == [
        ("ann", "Ordered, by 2 identities."),
        ("ann", f"Asked CleverTap to delete them. default: {TAKEN}"),
        ("ann", f"Lifted: {LIFTED}"),
    ]
    assert LogEntry.objects.count() == 3


def test_clevertap_is_asked_when_the_order_is_done_and_for_the_same_person_alone(
    admin, integration, sandbox, typed
):
    log.append(integration.app, [by_canary()])
    deliver(integration.pk)
    admin.post(ERASE, {**typed, "confirmed": "1"})
    order = ErasureRequest.objects.get()
    page = f"{LIST}{order.pk}/clevertap/"

    early = admin.post(page, {"identities": IDENTITIES})
    done(order)
    other = text_of(admin.post(page, {"identities": f"email={CANARY}\nemail={BOB}"}))
    kept = known_to(sandbox)
    answer = text_of(admin.post(page, {"identities": f"email={CANARY}"}))

    assert early.status_code == 302
    assert "not among the identities that this order erased" in other
    assert BOB not in other
    assert kept == {CANARY, BOB}
    assert f"default: {TAKEN}" in answer
    assert "CleverTap carries a deletion out within a day" in answer
    assert known_to(sandbox) == {BOB}


def test_an_account_that_does_not_answer_keeps_nobody_waiting_for_long(
    admin, order, sandbox, settings, monkeypatch
):
    monkeypatch.setattr(erasure_admin, "DELETION_SECONDS", 0.3)
    hang = Fault(ending="hang_before_storing", only="reads", times=None)
    sandbox.switch(faults=(hang,))
    page = done(order)
    began = time.monotonic()

    answer = text_of(admin.post(f"{page}clevertap/", {"identities": IDENTITIES}))

    assert "default: CleverTap did not take the order (" in answer
    # Without its own end, it would take as long as a request may.
    assert time.monotonic() - began < settings.REQUEST_SECONDS


def test_a_person_who_agrees_again_is_sent_again(admin, integration, order, sandbox):
    page = done(order)
    other = text_of(admin.post(f"{page}lift/", {"identities": f"email={BOB}"}))
    before = Suppression.objects.count()

    answer = text_of(admin.post(f"{page}lift/", {"identities": IDENTITIES}))
    log.append(integration.app, [by_canary()])
    deliver(integration.pk)

    assert "not among the identities that this order erased" in other
    assert before == 2
    assert LIFTED in answer
    assert known_to(sandbox) == {CANARY, BOB}
    shown = text_of(admin.get(f"{page}change/"))
    assert "The person agreed again" in shown
    assert "Ask CleverTap to delete" not in shown
    assert admin.get(f"{page}clevertap/").status_code == 302


def test_an_order_can_be_neither_written_nor_deleted_by_hand(admin, order):
    page = f"{LIST}{order.pk}/"

    answers = [
        admin.post(f"{LIST}add/", {}).status_code,
        admin.post(f"{page}change/", {"state": "done"}).status_code,
        admin.post(f"{page}delete/", {"post": "yes"}).status_code,
    ]

    assert answers == [403] * 3
    assert ErasureRequest.objects.get().state == "waiting"


def test_pages_that_show_or_take_identities_are_kept_by_no_browser(admin, order, typed):
    page = done(order)

    answers = [
        admin.post(ERASE, typed),
        admin.get(f"{page}clevertap/"),
        admin.get(f"{page}lift/"),
    ]

    assert all("no-store" in answer["Cache-Control"] for answer in answers)
    # Nor offered by one that remembers what was typed into a field.
    fields = re.findall(r"<textarea[^>]*>", text_of(answers[1]))
    assert ['autocomplete="off"' in field for field in fields] == [True]


def test_the_only_app_is_chosen_already(admin, integration):
    one = text_of(admin.get(ERASE))
    an_app("other")
    two = text_of(admin.get(ERASE))

    assert f'<option value="{integration.app_id}" selected>' in one
    assert '<option value="" selected>' in two
