"""Hostile texts in every page, and the cookies of whoever logs in."""

import csv
import html
import io
import re

import pytest
from django.contrib.auth.models import User

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import Alert, Attempt, DeadLetter, Replay
from referrals import history, log
from referrals.ingest.background import count_ingest, flush_counts
from referrals.ingest.counter import CountKey, IngestOutcome
from referrals.models import ApiKey, App, CustomName, RejectedEvent, Source
from tests.builders import a_sent_custom_event, a_sent_event
from tests.integration.admin.conftest import text_of
from tests.integration.admin.walk import a_side, addresses

SCRIPT = "<script>alert(1)</script>"
TEMPLATE = "{{ 7|add:7 }}{% debug %}"
FORMULA = '=cmd|"/c calc"!A1'
TURNED = "\u061c\u202egpj.exe"
#: What a form gives back to be corrected.
TYPED = re.compile(r'<textarea.*?</textarea>|\svalue="[^"]*"', re.DOTALL)
HOSTILE = f"{FORMULA}{SCRIPT}{TEMPLATE}{TURNED}"


@pytest.fixture
def hostile(sandbox, db):
    """An app whose every text is hostile."""
    side = a_side("alpha", Location.EU1)
    log.append(
        side.app,
        [
            a_sent_event(channel=f"{TURNED}{HOSTILE}"),
            a_sent_custom_event(f"{TURNED}{HOSTILE}"),
        ],
    )
    App.objects.update(name=HOSTILE)
    ApiKey.objects.update(label=HOSTILE)
    CustomName.objects.update(name=HOSTILE)
    RejectedEvent.objects.update(key=HOSTILE, pointer=HOSTILE, detail=HOSTILE)
    Attempt.objects.update(detail=HOSTILE, worker=HOSTILE)
    DeadLetter.objects.update(detail=HOSTILE, event_name=HOSTILE)
    Replay.objects.update(created_by=HOSTILE)
    Alert.objects.update(name=HOSTILE)
    Source.objects.update(
        name=HOSTILE[:100], chosen_events=[HOSTILE], referrer_keys=[HOSTILE]
    )
    seen = CountKey(
        side.app.pk, Source.objects.get().way, IngestOutcome.SEEN, f"{HOSTILE} seen"
    )
    count_ingest(seen)
    flush_counts()
    app = App.objects.get()
    changed = [(HOSTILE, HOSTILE, HOSTILE)]
    history.record_change(HOSTILE, app, HOSTILE, app=app, differences=changed)
    return side


def test_hostile_texts_are_inert_on_every_page(hostile, admin):
    shown = marked = quoted = 0
    for address in addresses(hostile, {"user": User.objects.get().pk, "group": 1}):
        if address.name == "logout":
            continue
        response = admin.get(address.url)
        if response.status_code != 200:
            continue
        page = text_of(response)
        if response.headers["Content-Type"].startswith("text/csv"):
            cells = [cell for row in csv.reader(io.StringIO(page)) for cell in row]
            assert not [cell for cell in cells if cell.startswith("=")], address
            quoted += sum(cell.startswith("'=") for cell in cells)
            continue
        length = int(response.headers["Content-Length"])
        assert length == len(response.content), address
        assert SCRIPT not in page, address
        assert not set(TURNED[:2]) & set(TYPED.sub("", page)), address
        marked += page.count("\N{REPLACEMENT CHARACTER}" * 2 + "gpj.exe")
        # A template that was run would have said 14.
        shown += page.count("{{ 7|add:7 }}")
        assert "style=" not in page, address
        assert " onclick=" not in page, address

    assert quoted > 5
    assert shown > 20
    assert marked > 20


@pytest.mark.parametrize(
    "page", ["events/", "events/alpha/5/", "events/alpha/4/", "problems/"]
)
def test_a_page_marks_by_itself_what_others_send(hostile, admin, settings, page):
    App.objects.update(name="Shop")
    RejectedEvent.objects.update(source="celery")
    settings.MIDDLEWARE = [
        each for each in settings.MIDDLEWARE if "InertPages" not in each
    ]

    shown = text_of(admin.get(f"/admin/{page}"))

    assert TURNED not in shown
    assert "\N{REPLACEMENT CHARACTER}gpj.exe" in shown


def test_what_a_form_gives_back_stays_as_it_was_typed(hostile, admin):
    page = text_of(admin.get(f"/admin/referrals/app/{hostile.app.pk}/change/"))

    (name,) = re.findall(r'name="name" value="([^"]*)"', page)
    assert html.unescape(name) == HOSTILE


def test_the_cookies_of_a_login_are_for_the_server_alone(client, admin):
    page = client.get("/admin/login/")
    token = client.cookies["csrftoken"]
    client.post(
        "/admin/login/",
        {
            "username": "ann",
            "password": "secret",
            "csrfmiddlewaretoken": page.context["csrf_token"],
        },
    )

    session = client.cookies["sessionid"]
    assert (session["httponly"], session["samesite"]) == (True, "Lax")
    assert token["samesite"] == "Lax"


def test_behind_https_cookies_never_travel_without(client, admin, settings):
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True

    client.get("/admin/login/", secure=True)
    client.post("/admin/login/", {"username": "ann", "password": "secret"}, secure=True)

    assert client.cookies["sessionid"]["secure"] is True
    assert client.cookies["csrftoken"]["secure"] is True


def test_an_address_to_go_on_to_after_a_login_is_our_own(client, admin):
    response = client.post(
        "/admin/login/?next=https://evil.example/",
        {"username": "ann", "password": "secret", "next": "https://evil.example/"},
    )

    assert response.status_code == 302
    assert "evil" not in response.url
