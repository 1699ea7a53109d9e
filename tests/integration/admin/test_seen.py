"""The page Seen in CleverTap: what it shows of whom, to whom, and what it never shows green."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import (
    AccountReading,
    Comparison,
    DeliveredCount,
    Integration,
)
from clevertap_sync.process import clock
from clevertap_sync.sandbox.accounts import ACCOUNTS
from referrals.models import Change, Membership, Role
from tests.builders import an_account, an_app, an_integration
from tests.integration.admin.conftest import text_of
from tests.statements import (
    INSTALL,
    NIGHT,
    YESTERDAY,
    a_cause,
    a_comparison,
    a_first_sight,
    a_statement,
)

#: The morning after the night of the comparison.
MORNING = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
COUPON = "Referred Coupon Used"


@pytest.fixture(autouse=True)
def _morning(monkeypatch):
    monkeypatch.setattr(clock, "read_now", lambda: MORNING)


@pytest.fixture
def shop(db):
    """An integration that has been compared for a month."""
    return an_integration(
        an_app("shop", name="Shop"), reconciles=True, counts_since=datetime(2026, 10, 20, tzinfo=UTC)
    )


@pytest.fixture
def viewer(shop):
    user = get_user_model().objects.create_user("vic", password="x", is_staff=True)
    Membership.objects.create(user=user, app=shop.app, role=Role.VIEWER)
    browser = Client()
    browser.force_login(user)
    return browser


def address(integration, page="seen"):
    return f"/admin/clevertap_sync/integration/{integration.pk}/{page}/"


def page_of(browser, integration):
    response = browser.get(address(integration))
    assert response.status_code == 200
    return response.content.decode()


def cells_of(page, name):
    """Return (state, text) of the cells of one name, the newest day first."""
    row = re.search(rf'<tr><th scope="row">{name}</th>(.*?)</tr>', page, re.DOTALL)
    assert row, name
    cells = re.findall(r'<td class="seen-(\w+)">(.*?)</td>', row[1], re.DOTALL)
    return [(state, " ".join(re.sub("<[^>]+>", " ", text).split())) for state, text in cells]


def test_each_day_of_a_name_says_what_is_known_of_it(admin, shop):
    a_comparison(shop.account)
    a_statement(shop.account)
    for days, changes in enumerate(
        [
            {"counted": 7, "causes": [a_cause(size=-3)]},
            {"counted": 12, "unexplained": 2},
            {"counted": None, "compared_at": None},
            {"counted": 11, "maybe_more": 2},
            {"counted": 8, "causes": [a_cause("profiles_deleted", -2)]},
        ],
        start=1,
    ):
        a_statement(shop.account, day=YESTERDAY - timedelta(days=days), **changes)

    cells = cells_of(page_of(admin, shop), INSTALL)

    assert cells == [
        ("pending", "… , not compared yet"),
        ("equal", "10 , as delivered"),
        ("fewer", "−3 of 10 , CleverTap counts 7 of 10 delivered: 3 fewer"),
        ("more", "+2 of 10 , CleverTap counts 12 of 10 delivered: 2 more"),
        ("not_compared", "not compared"),
        ("equal", "11 , 10 delivered, and 2 records of which nobody knows"),
        ("expected", "−2 of 10 , CleverTap counts 8 of 10 delivered: 2 fewer"),
        ("nothing", "· , nothing delivered"),
    ]


def test_a_day_that_began_before_counting_did_is_not_counted(admin, shop):
    Integration.objects.update(counts_since=datetime(2026, 11, 20, 8, 0, tzinfo=UTC))
    a_comparison(shop.account)
    a_statement(shop.account)

    states = [state for state, _ in cells_of(page_of(admin, shop), INSTALL)]

    assert states == ["pending", "equal", "nothing", *["not_counted"] * 5]


def test_yesterday_is_pending_until_a_comparison_began_after_it(admin, shop):
    a_comparison(shop.account, began_at=NIGHT - timedelta(days=1))
    a_statement(shop.account, counted=None)

    states = [state for state, _ in cells_of(page_of(admin, shop), INSTALL)]

    assert states[:2] == ["pending", "pending"]


@pytest.mark.parametrize(
    ("changes", "light", "word"),
    [
        ({"counted": 10}, "good", "Equal"),
        ({"counted": 9, "unexplained": -1}, "bad", "Differs"),
        ({"counted": 11, "unexplained": 1}, "busy", "Differs"),
        ({"counted": None}, "idle", "Not all compared"),
    ],
)
def test_the_light_is_green_only_where_all_was_compared_and_is_equal(
    admin, shop, changes, light, word
):
    a_comparison(shop.account)
    a_statement(shop.account, **changes)
    a_statement(shop.account, day=YESTERDAY - timedelta(days=1))

    page = page_of(admin, shop)

    assert f'<span class="light light-{light}">{word}</span>' in page
    assert ('class="light light-good">Equal' in page) is (light == "good")


def test_a_difference_has_its_cause_its_fix_and_the_query_for_the_rest(admin, shop):
    a_comparison(shop.account)
    name = "It's Referred"
    cause = a_cause("property_missing", -3, "3 records lack Channel.")
    a_statement(
        shop.account, name=name, counted=5, causes=[cause], unexplained=-2
    )

    page = page_of(admin, shop)

    settings = f"/admin/clevertap_sync/integration/{shop.pk}/change/#id_send_none"
    assert "3 records lack Channel. <code>property_missing</code>" in page
    assert f'<a href="{settings}">Send &#x27;none&#x27;</a>' in page
    assert "Nothing explains 2 records of these." in page
    assert "https://api.clevertap.com/1/counts/events.json" in page
    assert "X-CleverTap-Passcode: YOUR-PASSCODE" in page
    assert ACCOUNTS[Location.EU1].passcode not in page


def test_days_with_the_same_causes_are_one_difference(admin, shop):
    a_comparison(shop.account)
    for days in range(3):
        cause = a_cause("event_types_full", -10, f"{days}: there is no room.")
        day = YESTERDAY - timedelta(days=days)
        a_statement(shop.account, name=COUPON, day=day, counted=0, causes=[cause])

    page = page_of(admin, shop)

    assert "−30 in all" in page
    assert "Sun 22 Nov: 0: there is no room." in page
    assert page.count("there is no room.") == 1
    assert page.count("CleverTap counts 0 of 10 delivered: 10 fewer.") == 3


def test_first_sights_say_how_soon_this_account_shows_new_events(admin, shop):
    for minutes, name in ((1, "A"), (3, "B"), (20, "C"), (None, "D")):
        a_first_sight(shop.account, minutes, name=name)

    page = page_of(admin, shop)

    assert "This account shows new events after 3 min (median)." in page
    assert "All of 3 new names showed within 20 min." in page
    assert "CleverTap counted 0 of 10" in page


def test_the_empty_page_says_how_it_is_turned_on(admin, viewer, shop):
    Integration.objects.update(reconciles=False, counts_since=None)

    page, seen_by_viewer = page_of(admin, shop), page_of(viewer, shop)

    change = f"/admin/clevertap_sync/integration/{shop.pk}/change/#id_reconciles"
    assert f'<a class="button primary" href="{change}">' in page
    assert change not in seen_by_viewer
    assert "Compare now" not in page


def test_a_passcode_that_may_not_read_is_said_first(admin, shop):
    AccountReading.objects.create(account=shop.account, refused_at=NIGHT)

    page = page_of(admin, shop)

    assert '<span class="light light-bad">May not read</span>' in page
    assert f"integration/{shop.pk}/change/#id_new_passcode" in page


def test_compare_now_orders_one_comparison_and_no_second(admin, shop):
    first = admin.post(address(shop), follow=True)
    second = admin.post(address(shop), follow=True)

    ordered = Comparison.objects.get()
    assert (ordered.account, ordered.created_by) == (shop.account, "ann")
    assert "A worker compares now." in first.content.decode()
    assert "A comparison waits or runs already." in second.content.decode()
    assert [change.what for change in Change.objects.filter(kind="integration")] == [
        "Ordered a comparison with CleverTap."
    ]


def test_a_viewer_orders_nothing(viewer, shop):
    page = page_of(viewer, shop)

    assert "Compare now" not in page
    assert viewer.post(address(shop)).status_code == 403
    assert not Comparison.objects.exists()


def test_nothing_is_ordered_where_the_comparison_is_off(admin, shop):
    Integration.objects.update(reconciles=False)

    admin.post(address(shop))

    assert not Comparison.objects.exists()


def test_the_file_has_every_statement_and_no_formula(admin, shop):
    a_statement(shop.account, name='=HYPERLINK("x")', counted=7, causes=[a_cause()])
    a_statement(shop.account, name="Plain", counted=None)

    answer = admin.get(address(shop, "seen-export"))

    rows = list(csv.DictReader(io.StringIO(text_of(answer).lstrip("\ufeff"))))
    assert [(row["Event name"], row["Delivered"], row["Counted"]) for row in rows] == [
        ("'=HYPERLINK(\"x\")", "10", "7"),
        ("Plain", "10", ""),
    ]
    assert [(row["Difference"], row["Result"], row["Causes"]) for row in rows] == [
        ("-3", "fewer", "name_discarded -3"),
        ("", "not compared", ""),
    ]


def test_names_of_apps_that_a_person_may_not_see_are_left_out(admin, viewer, shop):
    other = an_integration(an_app("secret"), account=shop.account, reconciles=True)
    DeliveredCount.objects.create(integration=shop, name=INSTALL, quarter=1)
    DeliveredCount.objects.create(integration=other, name=COUPON, quarter=1)
    a_comparison(shop.account)
    for name in (INSTALL, COUPON):
        a_statement(shop.account, name=name)
        a_first_sight(shop.account, name=name)

    seen_by_viewer, seen_by_all = page_of(viewer, shop), page_of(admin, shop)
    exported = text_of(viewer.get(address(shop, "seen-export")))

    assert INSTALL in seen_by_viewer
    assert COUPON not in seen_by_viewer + exported
    assert COUPON in seen_by_all
    assert "1 other integration delivers to as well" in seen_by_viewer


def test_the_page_costs_as_many_queries_for_one_name_as_for_many(admin, shop):
    a_comparison(shop.account)
    a_statement(shop.account)
    page_of(admin, shop)
    with CaptureQueriesContext(connection) as few:
        page_of(admin, shop)
    for number in range(30):
        name = f"Name {number}"
        a_first_sight(shop.account, name=name)
        for days in range(7):
            day = YESTERDAY - timedelta(days=days)
            a_statement(shop.account, name=name, day=day, counted=3, unexplained=-7)
    for number in range(30):
        an_integration(
            an_app(f"app-of-{number}"),
            account=an_account(Location.IN1, account_id=f"ABC-DEF-{number:03}Z"),
        )

    with CaptureQueriesContext(connection) as many:
        page_of(admin, shop)

    assert len(many) == len(few) == 9
