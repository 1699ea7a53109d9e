"""Pages that refuse: HTML with a sentence, and with the setting where it is one."""

import pytest
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection
from django.test import Client

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"


@pytest.fixture
def strict():
    """A browser whose forms are checked."""
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


def submit(client, **headers):
    token = client.get(LOGIN).cookies["csrftoken"].value
    form = {"username": "ann", "password": "hunter2", "csrfmiddlewaretoken": token}
    return client.post(LOGIN, form, headers=headers)


def assert_page(answer, status, *sentences):
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert '<meta name="viewport"' in answer.text
    assert "integration_project/admin.css" in answer.text
    assert "style=" not in answer.text
    for sentence in sentences:
        assert sentence in answer.text


def test_a_host_that_is_not_allowed_is_named_with_the_setting(client, settings):
    settings.ALLOWED_HOSTS = ["referrals.example.com"]

    answer = client.get(LOGIN, headers={"Host": "other.example.com"})

    assert_page(
        answer,
        400,
        "the host name &quot;other.example.com&quot;. Whoever runs it adds the name, "
        "without a port, to the setting ALLOWED_HOSTS.",
    )


def test_a_host_that_is_no_name_is_not_repeated(client):
    answer = client.get(LOGIN, headers={"Host": "<script>alert(1)</script>"})

    assert_page(answer, 400, "does not answer to that host name.")
    assert "alert(1)" not in answer.text


def test_while_the_database_is_away_a_page_says_so_and_who_can_look(admin_client):
    def refuse(*_):
        raise OperationalError

    admin_client.raise_request_exception = False
    with connection.execute_wrapper(refuse):
        answer = admin_client.get("/admin/machinery/")

    assert_page(
        answer,
        503,
        "The database did not answer",
        "whoever runs the server asks <code>python manage.py doctor</code>",
    )


def test_a_form_that_is_too_large_is_refused_with_a_sentence(client):
    fields = {f"field-{n}": "" for n in range(1_001)}

    answer = client.post(LOGIN, fields)

    assert_page(answer, 400, "It is too long, has too many fields, or is damaged.")


def test_a_page_that_is_not_there_says_so(client):
    assert_page(client.get("/nothing"), 404, "There is no such page")


def test_a_fault_names_the_request_and_looks_nothing_up(
    strict, monkeypatch, django_assert_num_queries
):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(
        "integration_project.admin_site.ReferralsAdminSite.each_context", fail
    )
    with django_assert_num_queries(0):
        answer = strict.get(LOGIN, headers={"X-Request-Id": "r-1"})

    assert_page(answer, 500, "<code>r-1</code>")


def test_https_that_the_server_was_not_told_of_is_named_with_its_setting(
    strict, caplog
):
    answer = submit(strict, Origin="https://testserver")

    assert_page(
        answer,
        403,
        "<code>SECURE_PROXY=true</code>",
        "<code>CSRF_TRUSTED_ORIGINS=https://testserver</code>",
        "Nothing was changed.",
    )
    assert "hunter2" not in answer.text
    (line,) = [r for r in caplog.records if r.name == "integration_project.error_pages"]
    assert line.levelname == "WARNING"
    assert "sets `SECURE_PROXY=true`" in line.getMessage()


def test_either_setting_mends_it(strict, settings):
    get_user_model().objects.create_superuser("ann", password="hunter2")

    settings.CSRF_TRUSTED_ORIGINS = ["https://testserver"]
    trusted = submit(strict, Origin="https://testserver")
    strict.logout()
    settings.CSRF_TRUSTED_ORIGINS = []
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    told = submit(
        strict, **{"Origin": "https://testserver", "X-Forwarded-Proto": "https"}
    )

    assert (trusted.status_code, told.status_code) == (302, 302)


def test_a_form_from_another_address_is_named_with_its_setting(strict):
    answer = submit(strict, Origin="http://outside.example.com")

    assert_page(
        answer, 403, "<code>CSRF_TRUSTED_ORIGINS=http://outside.example.com</code>"
    )
    assert "SECURE_PROXY" not in answer.text


@pytest.mark.parametrize("origin", ["null", "https://<b>", "https://" + "x" * 101])
def test_an_origin_that_is_no_address_is_not_repeated(strict, origin):
    answer = submit(strict, Origin=origin)

    assert_page(
        answer, 403, "<code>CSRF_TRUSTED_ORIGINS=https://referrals.example.com</code>"
    )
    assert "<b>" not in answer.text


def test_a_page_from_before_the_login_is_to_be_loaded_again(strict):
    strict.get(LOGIN)

    answer = strict.post(LOGIN, {"csrfmiddlewaretoken": "x" * 64})

    assert_page(answer, 403, "The page is older than your last login.")


def test_a_browser_without_cookies_is_told_to_allow_them(strict, caplog):
    answer = strict.post(LOGIN, {})

    assert_page(answer, 403, "The browser sent no cookie.")
    assert not [
        r for r in caplog.records if r.name == "integration_project.error_pages"
    ]


def test_a_browser_that_hides_where_it_comes_from_is_told(strict):
    strict.get(LOGIN)

    answer = strict.post(LOGIN, {}, secure=True)

    assert_page(answer, 403, "did not say from which page the form comes")
