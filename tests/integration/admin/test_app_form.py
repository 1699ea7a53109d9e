"""The app's form: IDs that come before sign-up, and whether referrers are remembered."""

import pytest

from referrals import history
from tests.builders import an_app
from tests.integration.admin.conftest import text_of, type_fraud_rules

NO_ROLES = {
    "memberships-TOTAL_FORMS": "0",
    "memberships-INITIAL_FORMS": "0",
    "api_keys-TOTAL_FORMS": "0",
    "api_keys-INITIAL_FORMS": "0",
}


@pytest.fixture
def app(db):
    return an_app("shop", name="Shop")


def change(admin, app, **typed):
    address = f"/admin/referrals/app/{app.pk}/change/"
    kept = {"name": app.name, "ignored_networks": "", **type_fraud_rules(app)}
    return admin.post(address, {**kept, **NO_ROLES, **typed})


def test_loose_ids_are_listed_and_shown_and_in_the_history(admin, app):
    change(admin, app, loose_ids="Anonymous_ID, branch_id", remembers_referrers="on")

    app.refresh_from_db()
    assert app.loose_ids == ["anonymous_id", "branch_id"]
    assert app.remembers_referrers
    page = text_of(admin.get(f"/admin/referrals/app/{app.pk}/change/"))
    assert 'value="anonymous_id, branch_id"' in page
    assert history.list_changes(app).get().differences == [
        ["IDs that come before sign-up", history.EMPTY, "anonymous_id, branch_id"],
        ["Remember who invited each user", "no", "yes"],
    ]


def test_a_form_that_changes_nothing_is_no_change(admin, app):
    app.loose_ids = ["branch_id"]
    app.save()

    change(admin, app, loose_ids="branch_id")

    assert not history.list_changes(app).exists()


def test_a_wrong_list_is_refused_and_stands_as_typed(admin, app):
    page = text_of(change(admin, app, loose_ids="ann@example.com"))

    assert "Write names of identity providers" in page
    assert 'value="ann@example.com"' in page
    app.refresh_from_db()
    assert app.loose_ids == []


def test_limits_of_fraud_are_changed_and_in_the_history(admin, app):
    change(admin, app, fraud_installs="7", fraud_installs_days="")

    app.refresh_from_db()
    assert app.fraud_rules.installs == (7, None)
    assert history.list_changes(app).get().differences == [
        ["Installs from one IP address", "4", "7"],
        ["Installs: within days", "30", history.EMPTY],
    ]


def test_a_new_app_may_have_them_at_once(admin):
    admin.post(
        "/admin/referrals/app/add/",
        {"name": "Game", "slug": "game", "ignored_networks": "", "loose_ids": "idfv"},
    )

    assert type(an_app()).objects.get(slug="game").loose_ids == ["idfv"]
