"""The page of ingest: who sees what, what was refused and what to do, and the first event."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from referrals.ingest import writing
from referrals.ingest.counter import (
    NO_APP,
    CountKey,
    HourlyKey,
    IngestCounts,
    IngestOutcome,
    RefusalSample,
    WayIn,
    find_hour,
)
from referrals.models import ApiKey, Membership, Role
from referrals.refusals import REMEDIES, Code
from tests.builders import a_source, an_api_key, an_app
from tests.integration.admin.conftest import text_of

PAGE = "/admin/ingest/"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def app(db):
    return an_app("shop", name="The shop")


@pytest.fixture
def key(app):
    an_api_key(app)
    return ApiKey.objects.get(app=app)


@pytest.fixture
def member(app):
    """The browser of somebody who sees the app and no other."""
    user = User.objects.create_user("member", password="x", is_staff=True)
    Membership.objects.create(user=user, app=app, role=Role.VIEWER)
    browser = Client()
    browser.force_login(user)
    return browser


def came(cause, number=1, *, ago=timedelta(), sample=""):
    """Write that something came in, some time ago."""
    at = timezone.now() - ago
    count = IngestCounts(at)
    count.add(number, at, RefusalSample(at, "/id", sample, "e-1") if sample else None)
    writing.write_counts({HourlyKey(find_hour(at), cause): count})


def conflict(app_id, way):
    return CountKey(app_id, way, IngestOutcome.CONFLICT, Code.CONFLICT)


def words_of(response):
    """Return what the page's own part says, without tags."""
    page = text_of(response)
    content = page[page.index('<div id="ingest"') : page.index("</main>")]
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())


def test_a_refusal_says_how_often_why_and_what_to_do(admin, app, key):
    days = timedelta(days=3)
    came(CountKey(app.pk, key.prefix, IngestOutcome.ACCEPTED), 96)
    came(CountKey(app.pk, key.prefix, IngestOutcome.DUPLICATE), 1)
    came(conflict(app.pk, key.prefix), 3, sample="Another event has this id.")
    came(conflict(app.pk, key.prefix), 2000, ago=days, sample="An older one.")
    came(CountKey(app.pk, WayIn.TASK, IngestOutcome.ACCEPTED), 7, ago=days)

    response = admin.get(PAGE)

    page = words_of(response)
    assert "3 % of the last 24 hours was refused" in page
    assert (
        f"{key.prefix}… 97 taken, 3 refused (3 %) 97 taken, 2,003 refused (95 %)"
        in page
    )
    assert "Celery task 0 taken, 0 refused 7 taken, 0 refused" in page
    assert "3 in 24 hours 2,003 in 7 days" in page
    assert f"What to do. {REMEDIES[Code.CONFLICT]}" in page
    assert page.index("Another event has this id.") < page.index("An older one.")
    assert f'href="/admin/referrals/apikey/{key.pk}/change/"' in text_of(response)


def test_a_source_is_named_and_what_it_ignored_is_neither_taken_nor_refused(admin, app):
    source = a_source(app, "branch", name="Our <Branch>")
    for outcome, code, number in (
        (IngestOutcome.CALL, "", 900),
        (IngestOutcome.ACCEPTED, "", 3),
        (IngestOutcome.DUPLICATE, Code.CONFLICT, 1),
        (IngestOutcome.IGNORED, "no_referrer", 700),
        (IngestOutcome.SEEN, "Level Reached", 500),
        (IngestOutcome.IDENTITY, "custom_id", 4),
    ):
        came(CountKey(app.pk, source.way, outcome, code), number)
    unverified = CountKey(app.pk, source.way, IngestOutcome.UNAUTHORISED, "signature")
    came(unverified, 4, sample="The signature fits none of its secrets.")

    response = admin.get(PAGE)

    page = words_of(response)
    assert "Our &lt;Branch&gt; 4 taken, 4 refused (50 %)" in page
    assert "Calls that did not show that they are the platform" in page
    assert "The signature fits none of its secrets." in page
    assert "Level Reached" not in page
    link = f'href="/admin/referrals/source/{source.pk}/change/"'
    assert link in text_of(response)


def test_a_week_is_all_that_is_shown(admin, app):
    came(conflict(app.pk, WayIn.TASK), ago=timedelta(days=8), sample="Long ago.")

    page = text_of(admin.get(PAGE))

    assert "Long ago." not in page
    assert "Nothing came in within 7 days." in page


