"""The pages People: who is known by what and why, conflicts, and marks with their history."""

import re

import pytest
from django.db import transaction
from django.utils.html import strip_tags

from referrals import hashing, history, log, people
from referrals.access import VIEW_IDENTITIES
from referrals.models import Change, KnownIdentity, SharedMark
from tests.builders import a_sent_event, an_app, an_integration

PEOPLE = "/admin/people/"


@pytest.fixture
def app(db):
    return an_app(
        "shop", name="Shop", loose_ids=["branch_id"], remembers_referrers=True
    )


@pytest.fixture
def learned(app):
    """Ann installs, signs up and changes her address; a kiosk's ID is claimed by two."""
    an_integration(app)
    bob = {"identities": {"email": "bob@example.com"}}
    log.append(
        app,
        [
            a_sent_event(user={"identities": {"branch_id": "b-ann"}}, referrer=bob),
            an_identify(branch_id="b-ann", custom_id="ann-1", email="ann@example.com"),
            an_identify(custom_id="ann-1", email="new@example.com"),
            an_identify(branch_id="kiosk", custom_id="ann-1"),
            an_identify(branch_id="kiosk", custom_id="eve-1"),
        ],
    )
    with transaction.atomic():
        assert people.take_step(app.pk) is not None
    return app


def an_identify(**identities):
    return a_sent_event(
        type="identify",
        user={"identities": identities},
        referrer=None,
        channel=None,
        content=None,
    )


def look_up(browser, provider, identity, app="shop", **more):
    typed = {"app": app, "provider": provider, "identity": identity, **more}
    return browser.post(PEOPLE, typed)


def address_of(app, provider, identity):
    digest = hashing.make_identity_hasher(app.pk)(provider, identity)
    return f"{PEOPLE}{app.slug}/{digest}/"


def text_of(response):
    return " ".join(strip_tags(response.text).split())


def test_a_look_up_leads_to_a_page_whose_address_names_nobody(admin, learned):
    answer = look_up(admin, "Email", "ann@example.com")

    assert answer.url == address_of(learned, "email", "ann@example.com")


def test_a_person_s_page_says_what_is_tied_and_by_which_event(admin, learned):
    page = admin.get(address_of(learned, "branch_id", "b-ann"))

    text = text_of(page)
    assert "Known branch_id, tied to its person by event 2." in text
    table = page.text.split("<caption>Tied to the same person</caption>")[1]
    rows = [
        text_of_row(row) for row in re.findall("<tr>(.*?)</tr>", table, re.DOTALL)[1:]
    ]
    assert rows == [
        "branch_id event 2 Tied",
        "custom_id ••• event 2 Current",
        "email a••• event 2 An earlier one",
        "email n••• event 3 Current",
        "branch_id event 4 Names nobody claimed by a second person in event 5",
    ]
    assert "Invited last by email b•••, as event 1 says." in text
    assert '<a href="/admin/events/shop/2/">event 2</a>' in page.text


def text_of_row(row):
    plain = re.sub('<span class="visually-hidden">.*?</span>', "", row)
    return " ".join(strip_tags(plain.replace("</td>", " ")).split())


def test_no_value_stands_on_any_page(admin, learned):
    pages = [admin.get(PEOPLE), admin.get(address_of(learned, "custom_id", "ann-1"))]

    for page in pages:
        assert not re.search("ann-1|@example.com|b-ann|kiosk", page.text)


def test_conflicts_are_listed_with_the_event_that_made_them(admin, learned):
    text = text_of(admin.get(f"{PEOPLE}?app=shop"))

    assert "Learned from event 5 of 5" in text
    assert "claimed by a second person in event 5" in text


def test_whoever_is_unknown_is_said_to_be(admin, learned):
    page = look_up(admin, "email", "nobody@example.com")

    assert "Nobody is known by this identity" in text_of(page)


def test_an_identity_is_marked_and_lifted_and_both_are_in_the_history(admin, learned):
    address = address_of(learned, "branch_id", "b-ann")

    marked = admin.post(f"{address}mark/", follow=True)
    admin.post(f"{address}mark/")

    assert "ann marked it" in text_of(marked)
    mark = SharedMark.objects.get()
    (change,) = history.list_changes(mark)
    assert (change.by, change.what, change.app) == (
        "ann",
        "Marked as shared: it names nobody from now on.",
        learned,
    )
    row = KnownIdentity.objects.get(hash=mark.hash, test=False)
    assert row.shared_at == 0

    admin.post(f"{address}lift/")

    assert not SharedMark.objects.exists()
    assert [
        change.what for change in history.list_changes(change_row(mark, change))
    ] == [
        (
            "Lifted the mark: the next event that ties it says whose it is, unless two "
            "users had claimed it."
        ),
        change.what,
    ]
    assert "b-ann" not in str(list(Change.objects.values()))


def change_row(mark, change):
    """Return the mark as the history knows it: its row is gone."""
    mark.pk = int(change.row)
    return mark


def test_an_id_is_marked_before_anybody_is_known_by_it(admin, learned):
    answer = look_up(admin, "Branch_ID", "till-7", mark="1")

    assert answer.url == address_of(learned, "branch_id", "till-7")
    assert SharedMark.objects.get().provider == "branch_id"
    text = text_of(admin.get(answer.url))
    assert "Names nobody branch_id: marked by ann" in text


def test_where_nothing_is_learned_it_says_how_to_begin(admin):
    app = an_app("quiet", name="Quiet")

    page = admin.get(f"{PEOPLE}?app=quiet")

    assert "so nothing is tied together" in text_of(page)
    assert f"/admin/referrals/app/{app.pk}/change/#id_loose_ids" in page.text


@pytest.mark.parametrize(
    "address",
    [
        "people/shop/nonsense/",
        f"people/shop/{'0' * 32}/",
        "people/other/" + "0" * 32 + "/",
    ],
)
def test_a_page_about_nothing_is_not_found(admin, learned, address):
    assert admin.get(f"/admin/{address}").status_code == 404


def test_to_see_people_is_not_to_mark_them(staff, learned):
    reader = staff(VIEW_IDENTITIES)
    address = address_of(learned, "branch_id", "b-ann")

    page = reader.get(address)
    answers = [
        reader.post(f"{address}mark/"),
        reader.post(f"{address}lift/"),
        look_up(reader, "branch_id", "till-7", mark="1"),
    ]

    assert "Mark as shared" not in page.text
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert not SharedMark.objects.exists()


def test_whoever_may_see_no_identities_sees_no_people(staff, learned):
    viewer = staff("referrals.view_referralevent")

    answers = [
        viewer.get(PEOPLE),
        viewer.get(address_of(learned, "branch_id", "b-ann")),
        look_up(viewer, "branch_id", "b-ann"),
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
