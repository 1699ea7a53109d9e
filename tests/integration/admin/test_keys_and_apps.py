"""Apps and API keys: made, shown once, rotated, revoked, archived."""

import re

import pytest
from django.contrib.admin.models import LogEntry

from referrals.keys import digest_of
from referrals.models import ApiKey, App, CustomName
from tests.builders import an_api_key, an_app
from tests.integration.admin.conftest import text_of

ADD = "/admin/referrals/apikey/add/"


def shown_in(response):
    return re.search(r"rk_[\w-]{43}", text_of(response))[0]


def test_a_key_is_shown_once_with_a_line_to_try(admin):
    app = an_app("shop")

    response = admin.post(ADD, {"app": app.pk, "label": "backend"})

    key = ApiKey.objects.get()
    text = shown_in(response)
    assert digest_of(text) == key.digest
    assert f"Authorization: Bearer {text}" in text_of(response)
    assert "http://testserver/v1/events" in text_of(response)
    assert response.headers["Cache-Control"].startswith("no-store")
    assert text not in text_of(admin.get(f"/admin/referrals/apikey/{key.pk}/change/"))
    assert not LogEntry.objects.filter(change_message__contains=text).exists()
    assert not LogEntry.objects.filter(object_repr__contains=text).exists()


def test_rotating_makes_a_second_key_and_leaves_the_first(admin):
    app = an_app("shop")
    admin.post(ADD, {"app": app.pk, "label": "backend"})
    old = ApiKey.objects.get()

    response = admin.post(f"/admin/referrals/apikey/{old.pk}/rotate/")

    new = ApiKey.objects.exclude(pk=old.pk).get()
    old.refresh_from_db()
    assert digest_of(shown_in(response)) == new.digest
    assert (new.app, new.label, old.revoked_at) == (app, "backend", None)


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