def test_little_is_not_nothing(admin, app):
    came(CountKey(app.pk, WayIn.TASK, IngestOutcome.ACCEPTED), 9999)
    came(conflict(app.pk, WayIn.TASK))

    assert "1 % of the last 24 hours was refused" in words_of(admin.get(PAGE))


def test_an_app_that_takes_all_is_green_and_a_quiet_one_is_not(admin, app):
    other = an_app("other", name="The other")
    came(CountKey(app.pk, WayIn.TASK, IngestOutcome.ACCEPTED))
    came(CountKey(other.pk, WayIn.TASK, IngestOutcome.ACCEPTED), ago=timedelta(days=2))
    an_app(name="The silent")

    page = words_of(admin.get(PAGE))

    assert "The shop Takes all Nothing was refused" in page
    assert "The other Quiet Nothing came in the last 24 hours." in page
    assert "Nothing came in within 7 days for: The silent." in page


def test_the_sick_come_first(admin, app):
    other = an_app("other", name="The other")
    came(CountKey(app.pk, WayIn.TASK, IngestOutcome.ACCEPTED), 100)
    came(conflict(other.pk, WayIn.TASK))
    came(CountKey(NO_APP, "", IngestOutcome.UNAUTHORISED, Code.NO_KEY), 9)

    doors = admin.get(PAGE).context["doors"]

    assert [door.app for door in doors] == [other, app, None]


def test_unknown_senders_are_shown_to_whom_every_app_is_shown(admin, member, staff):
    stranger = "rk_stranger1"
    came(CountKey(NO_APP, stranger, IngestOutcome.UNAUTHORISED, Code.UNKNOWN_KEY))

    assert f"{stranger}…" in words_of(admin.get(PAGE))
    everywhere = staff("referrals.view_referralevent")
    assert f"{stranger}…" in words_of(everywhere.get(PAGE))
    assert stranger not in text_of(member.get(PAGE))


def test_a_member_sees_their_app_and_no_link_to_its_key(member, app, key):
    other = an_app("other", name="The other")
    came(conflict(app.pk, key.prefix))
    came(conflict(other.pk, WayIn.TASK))

    for query in ("", "?app=other"):
        page = text_of(member.get(PAGE + query))
        assert "The other" not in page
        assert "/admin/referrals/apikey/" not in page
    assert f"{key.prefix}…" in text_of(member.get(PAGE))


def test_one_app_can_be_chosen(admin, app):
    other = an_app("other", name="The other")
    for app_id in (app.pk, other.pk, NO_APP):
        came(conflict(app_id, WayIn.TASK))

    doors = admin.get(f"{PAGE}?app=shop").context["doors"]

    assert [door.app for door in doors] == [app]


def test_its_cost_does_not_grow_with_apps(admin, django_assert_max_num_queries):
    for _ in range(8):
        app = an_app()
        an_api_key(app)
        came(conflict(app.pk, app.api_keys.get().prefix), sample="x")

    with django_assert_max_num_queries(6):
        assert len(admin.get(PAGE).context["doors"]) == 8


def test_somebody_without_a_role_is_refused(staff, db):
    assert staff().get(PAGE).status_code == 403


def test_what_somebody_sent_does_nothing_to_the_page(admin, app):
    came(conflict(app.pk, WayIn.TASK), sample=f"{SCRIPT}\u202e")

    page = text_of(admin.get(PAGE))

    assert SCRIPT not in page
    assert "\u202e" not in page


def test_a_code_of_a_later_release_is_shown_as_it_is(admin, app):
    came(CountKey(app.pk, WayIn.TASK, IngestOutcome.REJECTED, "from_the_future"))

    assert "from_the_future" in words_of(admin.get(PAGE))


def test_the_rarest_causes_are_left_out_and_said_to_be(admin, app):
    for number in range(23):
        came(conflict(app.pk, f"rk_{number}"), number + 1)

    (door,) = admin.get(PAGE).context["doors"]

    assert [each.day for each in door.refused] == list(range(23, 3, -1))
    assert "3 more that were rarer." in words_of(admin.get(PAGE))


def test_an_empty_page_says_how_to_send_the_first_event(admin, app):
    page = text_of(admin.get(PAGE))

    assert "Nothing came in within 7 days." in page
    assert '/admin/referrals/apikey/add/"' in page
    assert "curl -sS http://testserver/v1/events" in page


def test_without_an_app_there_is_nothing_to_send_to(admin, db):
    assert "curl" not in text_of(admin.get(PAGE))
