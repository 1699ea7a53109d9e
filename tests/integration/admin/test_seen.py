"""The page Seen in CleverTap: what it shows of whom, to whom, and what it never shows green."""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clevertap_sync.admin.reconciliation.seen_cells import name_day
from clevertap_sync.clevertap.locations import Location
from clevertap_sync.insight.seen_failures import NO_SCHEMA
from clevertap_sync.insight.seen_sights import describe_account_delay
from clevertap_sync.models import (
    AccountReading,
    Comparison,
    DeliveredCount,
    Integration,
    Statement,
    Upload,
)
from clevertap_sync.process import clock
from clevertap_sync.sandbox.accounts import ACCOUNTS
from referrals.models import Change, Membership, Role
from tests.builders import an_account, an_app, an_integration
from tests.integration.admin.conftest import text_of
from tests.integration.admin.test_integration_form import typed
from tests.statements import (
    INSTALL,
    NIGHT,
    YESTERDAY,
    a_cause,
    a_comparison,
    a_first_sight,
    a_statement,
)

COUPON = "Referred Coupon Used"
MINUS = "\N{MINUS SIGN}"


@pytest.fixture
def shop(db):
    """An integration that has been compared for a month."""
    since = NIGHT - timedelta(days=30)
    return an_integration(
        an_app("shop", name="Shop"), reconciles=True, counts_since=since
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


@pytest.mark.parametrize(
    ("changes", "light", "word"),
    [
        ({"counted": 10}, "good", "Equal"),
        ({"counted": 9, "unexplained": -1}, "bad", "Differs"),
        ({"counted": 11, "unexplained": 1}, "busy", "Differs"),
        ({"counted": None}, "idle", "Not all compared"),
        (
            {"counted": 0, "causes": [a_cause("not_processed_yet", -10)]},
            "idle",
            "Expected",
        ),
        ({"counted": 0, "maybe_fewer": 10}, "idle", "In doubt"),
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


@pytest.mark.parametrize("why", ["failed", "no night"])
def test_what_was_equal_days_ago_is_not_green(admin, shop, why):
    days_ago = NIGHT - timedelta(days=0 if why == "failed" else 2)
    a_comparison(shop.account, began_at=days_ago)
    if why == "failed":
        a_comparison(shop.account, state="failed", kind="order", night=None)
    a_statement(shop.account, day=YESTERDAY - timedelta(days=4))

    page = page_of(admin, shop)

    assert '<span class="light light-idle">Not all compared</span>' in page


def test_a_difference_has_its_cause_its_fix_and_the_query_for_the_rest(admin, shop):
    a_comparison(shop.account)
    name = "Referred `Offer`"
    cause = a_cause("property_missing", -3, "3 records lack Channel.")
    a_statement(shop.account, name=name, counted=5, causes=[cause], unexplained=-2)

    page = page_of(admin, shop)

    settings = f"/admin/clevertap_sync/integration/{shop.pk}/change/#id_send_none"
    assert "3 records lack Channel. <code>property_missing</code>" in page
    assert f'<a href="{settings}">Send &#x27;none&#x27;</a>' in page
    assert "Nothing explains 2 of these." in page
    assert "https://api.clevertap.com/1/counts/events.json" in page
    assert "X-CleverTap-Passcode: YOUR-PASSCODE" in page
    assert ACCOUNTS[Location.EU1].passcode not in page
    assert NO_SCHEMA not in unescape(page)

    AccountReading.objects.create(account=shop.account, schema_at=clock.read_now())

    assert NO_SCHEMA in unescape(page_of(admin, shop))


def test_days_with_the_same_causes_are_one_difference(admin, shop):
    a_comparison(shop.account)
    for days in range(3):
        cause = a_cause("event_types_full", -10, f"{days}: there is no room.")
        day = YESTERDAY - timedelta(days=days)
        a_statement(shop.account, name=COUPON, day=day, counted=0, causes=[cause])

    page = page_of(admin, shop)

    assert f"{MINUS}30 in all" in page
    assert f"{name_day(YESTERDAY)}: 0: there is no room." in page
    assert page.count("there is no room.") == 1
    assert page.count("CleverTap counts 0 of 10 delivered: 10 fewer.") == 3


def test_first_sights_say_how_soon_this_account_shows_new_events(admin, shop):
    for minutes, name in ((1, "A"), (3, "B"), (20, "C"), (None, "D")):
        a_first_sight(shop.account, minutes, name=name)

    page = page_of(admin, shop)

    assert "This account shows new events after 3 min (median)." in page
    assert "All of 3 new names showed within 20 min." in page
    assert "CleverTap counted 0 of 10" in page


def test_first_sights_say_why_a_name_does_not_show(admin, shop):
    later = NIGHT + timedelta(hours=1)
    a_first_sight(
        shop.account, None, name="Full", cause="event_types_full", next_at=later
    )
    a_first_sight(shop.account, None, name="Late", next_at=later)
    a_first_sight(shop.account, None, name="Soon", asked=0, counted=None, next_at=later)

    page = " ".join(re.sub("<[^>]*>", " ", page_of(admin, shop)).split())

    assert "Full Not shown CleverTap shows none: the account has as many event" in page
    assert "Late Not yet CleverTap counted 0 of 10. Next look" in page
    assert "Soon To be asked Next look" in page


def test_on_the_first_day_the_page_says_when_it_will_compare(admin, shop):
    shop.counts_since = NIGHT + timedelta(hours=1)
    shop.save()
    first, night = (name_day(NIGHT + timedelta(days=days)) for days in (1, 2))

    page = page_of(admin, shop)

    assert (
        f"The first day that is compared is {first}: in the night after it, on {night} "
        "between 02:30 and 03:15 in UTC."
    ) in page
    assert "The next one runs by night" not in page
    assert '<button type="submit" class="primary" disabled>Compare now' in page


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
        ('\'=HYPERLINK("x")', "10", "7"),
        ("Plain", "10", ""),
    ]
    assert [(row["Difference"], row["Result"], row["Causes"]) for row in rows] == [
        ("-3", "fewer", "name_discarded -3"),
        ("", "not compared", ""),
    ]


def test_names_of_apps_that_a_person_may_not_see_are_left_out(admin, viewer, shop):
    other = an_integration(an_app("secret"), account=shop.account, reconciles=True)
    for integration, name in ((shop, INSTALL), (other, COUPON)):
        DeliveredCount.objects.create(
            integration=integration, name=name, quarter=1, settled_at=NIGHT
        )
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


@pytest.mark.parametrize("left", ["archived", "moved"])
def test_names_of_an_app_that_left_the_account_stay_hidden(viewer, shop, left):
    account = shop.account
    other = an_integration(an_app("secret"), account=account, reconciles=True)
    a_comparison(account, created_by="boss-of-secret", kind="order", night=None)
    a_statement(account, name=COUPON)
    a_first_sight(account, name=COUPON)
    if left == "archived":
        Integration.objects.filter(pk=other.pk).update(archived_at=NIGHT)
    else:
        elsewhere = an_account(Location.IN1, account_id="ABC-DEF-555Z")
        Integration.objects.filter(pk=other.pk).update(account=elsewhere)

    page = page_of(viewer, shop)
    exported = text_of(viewer.get(address(shop, "seen-export")))

    assert COUPON not in page + exported
    assert "boss-of-secret" not in page


def test_what_was_delivered_a_moment_ago_is_shown_to_its_app(viewer, shop):
    Upload.objects.create(
        integration=shop,
        state=Upload.State.SETTLED,
        first=1,
        last=1,
        settings={},
        counts=[[COUPON, 1, 1, 0, 0]],
        created_at=NIGHT,
        due_at=NIGHT,
        settled_at=NIGHT,
    )
    a_first_sight(shop.account, name=COUPON)

    assert COUPON in page_of(viewer, shop)


def test_of_very_many_names_those_that_differ_are_shown(admin, shop):
    a_comparison(shop.account)
    for number in range(201):
        a_statement(shop.account, name=f"Name {number:03}")
    a_statement(shop.account, name="Name That Differs", counted=3, unexplained=-7)

    page = page_of(admin, shop)

    assert page.count('<th scope="row">') == 200
    assert '<th scope="row">Name That Differs</th>' in page
    assert "2 further names are in the CSV file." in page
    assert "Name 200" in text_of(admin.get(address(shop, "seen-export")))


def test_integrations_of_an_account_with_several_time_zones_are_named_as_such(
    admin, shop
):
    other = an_integration(
        an_app("other"), account=shop.account, time_zone="Asia/Kolkata"
    )
    assert "An account has one time zone" not in page_of(admin, shop)

    other.reconciles = True
    other.save()

    assert (
        "these are days of UTC, as the oldest has it, and not of Asia/Kolkata. Choose "
        "the same for all."
    ) in page_of(admin, shop)


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

    # PostgreSQL is asked for the time.
    assert len(many) == len(few) <= 10


def save(admin, integration, **changes):
    path = f"/admin/clevertap_sync/integration/{integration.pk}/change/"
    answer = admin.post(path, typed(new_passcode="", **changes))
    assert answer.status_code == 302
    integration.refresh_from_db()


def test_the_tick_begins_to_count_and_without_it_counting_ends(admin):
    integration = an_integration(location=Location.IN1)
    same = {"account_id": integration.account.account_id, "location": "in1"}

    save(admin, integration, reconciles="on", **same)
    begun = integration.counts_since
    save(admin, integration, reconciles="on", name="other", **same)
    kept = integration.counts_since
    save(admin, integration, **same)

    assert begun is not None
    assert kept == begun
    assert (integration.reconciles, integration.counts_since) == (False, None)
    switched = Change.objects.filter(kind="integration").order_by("pk")
    label = "Compare with CleverTap each night"
    changes = [each.differences for each in switched]
    assert [label, "no", "yes"] in changes[0]
    assert changes[2] == [["Name", "other", "default"], [label, "yes", "no"]]


def test_another_account_begins_to_be_counted_anew(admin, shop):
    before = shop.counts_since
    since = {"reconciles": True, "counts_since": before}
    stays = an_integration(an_app("stays"), account=shop.account, **since)
    elsewhere = an_integration(an_app("far"), location=Location.IN1, **since)

    save(admin, shop, reconciles="on", account_id="XYZ-DEF-123Z")
    moved = shop.counts_since
    admin.post(address(shop, "move"), {"location": "sg1"})

    for each in (shop, stays, elsewhere):
        each.refresh_from_db()
    assert moved > before
    assert shop.counts_since > moved
    assert stays.counts_since == moved, (
        "what has left cannot be told from others' events"
    )
    assert elsewhere.counts_since == before


def test_the_settings_say_how_the_comparison_stands(admin, shop):
    page = f"/admin/clevertap_sync/integration/{shop.pk}/change/"
    a_statement(shop.account)
    equal = admin.get(page).content.decode()
    Statement.objects.update(counted=None)
    unasked = admin.get(page).content.decode()
    Statement.objects.update(counted=0, maybe_fewer=10)
    doubtful = admin.get(page).content.decode()

    day = f"{YESTERDAY.day} {YESTERDAY:%B}"
    assert f"Of {day}, CleverTap counts 10 of 10 delivered." in equal
    assert (
        f"Of {day}, CleverTap counts 0 of 0 delivered; 1 event not compared." in unasked
    )
    assert f"Of {day}, CleverTap counts 0 of 10 delivered; 1 event is in" in doubtful
    assert 'light light-idle">In doubt' in doubtful
    assert address(shop) in equal


def test_what_differs_as_it_should_is_no_difference_in_the_settings(admin, shop):
    a_statement(shop.account, counted=4, causes=[a_cause("counts_people", -6)])

    page = admin.get(f"/admin/clevertap_sync/integration/{shop.pk}/change/")

    assert '<span class="light light-idle">Expected</span>' in text_of(page)
    assert "4 of 10 delivered; 1 event differs, and nothing is wrong." in text_of(page)


def test_the_overview_says_what_is_counted_and_leads_to_the_page(admin, shop):
    a_statement(shop.account, counted=7, unexplained=-3)

    page = admin.get("/admin/").content.decode()

    assert "CleverTap counts 7 of 10 delivered; 1 event differs." in " ".join(
        page.split()
    )
    assert f'<a href="{address(shop)}">Seen in CleverTap</a>' in page


def test_what_was_measured_stands_in_place_of_ten_minutes(admin, shop):
    check = f"/admin/clevertap_sync/integration/{shop.pk}/check/"

    before = describe_account_delay(shop.account_id)
    a_first_sight(shop.account)

    assert before == "CleverTap shows new data after about 10 minutes."
    after = "This account shows new events after 3 min (median)."
    assert describe_account_delay(shop.account_id) == after
    assert admin.get(check).context["how_soon"] == after


def told(*options):
    output = io.StringIO()
    call_command("delivery_status", *options, stdout=output)
    return output.getvalue()


def test_delivery_status_tells_of_the_newest_day_and_never_of_the_books(shop):
    a_statement(shop.account, day=YESTERDAY - timedelta(days=1))
    a_statement(shop.account, counted=7, causes=[a_cause(size=-2)], unexplained=-1)
    a_statement(shop.account, name=COUPON, counted=None)
    an_integration(an_app("other"), location=Location.IN1)

    other, status = json.loads(told("--json"))

    assert other["clevertap"] is None
    assert status["clevertap"] == {
        "day": YESTERDAY.isoformat(),
        "delivered": 10,
        "counted": 7,
        "difference": -3,
        "causes": {"name_discarded": -2, "unexplained": -1},
        "different": 1,
        "in_doubt": 0,
        "expected": 0,
        "not_compared": 1,
    }
    assert status["balanced"]
    assert (
        f"CleverTap counts  7 of 10 delivered of {YESTERDAY}; 1 names differ: "
        "name_discarded -2, unexplained -1; 1 names not compared"
    ) in told()


def test_what_was_never_compared_is_no_zero_in_delivery_status(shop):
    (status,) = json.loads(told("--json"))

    assert status["clevertap"]["day"] is None
    assert "CleverTap counts  nothing compared yet" in told()
