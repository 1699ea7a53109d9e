"""When people have to log in again: after a while without a click, and at the latest."""

import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integration_project import session_end
from tests.integration.admin.conftest import text_of

PAGE = "/admin/referrals/app/"
LIVE = {"X-Live": "1"}
IDLE = 60 * 60
LOGIN = "/admin/login/"


@pytest.fixture
def at(monkeypatch):
    """Return a function that lets so many seconds pass from the beginning of the test."""
    began = time.time()

    def move(seconds):
        monkeypatch.setattr(session_end, "time", lambda: began + seconds)

    move(0)
    return move


@pytest.fixture
def browser(db, at):
    """The browser of somebody who has just logged in by name and password."""
    get_user_model().objects.create_superuser("ann", password="secret")
    browser = Client()
    answer = browser.post(
        LOGIN, {"username": "ann", "password": "secret", "next": PAGE}
    )
    assert answer.status_code == 302
    return browser


def is_in(browser, **headers):
    return browser.get(PAGE, headers=headers).status_code == 200


def writes_of(browser, **headers):
    """Return how many statements of a page's request write a session."""
    with CaptureQueriesContext(connection) as queries:
        assert is_in(browser, **headers)
    return sum(
        "django_session" in each["sql"] and not each["sql"].startswith("SELECT")
        for each in queries
    )


def test_who_clicks_stays_and_who_was_away_for_an_hour_logs_in_again(browser, at):
    for clicked in (IDLE - 1, 2 * IDLE - 2):
        at(clicked)
        assert is_in(browser)

    at(3 * IDLE - 2)
    answer = browser.get(PAGE)

    assert answer.url == f"{LOGIN}?next={PAGE}"
    page = text_of(browser.get(answer.url))
    assert "You were logged out: nothing was done here for 60 min." in page
    assert Session.objects.count() == 0


def test_a_page_that_renews_itself_keeps_no_abandoned_session_alive(browser, at):
    for seconds in range(0, IDLE, 600):
        at(seconds)
        assert is_in(browser, **LIVE)
    at(IDLE)

    assert browser.get(PAGE, headers=LIVE).status_code == 401

    # The person reads why, not the page.
    assert "You were logged out" in text_of(browser.get(PAGE, follow=True))


def test_a_session_is_written_once_a_minute_and_never_by_a_page_itself(browser, at):
    def at_each(*instants, **headers):
        written = []
        for instant in instants:
            at(instant)
            written.append(writes_of(browser, **headers))
        return written

    assert at_each(1, 59) == [0, 0]
    assert at_each(100, 200, **LIVE) == [0, 0]
    assert at_each(300, 301, 359, 360) == [1, 0, 0, 1]


def test_no_use_moves_the_latest_end_of_a_session(browser, at, settings):
    (session,) = Session.objects.all()
    end = session.expire_date

    for minutes in range(30, 600, 30):
        at(minutes * 60)
        assert is_in(browser)

    session.refresh_from_db()
    assert timedelta(0) < end - timezone.now() <= timedelta(hours=12)
    assert session.expire_date - end < timedelta(seconds=1)
    Session.objects.update(expire_date=timezone.now())
    assert not is_in(browser)


def test_a_session_of_an_earlier_release_ends_too(browser, at):
    session = browser.session
    del session[session_end.USED_AT]
    session.set_expiry(timedelta(days=14))
    session.save()

    assert is_in(browser)

    (row,) = Session.objects.all()
    assert row.expire_date <= timezone.now() + timedelta(hours=12)
    at(IDLE)
    assert not is_in(browser)


def test_a_clock_that_was_set_back_ends_no_session(browser, at):
    at(-7200)

    assert is_in(browser)


def test_a_change_of_the_password_moves_no_end(browser, at):
    (before,) = Session.objects.all()

    browser.post(
        "/admin/password_change/",
        {
            "old_password": "secret",
            "new_password1": "other-Secret-7",
            "new_password2": "other-Secret-7",
        },
    )

    (after,) = Session.objects.all()
    assert after.session_key != before.session_key
    assert abs(after.expire_date - before.expire_date) < timedelta(seconds=1)
    at(IDLE)
    assert not is_in(browser)


def test_a_login_removes_the_sessions_that_have_ended(browser):
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    other = Client()
    other.force_login(User.objects.get())

    assert [each.session_key for each in Session.objects.all()] == [
        other.cookies["sessionid"].value
    ]
