"""Passwords that are guessed: wherever one is checked, and whoever says who it is."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.contrib.auth import hashers
from django.contrib.auth.models import User
from django.test import Client

from integration_project import login_throttle
from integration_project.login_throttle import (
    COOKIE,
    TRIES,
    TRIES_OF_ADDRESS,
    WINDOW_SECONDS,
    Throttle,
)
from tests.integration.admin.conftest import text_of
from tests.ops.deployment import text_of as text_of_file

LOGIN = "/admin/login/"
CHANGE = "/admin/password_change/"
OWNER = "198.51.100.20"
GUESSER = "203.0.113.66"
WRONG = "Please enter the correct"
WAIT = "Too many wrong passwords. Wait about 5 min"


def log_in(client, password, name="ann", **headers):
    data = {"username": name, "password": password, "next": "/"}
    return client.post(LOGIN, data, **headers)


def by_proxies(*hops):
    """Return what a request brings that came by proxies: whom each of them has seen."""
    return {"HTTP_X_FORWARDED_FOR": ", ".join(hops), "REMOTE_ADDR": "10.0.0.1"}


def test_after_five_wrong_passwords_the_right_one_has_to_wait(admin):
    guesser = Client()

    for _ in range(TRIES):
        assert WRONG in text_of(log_in(guesser, "wrong"))
    refused = log_in(guesser, "secret")

    assert WAIT in text_of(refused)
    other = Client(REMOTE_ADDR="192.0.2.7")
    assert log_in(other, "secret").status_code == 302


def test_a_right_password_forgets_the_wrong_ones(admin):
    person = Client()

    for _ in range(3):
        for _ in range(TRIES - 1):
            log_in(person, "wrong")
        assert log_in(person, "secret").status_code == 302


def test_an_address_has_twenty_tries_whatever_the_names(admin):
    guesser = Client()

    pages = [
        text_of(log_in(guesser, "wrong", name=f"name-{number}"))
        for number in range(TRIES_OF_ADDRESS + 1)
    ]

    assert [WRONG in page for page in pages] == [True] * TRIES_OF_ADDRESS + [False]
    assert WAIT in pages[-1]


@pytest.mark.parametrize("proxies", [1, 2])
def test_an_address_that_the_caller_chooses_counts_for_nothing(
    admin, settings, proxies
):
    settings.TRUSTED_PROXIES = proxies
    inner = ["10.0.0.2"] * (proxies - 1)

    pages = [
        text_of(
            log_in(Client(), "wrong", **by_proxies(f"192.0.2.{n}", GUESSER, *inner))
        )
        for n in range(TRIES + 1)
    ]
    owner = log_in(Client(), "secret", **by_proxies(OWNER, *inner))

    assert [WAIT in page for page in pages] == [False] * TRIES + [True]
    assert owner.status_code == 302


def by_nginx(peer, host="referrals.example.com", **said):
    """Return what a request brings that came by the nginx of `ops/nginx`.

    `said` is what its caller wrote into headers, by their names in lower case.
    """
    variables = {"$http_host": host, "$scheme": "https", "$remote_addr": peer}
    lines = re.findall(
        'proxy_set_header (.+) (\\$.+|"");',
        text_of_file("ops/nginx/referrals-proxy.conf"),
    )
    # What nginx sets to nothing, it leaves out.
    sent = {name: variables[value] for name, value in lines if value != '""'}
    kept = {name.replace("_", "-"): value for name, value in said.items()}
    # nginx sends the headers of the caller on, but for those that it sets itself.
    theirs = {name.lower() for name, _ in lines}
    kept = {name: value for name, value in kept.items() if name not in theirs}
    return {"headers": kept | sent, "REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def behind_nginx(settings):
    """Set what `SECURE_PROXY=true` sets, for the proxy's own host."""
    settings.ALLOWED_HOSTS = ["referrals.example.com"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SECURE_SSL_REDIRECT = True
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    settings.TRUSTED_PROXIES = 1


@pytest.mark.parametrize("port", ["", ":8443"])
def test_people_log_in_behind_the_documented_nginx_on_any_port(
    admin, behind_nginx, port
):
    browser = Client(enforce_csrf_checks=True)
    host = f"referrals.example.com{port}"
    page = browser.get(LOGIN, **by_nginx(OWNER, host)).content.decode()
    (token,) = re.findall('name="csrfmiddlewaretoken" value="(.+?)"', page)

    answer = browser.post(
        LOGIN,
        {"username": "ann", "password": "secret", "csrfmiddlewaretoken": token},
        **by_nginx(OWNER, host, origin=f"https://{host}"),
    )

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_behind_the_documented_nginx_nobody_chooses_whom_a_guess_counts_for(
    admin, behind_nginx
):
    pages = [
        text_of(
            log_in(
                Client(), "wrong", **by_nginx(GUESSER, x_forwarded_for=f"192.0.2.{n}")
            )
        )
        for n in range(TRIES + 1)
    ]
    owner = log_in(Client(), "secret", **by_nginx(OWNER))

    assert [WAIT in page for page in pages] == [False] * TRIES + [True]
    assert owner.status_code == 302


def test_behind_the_documented_nginx_nobody_passes_plain_http_for_https(
    admin, behind_nginx
):
    request = by_nginx(OWNER, x_forwarded_proto="http")

    assert request["headers"]["X-Forwarded-Proto"] == "https"
    assert Client().get(LOGIN, **request).status_code == 200


def test_without_a_trusted_proxy_the_peer_counts(admin):
    pages = [
        text_of(log_in(Client(), "wrong", **by_proxies(f"192.0.2.{number}")))
        for number in range(TRIES + 1)
    ]

    assert WAIT in pages[-1]


def test_a_network_of_ipv6_is_one_caller(admin):
    pages = [
        text_of(log_in(Client(REMOTE_ADDR=f"2001:db8:1:2::{number:x}"), "wrong"))
        for number in range(TRIES + 1)
    ]
    other = log_in(Client(REMOTE_ADDR="2001:db8:1:3::1"), "secret")

    assert WAIT in pages[-1]
    assert other.status_code == 302


def test_others_cannot_lock_out_who_has_logged_in_with_the_browser_before(admin):
    owner = Client()
    log_in(owner, "secret")
    owner.post("/admin/logout/")
    for _ in range(TRIES + 1):
        log_in(Client(), "wrong")

    assert WAIT in text_of(log_in(Client(), "secret"))
    assert log_in(owner, "secret").status_code == 302


def test_a_known_browser_has_five_tries_of_its_own(admin):
    owner = Client()
    log_in(owner, "secret")
    owner.post("/admin/logout/")

    pages = [text_of(log_in(owner, "wrong")) for _ in range(TRIES + 1)]

    assert [WAIT in page for page in pages] == [False] * TRIES + [True]


def test_a_known_browser_is_known_for_its_person_alone(admin):
    User.objects.create_user("bob", password="secret", is_staff=True)
    browser = Client()
    log_in(browser, "secret", name="bob")
    browser.post("/admin/logout/")
    for _ in range(TRIES):
        log_in(Client(), "wrong")

    assert WAIT in text_of(log_in(browser, "secret"))


def test_the_cookie_is_kept_from_scripts_and_forging(admin, settings):
    settings.SESSION_COOKIE_SECURE = True
    browser = Client()
    log_in(browser, "secret")
    cookie = browser.cookies[COOKIE]

    assert cookie["httponly"]
    assert cookie["secure"]
    assert "ann" not in cookie.value
    forged = Client()
    forged.cookies[COOKIE] = cookie.value[:-1] + (
        "a" if cookie.value[-1] != "a" else "b"
    )
    for _ in range(TRIES):
        log_in(Client(), "wrong")
    assert WAIT in text_of(log_in(forged, "secret"))


def test_tries_at_the_same_time_are_no_more_than_one_after_the_other():
    throttle, together = Throttle(), Barrier(16)

    def take(_):
        together.wait()
        return throttle.take_try({"key": TRIES}, 1.0)

    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(take, range(16)))

    assert sorted(waits) == [0.0] * TRIES + [WINDOW_SECONDS] * (16 - TRIES)


