"""Apps and API keys: made, shown once, rotated, revoked, archived."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.utils import timezone

from referrals.api import auth
from referrals.api.auth import clear_remembered_keys
from referrals.keys import create_key, digest_key
from referrals.models import ApiKey, App, CustomName
from referrals.source_setup import archive_source
from tests.builders import NOON, a_sent_event, a_source, an_api_key, an_app
from tests.integration.admin.conftest import text_of

LIST = "/admin/referrals/apikey/"
ADD = f"{LIST}add/"
LANGUAGES = ("curl", "Python", "Node", "PHP")
SAMPLES = (*LANGUAGES, "Who is who")
SDKS = ("Segment for Python", "Segment for Node", "RudderStack for Python")


def call(key):
    """Send an event with this API key."""
    return Client().post(
        "/v1/events",
        a_sent_event(),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )


def shown_in(response):
    return shown_in_text(text_of(response))


def shown_in_text(page):
    return re.search(r"rk_[\w-]{43}", page)[0]


def test_a_key_is_shown_once_with_a_line_to_try(admin):
    app = an_app("shop")

    response = admin.post(ADD, {"app": app.pk, "label": "backend"})

    key = ApiKey.objects.get()
    text = shown_in(response)
    assert digest_key(text) == key.digest
    assert f"Authorization: Bearer {text}" in text_of(response)
    assert "http://testserver/v1/events" in text_of(response)
    assert response.headers["Cache-Control"].startswith("no-store")
    assert text not in text_of(admin.get(f"/admin/referrals/apikey/{key.pk}/change/"))
    assert not LogEntry.objects.filter(change_message__contains=text).exists()
    assert not LogEntry.objects.filter(object_repr__contains=text).exists()


def test_a_key_for_tracking_only_belongs_to_a_source_and_is_shown_with_sdks(admin):
    source = a_source(an_app("shop"), "segment", name="Phones")

    page = text_of(
        admin.post(
            ADD, {"app": source.app_id, "label": "", "tracking_source": source.pk}
        )
    )

    key = ApiKey.objects.get()
    assert key.tracking_source == source
    assert digest_key(shown_in_text(page)) == key.digest
    assert [page.count(f"<summary>{name}</summary>") for name in SDKS] == [1] * 3
    assert "http://testserver/v1/segment" in page
    assert "/v1/events" not in page
    assert "Tracking only: Phones" in text_of(admin.get("/admin/referrals/apikey/"))
    assert "Tracking only: Phones" in text_of(
        admin.get(f"/admin/referrals/apikey/{key.pk}/change/")
    )


def test_no_button_beside_a_choice_leads_away_from_the_form(admin):
    a_source(an_app("shop"), "segment", name="CDP")

    page = text_of(admin.get(ADD))

    assert "Shop: CDP" in page
    assert "related-widget-wrapper-link" not in page


def test_a_key_for_tracking_only_stays_that_when_it_is_rotated(admin):
    source = a_source(an_app("shop"), "segment")
    admin.post(ADD, {"app": source.app_id, "label": "", "tracking_source": source.pk})
    old = ApiKey.objects.get()

    admin.post(f"/admin/referrals/apikey/{old.pk}/rotate/")

    assert ApiKey.objects.exclude(pk=old.pk).get().tracking_source == source


def test_the_source_of_a_key_is_live_of_its_app_and_takes_calls_of_sdks(admin):
    app, other = an_app("shop"), an_app("game")
    archived = a_source(app, "segment", name="old")
    archive_source("ann", archived)
    refused = [a_source(other, "segment"), a_source(app, "branch"), archived]

    pages = [
        text_of(
            admin.post(ADD, {"app": app.pk, "label": "", "tracking_source": source.pk})
        )
        for source in refused
    ]

    assert ApiKey.objects.count() == 0
    assert f"This source belongs to {other}. Choose one of {app}." in pages[0]
    for page in pages[1:]:
        assert "Select a valid choice" in page


def test_rotating_makes_a_second_key_and_leaves_the_first(admin):
    app = an_app("shop")
    admin.post(ADD, {"app": app.pk, "label": "backend"})
    old = ApiKey.objects.get()

    response = admin.post(f"/admin/referrals/apikey/{old.pk}/rotate/")

    new = ApiKey.objects.exclude(pk=old.pk).get()
    old.refresh_from_db()
    assert digest_key(shown_in(response)) == new.digest
    assert (new.app, new.label, old.revoked_at) == (app, "backend", None)


@pytest.mark.parametrize(
    ("overlap", "hours"), [("hour", 1), ("day", 24), ("week", 7 * 24)]
)
def test_rotating_with_an_end_lets_the_old_key_work_until_then(admin, overlap, hours):
    text = an_api_key(an_app("shop"))
    old = ApiKey.objects.get()
    before = timezone.now()

    page = text_of(
        admin.post(f"/admin/referrals/apikey/{old.pk}/rotate/", {"overlap": overlap})
    )

    old.refresh_from_db()
    lasting = old.revoked_at - before
    assert timedelta(0) <= lasting - timedelta(hours=hours) < timedelta(minutes=1)
    assert not old.is_revoked
    assert "works too, until" in page
    listed = text_of(admin.get("/admin/referrals/apikey/"))
    assert re.search(r"light-busy\">Works for [^<]+ more", listed)
    assert call(text).status_code == 202
    ApiKey.objects.filter(pk=old.pk).update(revoked_at=timezone.now())
    clear_remembered_keys()
    assert call(text).status_code == 401
    assert 'light-idle">Revoked' in text_of(admin.get("/admin/referrals/apikey/"))


def test_a_key_that_is_to_end_ends_although_it_was_remembered(admin, monkeypatch):
    text = an_api_key(an_app("shop"))
    soon = timezone.now() + timedelta(hours=1)
    ApiKey.objects.update(revoked_at=soon)
    monkeypatch.setattr(auth, "monotonic", lambda: 1_000.0)

    assert call(text).status_code == 202
    monkeypatch.setattr(timezone, "now", lambda: soon)

    assert call(text).status_code == 401


def test_a_key_is_made_with_a_last_day_and_says_so(admin, monkeypatch):
    app = an_app("shop")
    monkeypatch.setattr(timezone, "now", lambda: NOON)
    last = (NOON + timedelta(days=30)).date()

    page = text_of(admin.post(ADD, {"app": app.pk, "last_day": last.isoformat()}))

    key = ApiKey.objects.get()
    assert key.expires_at == datetime(2026, 12, 24, tzinfo=UTC)
    assert "It expires at" in page
    assert "2026-12-24T00:00:00+00:00" in page
    assert "2026-12-24T00:00:00+00:00" in text_of(admin.get(LIST))


@pytest.mark.parametrize("days", [-1, 3651])
def test_a_last_day_has_to_be_within_ten_years(admin, days):
    last = (timezone.now() + timedelta(days=days)).date().isoformat()

    page = text_of(admin.post(ADD, {"app": an_app("shop").pk, "last_day": last}))

    assert ("This day has passed." in page) == (days < 0)
    assert ("Choose a day within ten years." in page) == (days > 0)
    assert ApiKey.objects.count() == 0


def test_nothing_moves_the_end_of_a_key(admin):
    key, _ = create_key(an_app("shop"), expires_at=timezone.now() + timedelta(days=3))
    page = f"{LIST}{key.pk}/change/"

    admin.post(page, {"label": "new", "last_day": "", "expires_at_0": "2030-01-01"})

    before = key.expires_at
    key.refresh_from_db()
    assert (key.label, key.expires_at) == ("new", before)


def test_the_list_says_of_a_key_without_a_last_day_that_it_never_expires(admin):
    create_key(an_app("shop"))

    page = text_of(admin.get("/admin/referrals/apikey/"))

    assert '<td class="field-expires">never</td>' in page


@pytest.mark.parametrize(
    ("days", "state"), [(-1, "Expired"), (5, "Works for 5 days more"), (30, "Works")]
)
def test_the_list_says_of_a_key_that_it_has_expired_or_will_soon(admin, days, state):
    end = timezone.now() + timedelta(days=days, minutes=1)
    create_key(an_app("shop"), expires_at=end)

    listed = text_of(admin.get(LIST))

    assert re.findall(r'class="light light-\w+">([^<]+)<', listed) == [state]


def test_a_rotated_key_lives_as_long_again_and_the_old_one_never_beyond_its_end(admin):
    old, _ = create_key(an_app("shop"), expires_at=timezone.now() + timedelta(days=2))
    ApiKey.objects.update(created_at=old.expires_at - timedelta(days=90))

    page = text_of(admin.post(f"{LIST}{old.pk}/rotate/", {"overlap": "week"}))

    new = ApiKey.objects.latest("pk")
    old.refresh_from_db()
    left = new.expires_at - timezone.now()
    assert timedelta(days=90) - timedelta(minutes=1) < left <= timedelta(days=90)
    assert old.revoked_at == old.expires_at
    assert "works too, until" in page


def test_a_key_that_has_expired_is_followed_by_one_that_lives_as_long(admin):
    old, _ = create_key(an_app("shop"), expires_at=timezone.now())
    ApiKey.objects.update(created_at=old.expires_at - timedelta(days=30))
    offered = text_of(admin.get(f"{LIST}{old.pk}/change/"))

    page = text_of(admin.post(f"{LIST}{old.pk}/rotate/", {"overlap": "day"}))

    old.refresh_from_db()
    assert ("Rotate: make a new key" in offered, "overlap" in offered) == (True, False)
    assert "works no more" in page
    assert old.revoked_at is None
    assert call(shown_in_text(page)).status_code == 202


def test_an_unknown_overlap_leaves_the_old_key_to_a_person(admin):
    an_api_key(an_app("shop"))
    old = ApiKey.objects.get()

    admin.post(f"/admin/referrals/apikey/{old.pk}/rotate/", {"overlap": "nonsense"})

    old.refresh_from_db()
    assert ApiKey.objects.count() == 2
    assert old.revoked_at is None


def test_samples_stand_with_the_key_on_the_page_that_shows_it_and_without_elsewhere(
    admin, integration
):
    shown = text_of(admin.post(ADD, {"app": integration.app_id, "label": ""}))

    key = re.search(r"rk_[\w-]{43}", shown)[0]
    assert [shown.count(f"<summary>{name}</summary>") for name in SAMPLES] == [1] * 5
    assert shown.count(key) == 1 + len(SAMPLES)
    for page in (
        f"/admin/referrals/app/{integration.app_id}/change/",
        f"/admin/clevertap_sync/integration/{integration.pk}/change/",
    ):
        text = text_of(admin.get(page))
        assert text.count("YOUR-API-KEY") == 1 + len(SAMPLES)
        assert text.count("http://testserver/v1/people") == 1
        assert text.count("http://testserver/v1/events") == len(LANGUAGES)
        assert key not in text


def test_revoking_is_a_post_and_final(admin):
    an_api_key(an_app("shop"))
    key = ApiKey.objects.get()

    assert admin.get(f"/admin/referrals/apikey/{key.pk}/revoke/").status_code == 405
    admin.post(f"/admin/referrals/apikey/{key.pk}/revoke/")

    key.refresh_from_db()
    assert key.revoked_at is not None


def test_a_key_is_not_moved_to_another_app_or_deleted(admin):
    an_api_key(an_app("shop"))
    key = ApiKey.objects.get()
    other = an_app("other")

    admin.post(
        f"/admin/referrals/apikey/{key.pk}/change/", {"app": other.pk, "label": "new"}
    )
    gone = admin.post(f"/admin/referrals/apikey/{key.pk}/delete/", {"post": "yes"})

    key.refresh_from_db()
    assert (key.app.slug, key.label) == ("shop", "new")
    assert gone.status_code == 403


@pytest.mark.parametrize("name", ["revoke", "rotate"])
def test_whoever_may_only_look_changes_no_key(staff, name):
    an_api_key(an_app("shop"))
    key = ApiKey.objects.get()
    viewer = staff("referrals.view_apikey")

    assert viewer.post(f"/admin/referrals/apikey/{key.pk}/{name}/").status_code == 403

    key.refresh_from_db()
    assert (key.revoked_at, ApiKey.objects.count()) == (None, 1)


def test_an_app_is_created_renamed_archived_and_restored_but_never_deleted(admin):
    admin.post("/admin/referrals/app/add/", {"name": "Shop", "slug": "shop"})
    app = App.objects.get()
    page = f"/admin/referrals/app/{app.pk}"

    inlines = {
        f"{name}-{count}_FORMS": 0
        for name in ("api_keys", "memberships")
        for count in ("TOTAL", "INITIAL")
    }
    admin.post(f"{page}/change/", {"name": "New Shop", "slug": "other", **inlines})
    admin.post(f"{page}/archive/")
    app.refresh_from_db()
    assert (app.name, app.slug, app.archived_at is None) == ("New Shop", "shop", False)
    assert admin.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    admin.post(f"{page}/archive/")

    app.refresh_from_db()
    assert app.archived_at is None


def test_an_apps_working_keys_are_those_that_are_not_revoked_yet(admin):
    app, now = an_app("shop"), timezone.now()
    for _ in range(4):
        an_api_key(app)
    _, revoked, ending, other = app.api_keys.order_by("pk")
    for key, hours in ((revoked, -1), (ending, 1), (other, 2)):
        key.revoked_at = now + timedelta(hours=hours)
        key.save()

    page = text_of(admin.get("/admin/referrals/app/"))

    assert re.findall(r'class="field-keys">([^<]*)<', page) == ["3"]


def test_a_name_beyond_the_limit_is_approved(admin, settings):
    settings.CUSTOM_NAMES_LIMIT = 1
    app = an_app("shop")
    first, second = (
        CustomName.objects.create(
            app=app, name=f"N{n}", normalised=f"n{n}", number=n, first_position=n
        )
        for n in (1, 2)
    )

    admin.post(
        "/admin/referrals/customname/",
        {"action": "approve", "_selected_action": [first.pk, second.pk]},
    )

    first.refresh_from_db()
    second.refresh_from_db()
    assert first.approved_at is None
    assert second.approved_at is not None


def test_the_only_app_is_chosen_where_there_is_but_one(admin, db):
    shop = an_app("shop")
    an_app("gone", archived_at=timezone.now())

    one = text_of(admin.get(ADD))
    an_app("other")
    two = text_of(admin.get(ADD))

    assert f'<option value="{shop.pk}" selected>' in one
    assert '<option value="" selected>' in two


def test_an_app_that_the_address_names_is_chosen_first(admin, db):
    an_app("shop")
    other = an_app("other")

    assert f'<option value="{other.pk}" selected>' in text_of(
        admin.get(f"{ADD}?app={other.pk}")
    )


def test_a_list_of_djangos_own_says_that_it_is_empty(admin):
    assert "There is nothing here yet." in text_of(admin.get("/admin/auth/group/"))
