"""Pages say what waits for a person, and what became of what waited."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils.html import strip_tags

from clevertap_sync.models import Replay
from clevertap_sync.process import clock
from referrals import log, words
from tests.builders import a_sent_event, an_app, an_integration
from tests.integration.people.waiting_letters import (
    State,
    a_linked_letter,
    a_waiting_letter,
)

MINUTE = timedelta(minutes=1)


@pytest.fixture
def integration(db):
    return an_integration(an_app("shop", name="Shop", loose_ids=["branch_id"]))


def read_line(admin: Client) -> str:
    page = admin.get("/admin/").text
    if '<p class="waits">' not in page:
        return ""
    line = page.split('<p class="waits">')[1].split("</p>")[0]
    return line.split("</a>")[-1] if "</a>" in line else line


def test_it_says_how_many_wait_and_what_became_of_the_others(admin, integration):
    a_waiting_letter(integration, 1)
    a_waiting_letter(integration, 2)
    a_linked_letter(integration, 3, waited=4 * MINUTE)
    a_waiting_letter(integration, 4, state=State.EXPIRED)

    page = admin.get("/admin/").text

    assert (
        'state__exact=waiting">2 records</a> wait for their users to be known.' in page
    )
    assert (
        "Of those whose wait ended in the last week, 50 % were delivered; the median wait "
        "was 4 min." in page
    )


def test_one_record_waits_for_its_user(admin, integration):
    a_waiting_letter(integration, 1)

    assert read_line(admin) == " waits for its user to be known."


def test_where_nothing_waits_it_says_so(admin, integration):
    assert read_line(admin) == "No record waits for its user to be known."


def test_an_app_without_such_ids_has_no_line(admin, integration):
    integration.app.loose_ids = []
    integration.app.save()

    assert read_line(admin) == ""


@pytest.fixture
def events(integration):
    """An install by an ID that comes before sign-up, a sign-up, and another install."""
    install = {"identities": {"branch_id": "b-1"}}
    both = {"identities": {"branch_id": "b-1", "email": "ann@example.com"}}
    log.append(
        integration.app,
        [
            a_sent_event(user=install),
            a_sent_event(user=both, type="registration"),
            a_sent_event(user=install),
        ],
    )
    return integration


def read_waits(admin, position):
    page = admin.get(f"/admin/events/shop/{position}/").text
    found = re.findall(r'<ol class="wait".*?</ol>', page, re.DOTALL)
    return [" ".join(strip_tags(each).split()) for each in found], page


def test_a_timeline_says_for_what_a_record_waits_and_until_when(admin, events):
    letter = a_waiting_letter(events, 1)

    (story,), page = read_waits(admin, 1)

    until = words.format_utc(letter.created_at + timedelta(days=30))
    assert "Waits since" in story
    assert story.endswith(
        f"to learn whose branch_id that is, until {until} at the latest."
    )
    assert 'light-idle">Waits for its user</span>' in page
    assert (
        "Not delivered</span>"
        not in page.split('id="referred-')[1].split("</section>")[0]
    )


def test_a_timeline_leads_from_waited_to_linked_to_delivered_and_back(admin, events):
    a_linked_letter(events, 1, waited=4 * MINUTE, linked_by=2)
    a_linked_letter(events, 3, waited=MINUTE, linked_by=3)

    (story,), page = read_waits(admin, 1)
    _, other = read_waits(admin, 2)

    assert re.search("Waited since .* Known since .*, by event 2. Delivered", story)
    assert '<a href="/admin/events/shop/2/">event 2</a>' in page
    linked = other.split('id="linked"')[1].split("</li>\n  <li")[0]
    assert "A record had waited for what this event says" in " ".join(linked.split())
    assert '<a href="/admin/events/shop/1/">Event 1</a>' in linked
    assert 'id="linked"' not in admin.get("/admin/events/shop/3/").text


def test_a_known_record_is_on_its_way(admin, events):
    a_linked_letter(
        events, 1, waited=MINUTE, state=State.REPLAYING, delivered_at=None, linked_by=2
    )

    assert 'light-busy">Known, on its way</span>' in read_waits(admin, 1)[1]


def test_what_waited_in_vain_is_nothing_to_mend(admin, events):
    a_waiting_letter(events, 1, state=State.EXPIRED, reason="never_known")

    (story,), page = read_waits(admin, 1)

    assert "Waited in vain until" in story
    assert 'light-idle">Waited in vain</span>' in page


def test_a_list_tells_what_waits_from_what_fell_out(admin, events):
    a_waiting_letter(events, 1)
    a_waiting_letter(events, 2, state=State.OPEN, reason="identity_empty")
    a_waiting_letter(events, 3, state=State.EXPIRED, reason="never_known")
    address = "/admin/events/?app=shop&outcome="

    def shown(outcome):
        return re.findall(
            r"/admin/events/shop/(\d)/", admin.get(address + outcome).text
        )

    assert set(shown("not_delivered")) == {"2"}
    assert set(shown("waits")) == {"1"}


def test_a_dead_letter_says_until_when_it_waits_or_what_made_it_known(admin, events):
    waiting = a_waiting_letter(events, 1)
    known = a_linked_letter(events, 3, waited=MINUTE, linked_by=2)
    address = "/admin/clevertap_sync/deadletter/{}/change/"

    page = admin.get(address.format(waiting.pk)).text
    other = admin.get(address.format(known.pk)).text

    assert 'light-idle">Waits for its user</span>' in page
    assert words.format_utc(waiting.created_at + timedelta(days=30)) in page
    assert '<a href="/admin/events/shop/2/">2</a>' in other


def test_lists_of_dead_letters_show_what_waits_by_its_state(admin, events):
    a_waiting_letter(events, 1)
    a_waiting_letter(events, 2, state=State.EXPIRED, reason="never_known")

    page = admin.get("/admin/clevertap_sync/deadletter/?state__exact=waiting").text

    assert page.count("Waits for its user</span>") == 1
    assert "Waited in vain</span>" not in page


@pytest.fixture
def revival(integration):
    return Replay.objects.create(
        integration=integration,
        kind=Replay.Kind.PEOPLE,
        state=Replay.State.DONE,
        created_at=clock.read_now(),
    )


def test_what_waited_is_sent_by_a_standing_replay(admin, revival):
    page = admin.get(f"/admin/clevertap_sync/replay/{revival.pk}/change/").text
    listed = admin.get("/admin/clevertap_sync/replay/").text

    assert "Nothing to send" in page
    assert "as soon as its user is known" in page
    assert "Planned" not in page
    assert "Records that waited for their user to be known" in listed


def test_a_standing_replay_cannot_be_cancelled(admin, revival):
    revival.state = Replay.State.RUNNING
    revival.save()
    address = f"/admin/clevertap_sync/replay/{revival.pk}"

    page = admin.get(f"{address}/change/").text
    answer = admin.post(f"{address}/cancel/", follow=True)

    revival.refresh_from_db()
    assert "Cancel this replay" not in page
    assert "It cannot be cancelled" in answer.text
    assert revival.state == Replay.State.RUNNING


def test_the_set_up_suggests_ids_that_come_before_sign_up(admin, integration):
    alone = [a_sent_event(user={"identities": {"idfv": f"v{n}"}}) for n in range(8)]
    known = [
        a_sent_event(
            user={"identities": {"idfv": f"v{n}", "email": f"{n}@example.com"}}
        )
        for n in range(4)
    ]
    log.append(integration.app, [*alone, *known])

    page = admin.get(f"/admin/clevertap_sync/integration/{integration.pk}/change/").text

    text = " ".join(strip_tags(page).split())
    assert (
        "33 % of the last 24 users carry idfv without email; 50 % of these IDs were seen "
        "beside email in other events." in text
    )
    assert f"/admin/referrals/app/{integration.app_id}/change/#id_loose_ids" in page


def test_an_event_that_ties_identities_together_says_so(admin, integration):
    both = {"identities": {"branch_id": "b-1", "email": "ann@example.com"}}
    sent = a_sent_event(type="identify", user=both, channel=None, content=None)
    log.append(integration.app, [{**sent, "referrer": None}])

    page = admin.get("/admin/events/shop/1/").text

    assert "<h1>Identify <span" in page
    assert "yields no record: it only ties identities together." in page


def test_the_funnel_shows_what_waits_for_its_user(admin, integration):
    log.append(integration.app, [a_sent_event()])
    a_waiting_letter(integration, 1)

    page = admin.get("/admin/").text

    assert '<span class="stage">For its user</span>' in page
    assert page.count('<span class="num">1 <span class="quiet">record</span>') == 2


def test_a_delivered_record_says_by_which_upload_it_went_and_under_what(admin, events):
    letter = a_linked_letter(events, 1, waited=MINUTE, linked_by=2)

    (story,), page = read_waits(admin, 1)

    upload = letter.replay_upload_id or letter.upload_id
    assert story.endswith(
        f"by upload {upload}, under the identity by which the user was known then. "
        "It is not kept here."
    )
    assert f'<a href="/admin/clevertap_sync/upload/{upload}/change/">' in page


@pytest.mark.parametrize(
    ("state", "remedy"),
    [(State.WAITING, "Do nothing: it goes by itself"), (None, words.NOTHING)],
)
def test_of_a_delivered_letter_there_is_nothing_to_do(admin, events, state, remedy):
    letter = (
        a_waiting_letter(events, 1, state=state)
        if state
        else a_linked_letter(events, 1, waited=MINUTE, linked_by=2)
    )

    page = admin.get(f"/admin/clevertap_sync/deadletter/{letter.pk}/change/").text

    shown = page.split("What to do:")[1].split("</div>")[0]
    assert " ".join(strip_tags(shown).split()).startswith(remedy)


@pytest.mark.parametrize(
    ("loose_ids", "said"),
    [
        (["branch_id"], "wait for their users or become dead letters"),
        ([], "become dead letters"),
    ],
)
def test_the_settings_say_what_becomes_of_records_without_the_identity(
    admin, events, loose_ids, said
):
    events.app.loose_ids = loose_ids
    events.app.save()

    page = admin.get(f"/admin/clevertap_sync/integration/{events.pk}/change/").text

    assert f"would have no identity, and {said}." in page


@pytest.fixture
def paid(integration):
    """An event whose referrer is whoever invited the user last."""
    log.append(
        integration.app, [a_sent_event(type="custom", name="Paid", referrer="last")]
    )
    return {"side": "generated", "reason": "waiting_for_referrer"}


def test_a_referrer_who_is_not_known_yet_is_not_called_a_user(admin, integration, paid):
    a_waiting_letter(integration, 1, **paid)

    (story,), page = read_waits(admin, 1)

    assert "to learn who the referrer is, until" in story
    assert 'light-idle">Waits for its referrer</span>' in page
    assert "The referrer: waits for its referrer" in page


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({"state": State.DELIVERED}, "the referrer was known then"),
        (
            {"state": State.EXPIRED, "reason": "no_referrer_known"},
            "Waited in vain until",
        ),
    ],
)
def test_what_waited_for_a_referrer_says_so_when_it_is_over(
    admin, integration, paid, changes, ended
):
    a_linked_letter(integration, 1, waited=MINUTE, **{**paid, **changes})

    (story,), _ = read_waits(admin, 1)

    assert "to learn who the referrer is." in story
    assert ended in story