def test_a_try_is_taken_before_the_password_is_checked(admin, monkeypatch):
    waits = []

    def check(*_args, **_kwargs):
        again = {"127.0.0.1": TRIES_OF_ADDRESS, "127.0.0.1 ann": 1}
        waits.append(login_throttle.throttle.take_try(again, time.monotonic()) > 0)
        return False, False

    monkeypatch.setattr(hashers, "verify_password", check)
    log_in(Client(), "wrong")

    assert waits == [True]


def test_the_old_password_cannot_be_guessed_by_who_has_a_session(admin):
    new = {"new_password1": "a-long-new-one-7", "new_password2": "a-long-new-one-7"}

    pages = [
        text_of(admin.post(CHANGE, {"old_password": "wrong", **new}))
        for _ in range(TRIES)
    ]
    refused = text_of(admin.post(CHANGE, {"old_password": "secret", **new}))

    assert all("entered incorrectly" in page for page in pages)
    assert WAIT in refused


def test_a_person_changes_their_password(admin):
    new = {"new_password1": "a-long-new-one-7", "new_password2": "a-long-new-one-7"}

    response = admin.post(CHANGE, {"old_password": "secret", **new})

    assert response.status_code == 302
    assert log_in(Client(), "a-long-new-one-7").status_code == 302


@pytest.mark.parametrize(
    "site", ["https://evil.example", "//evil.example/", "javascript:1"]
)
def test_a_login_leads_to_no_other_site(admin, site):
    data = {"username": "ann", "password": "secret", "next": site}

    response = Client().post(f"{LOGIN}?next={site}", data)

    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")


def test_the_throttle_forgets_after_its_window():
    throttle = Throttle()
    for second in range(TRIES):
        assert throttle.take_try({"key": TRIES}, float(second)) == 0.0

    assert throttle.take_try({"key": TRIES}, 10.0) == WINDOW_SECONDS - 10.0
    assert throttle.take_try({"other": TRIES}, 10.0) == 0.0
    assert throttle.take_try({"key": TRIES}, WINDOW_SECONDS + 1.0) == 0.0


def test_a_try_of_two_keys_is_taken_of_both_or_of_none():
    throttle = Throttle()
    throttle.take_try({"narrow": 1, "wide": 9}, 0.0)

    assert throttle.take_try({"narrow": 1, "wide": 9}, 1.0) == WINDOW_SECONDS - 1.0
    assert [
        throttle.take_try({"wide": 2}, 2.0),
        throttle.take_try({"wide": 2}, 3.0),
    ] == [
        0.0,
        WINDOW_SECONDS - 3.0,
    ]
