"""The site itself: the policy, the menu, what every page has."""

import re

import pytest
from django.contrib.auth.models import User

from clevertap_sync.models import Alert
from tests.integration.admin.conftest import text_of


def test_no_page_has_an_inline_script_or_style(admin, delivered):
    pages = ["", "events/", "events/shop/1/", "problems/", "clevertap_sync/upload/"]
    pages += ["clevertap_sync/deadletter/", "referrals/app/", "auth/user/add/"]
    pages += [f"clevertap_sync/integration/{delivered.pk}/change/"]

    for page in pages:
        response = admin.get(f"/admin/{page}")
        html = text_of(response)
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html), page
        inline = [
            tag for tag in re.findall(r"<script[^>]*>", html) if "src=" not in tag
        ]
        assert inline == [], page


def test_the_menu_shows_what_the_person_may_see(staff, db):
    viewer = staff("clevertap_sync.view_upload")

    page = text_of(viewer.get("/admin/"))

    menu = page[page.index('<nav id="menu"') : page.index("</nav>")]
    assert re.findall(r">([^<]+)</a>", menu) == ["Overview", "Uploads"]
    assert 'aria-current="page">Overview' in menu


@pytest.mark.parametrize(
    ("page", "entry"),
    [
        ("", "Overview"),
        ("events/shop/1/", "Events"),
        ("referrals/", "Referrals"),
        ("referrals/apikey/", "API keys"),
        ("clevertap_sync/upload/1/change/", "Uploads"),
        ("history/", "History"),
    ],
)
def test_the_menu_marks_the_one_page_that_is_open(admin, delivered, page, entry):
    page = page.replace("upload/1/", f"upload/{delivered.uploads.get().pk}/")

    menu = text_of(admin.get(f"/admin/{page}")).partition('id="menu"')[2]

    marked = re.findall(r'aria-current="page">([^<]*)', menu.partition("</nav>")[0])
    assert marked == [entry]


@pytest.mark.parametrize("label", ["clevertap_sync", "auth"])
def test_the_front_page_of_one_of_djangos_apps_is_the_overview(admin, db, label):
    response = admin.get(f"/admin/{label}/")

    assert (response.status_code, response.url) == (302, "/admin/")


def test_referrals_are_a_page_of_their_own(admin, delivered):
    assert "<h1>Referrals</h1>" in text_of(admin.get("/admin/referrals/"))


@pytest.mark.parametrize(
    ("page", "trail"),
    [
        ("clevertap_sync/alert/{alert}/delete/", ["Overview", "Alerts", "Growth"]),
        ("auth/user/{user}/delete/", ["Overview", "Users", "ann"]),
        ("auth/user/{user}/password/", ["Overview", "Users", "ann"]),
        ("password_change/", ["Overview"]),
        ("password_change/done/", ["Overview"]),
    ],
)
def test_every_trail_begins_at_the_overview(admin, page, trail):
    alert = Alert.objects.create(name="Growth")
    page = page.format(alert=alert.pk, user=User.objects.get().pk)

    assert _trail(text_of(admin.get(f"/admin/{page}"))) == trail


def test_the_trail_of_deleting_several_begins_at_the_overview(admin):
    chosen = {"action": "delete_selected", "_selected_action": [User.objects.get().pk]}

    page = text_of(admin.post("/admin/auth/user/", chosen))

    assert "Are you sure you want to delete the selected user?" in page
    assert _trail(page) == ["Overview", "Users"]


def _trail(page):
    crumbs = page.partition('class="breadcrumbs"')[2].partition("</div>")[0]
    return re.findall(r"<a [^>]*>([^<]*)</a>", crumbs)
