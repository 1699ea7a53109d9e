"""Production beside staging: both of one app stand side by side on the overview."""

import re

from clevertap_sync.clevertap.locations import Location
from tests.builders import an_account, an_app, an_integration
from tests.integration.admin.conftest import text_of


def an_app_with_both(slug):
    """Write an app whose events go to a production account and to a test account."""
    app = an_app(slug)
    number = app.pk
    for kinds, account_id in (
        ("test", f"TEST-ABC-{number:03}-123Z"),
        ("production", f"ABC-{number:03}-123Z"),
    ):
        account = an_account(Location.IN1, account_id=account_id)
        an_integration(app, account=account, name=kinds, event_kinds=kinds)
    return app


def test_both_of_one_app_have_their_cards_side_by_side(admin):
    app = an_app_with_both("shop")

    page = text_of(admin.get("/admin/"))

    _, group = page.split(f'role="group" aria-label="{app}: 2 integrations">')
    badges = re.findall(r'<span class="badge">([^<]+)</span>', group)
    assert badges == ["production events", "test account", "test events"]


def test_a_single_integration_needs_no_group_and_no_word_about_its_kind(admin):
    an_integration()

    page = text_of(admin.get("/admin/"))

    assert 'class="siblings"' not in page
    assert "production events</span>" not in page


def test_of_thirty_the_first_have_cards_and_the_rest_stay_together_in_lines(admin):
    for number in range(15):
        an_app_with_both(f"shop-{number:02}")

    page = text_of(admin.get("/admin/"))

    assert page.count('<div class="siblings" role="group"') == 2
    assert page.count('<li class="siblings">') == 13
    assert "26 further integrations" in page
