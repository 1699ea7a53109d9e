"""A request's name on its way: from the call by the log to the attempt that delivers it."""

import json
from typing import Any

import pytest

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.sandbox.faults import Poison
from referrals import log
from referrals.models import ReferralEvent
from referrals.schema import check_object
from tests import builders
from tests.builders import a_sent_event
from tests.integration.hooks.calling import SEGMENT_INSTALL, call_hook, sample_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def integration(sandbox):
    """An enabled integration whose account is the sandbox's."""
    return builders.an_integration()


@pytest.fixture
def app():
    return builders.an_app("shop")


@pytest.fixture
def call_api(client, app):
    """Return a function that calls the API with the app's key."""
    key = builders.an_api_key(app)

    def call(path, body=None, *, method="post", **headers):
        return client.generic(
            method.upper(),
            path,
            b"" if body is None else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Bearer {key}", **headers},
        )

    return call


def requests_of(app):
    """Return the events' keys with the requests that brought them, in log order."""
    rows = ReferralEvent.objects.filter(app=app).order_by("position")
    return list(rows.values_list("key", "request_id"))


def lines_of(caplog):
    """Return of each attempt its records, its requests and how many more these are."""
    return [
        (
            line.records,
            getattr(line, "requests", None),
            getattr(line, "requests_more", None),
        )
        for line in caplog.records
        if line.name == "clevertap_sync.attempt"
    ]


# Into the log


def test_each_event_keeps_the_first_request_that_brought_it(call_api, app):
    sent = {"events": [a_sent_event(id="a"), a_sent_event(id="b")]}
    call_api("/v1/events", sent, **{"X-Request-Id": "import-42/7"})
    sent["events"].append(a_sent_event(id="c"))

    again = call_api("/v1/events", sent)

    name = again.headers["X-Request-Id"]
    assert requests_of(app) == [("a", "import-42/7"), ("b", "import-42/7"), ("c", name)]


def test_who_is_who_came_by_a_request_too(call_api, app):
    person = {"identities": {"email": "ann@example.com", "custom_id": "4711"}}

    answer = call_api(
        "/v1/people", person, method="put", **{"X-Request-Id": "people-1"}
    )

    assert answer.status_code == 202
    assert [name for _, name in requests_of(app)] == ["people-1"]


def test_a_call_of_a_hook_has_a_name_of_ours(client, app):
    source = builders.a_source(app, "branch")

    answer = call_hook(client, source, sample_of(source), **{"X-Request-Id": "theirs"})

    assert answer.status_code == 200
    assert [name for _, name in requests_of(app)] == [answer.headers["X-Request-Id"]]
    assert answer.headers["X-Request-Id"] != "theirs"


def test_a_call_of_an_sdk_has_its_name(call_api, app):
    answer = call_api(
        "/v1/segment/v1/track", SEGMENT_INSTALL, **{"X-Request-Id": "sdk-1"}
    )

    assert answer.status_code == 200
    assert requests_of(app) == [("seg.m-1", "sdk-1")]


def test_what_comes_by_no_request_has_none(app):
    log.append(app, [a_sent_event(id="a")])

    assert requests_of(app) == [("a", "")]


@pytest.mark.parametrize("name", ["\\N", "a\\tb\\", "~" * 128])
def test_any_name_that_a_request_may_have_is_kept_as_it_is(app, name):
    # The first is a row that is complete before the lock, the other one is not.
    sent = [a_sent_event(id="a"), a_sent_event(id="b", occurred_at=None)]
    log.append(app, sent, request_id=name)

    _, requests = log.read_events(app.pk, 1, 2)

    assert requests == [name, name]
    assert [each.request_id for each in log.read_positions(app.pk, [1, 2])] == requests
    assert [each.request_id for each in log.read_range(app.pk, 1, 2)] == requests


def test_what_was_prepared_for_later_keeps_its_request(app):
    events: list[Any] = [check_object(a_sent_event(id="a"))]
    prepared = log.prepare_for_later(app, events, builders.NOON, request_id="r-1")

    log.append_prepared(app, prepared, way="source:7")

    assert requests_of(app) == [("a", "r-1")]


def test_an_erasure_takes_the_name_along(app):
    log.append(app, [a_sent_event(id="a"), a_sent_event(id="b")], request_id="ann")

    log.erase_people(app.pk, [1])

    assert requests_of(app) == [("a", ""), ("b", "ann")]


# Out of it


def test_an_attempt_names_the_requests_in_log_order_each_once(integration, caplog):
    caplog.set_level("INFO")
    for name in ("r-2", "", "r-1", "r-2"):
        log.append(integration.app, [a_sent_event()], request_id=name)

    deliver(integration.pk)

    assert lines_of(caplog) == [(8, "r-2 r-1", None)]


def test_an_attempt_names_no_request_of_which_it_sends_nothing(integration, caplog):
    caplog.set_level("INFO")
    log.append(integration.app, [a_sent_event(test=True)], request_id="r-test")
    log.append(integration.app, [a_sent_event()], request_id="r-1")

    deliver(integration.pk)

    assert lines_of(caplog) == [(2, "r-1", None)]


def test_of_five_hundred_requests_twenty_are_named_and_the_others_counted(
    integration, caplog
):
    caplog.set_level("INFO")
    for number in range(500):
        log.append(integration.app, [a_sent_event()], request_id=f"r-{number}")

    deliver(integration.pk)

    first = " ".join(f"r-{number}" for number in range(20))
    assert lines_of(caplog) == [(1_000, first, 480)]


def test_a_part_names_the_requests_of_its_own_records(integration, sandbox, caplog):
    caplog.set_level("INFO")
    sandbox.switch(poison=(Poison(identity="poison@"),))
    poison = {"identities": {"email": "poison@example.com"}}
    log.append(integration.app, [a_sent_event(user=poison)], request_id="r-bad")
    log.append(integration.app, [a_sent_event()], request_id="r-good")

    deliver(integration.pk)

    lines = lines_of(caplog)
    assert lines[0] == (4, "r-bad r-good", None)
    assert (2, "r-good", None) in lines
    assert (1, "r-bad", None) in lines


# Where it is shown


def test_the_api_tells_which_request_brought_an_event(call_api, app):
    log.append(app, [a_sent_event(id="a")], request_id="r-1")
    log.append(app, [a_sent_event(id="b")])

    told = [call_api(f"/v1/events/{key}", method="get").json() for key in "ab"]

    assert [each["request_id"] for each in told] == ["r-1", None]


def test_an_event_s_page_shows_the_request_that_brought_it(admin_client, app):
    log.append(app, [a_sent_event()], request_id="r-<1>")
    log.append(app, [a_sent_event()])

    pages = [admin_client.get(f"/admin/events/shop/{n}/").text for n in (1, 2)]

    assert ["<dt>Request</dt>" in page for page in pages] == [True, False]
    assert "<code>r-&lt;1&gt;</code>" in pages[0]
