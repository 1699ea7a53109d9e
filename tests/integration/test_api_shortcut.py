"""An API call goes past what only pages need, and misses nothing by it."""

import json

import pytest
import sentry_sdk
from django.contrib.auth import get_user_model
from django.http import HttpResponse

from integration_project.wsgi import application
from referrals.api import urls
from tests import builders
from tests.builders import a_sent_event
from tests.integration.hooks.wire import make_environ

pytestmark = pytest.mark.django_db


def test_a_call_looks_at_no_session(client, django_assert_max_num_queries):
    client.force_login(get_user_model().objects.create_user("ann"))
    with django_assert_max_num_queries(0):
        answer = client.get("/v1/nothing-here")

    assert answer.status_code == 404
    assert not hasattr(answer.wsgi_request, "session")
    assert not answer.cookies


def test_a_login_is_no_key(client):
    client.force_login(get_user_model().objects.create_superuser("ann"))

    answer = client.post("/v1/events", json.dumps(a_sent_event()), "application/json")

    assert answer.status_code == 401


def test_an_answer_says_how_long_it_is_and_keeps_its_headers(client):
    key = builders.an_api_key(builders.an_app("shop"))

    answer = client.post(
        "/v1/events",
        json.dumps(a_sent_event()),
        "application/json",
        headers={"Authorization": f"Bearer {key}"},
    )

    assert answer.status_code == 202
    assert int(answer["Content-Length"]) == len(answer.content)
    assert answer["X-Request-Id"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]


def test_an_unknown_host_is_refused(client, settings):
    settings.ALLOWED_HOSTS = ["events.example.com"]

    answer = client.get("/v1/events/e-1", headers={"Host": "evil.example.com"})

    assert answer.status_code == 400


def test_every_view_there_answers_for_its_own_exceptions():
    views = [p for p in urls.urlpatterns if "v1" in str(p.pattern)]

    # What `api_view` makes takes no form's token, because it looks at no cookie.
    assert len(views) == 5
    assert all(getattr(view.callback, "csrf_exempt", False) for view in views)


class _Kept(sentry_sdk.transport.Transport):
    """Sends nothing."""

    def capture_envelope(self, envelope):
        pass


@pytest.mark.parametrize(
    ("path", "view"),
    [("/v1/events/e-1", "show_event"), ("/v1/nothing", "refuse_unknown_address")],
)
def test_a_report_names_the_view_and_does_so_for_this_request_alone(
    monkeypatch, path, view
):
    named = []

    def answer(_request):
        named.append(sentry_sdk.get_current_scope()._transaction)
        return HttpResponse()

    monkeypatch.setattr(application, "_answer", answer)
    with sentry_sdk.new_scope() as scope:
        scope.set_client(
            sentry_sdk.Client(
                "http://key@127.0.0.1/1", transport=_Kept, default_integrations=False
            )
        )
        application(make_environ("GET", path.encode()), lambda *_: None)
        after = sentry_sdk.get_current_scope()._transaction

    assert named == [f"referrals.api.views.{view}"]
    assert after is None
