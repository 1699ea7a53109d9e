"""By which labels a request's duration counts: none that its caller can multiply."""

import dataclasses

import pytest

from clevertap_sync.process import duration_counts
from integration_project.observability.request_durations import count_request
from integration_project.web import early_refusals
from integration_project.web.calls import read_call


def counted():
    """Return the labels that were counted."""
    return [labels for _, labels in duration_counts.take_durations()]


@pytest.mark.parametrize(
    ("answered", "labels"),
    [
        (("POST", "/v1/events", 202), ("/v1/events", "POST", "2xx")),
        (("GET", "/v1/events/<str:key>", 404), ("/v1/events/<str:key>", "GET", "4xx")),
        (("POST", "/v1/events", 503), ("/v1/events", "POST", "5xx")),
        (("GET", "(no route)", 404), ("(no route)", "GET", "4xx")),
        # What no address takes, and what this one does not.
        (("BREW", "(no route)", 404), ("(no route)", "other", "4xx")),
        (("DELETE", "/v1/events", 405), ("/v1/events", "other", "4xx")),
        # The API's pattern for everything else.
        (("GET", r"/^(?:/*)v1(?:/|\Z)", 404), ("(no route)", "GET", "4xx")),
        # Pages: those that answered are told apart.
        (("GET", "/admin/a/b/", 200), ("/admin/a/b/", "GET", "2xx")),
        (("GET", "/admin/a/b/", 500), ("/admin/a/b/", "GET", "5xx")),
        (("GET", "/admin/a/b/", 302), ("/admin/", "GET", "3xx")),
        (("POST", "/admin/a/b/", 403), ("/admin/", "POST", "4xx")),
    ],
)
def test_a_request_counts_by_route_method_and_class(answered, labels):
    method, route, status = answered
    count_request(method, route, status, 0.2)

    assert counted() == [labels]


@pytest.mark.parametrize(
    ("path", "route"),
    [("/v1/events", "/v1/(not served)"), ("/admin/", "(not served)")],
)
def test_a_request_that_no_thread_took_counts_with_its_wait(path, route):
    call = read_call(
        {
            "method": "POST",
            "raw_path": path.encode(),
            "query_string": b"",
            "http_version": "1.1",
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "client": ("203.0.113.7", 4711),
            "headers": [],
        }
    )
    long_ago = dataclasses.replace(call, began=call.began - 7)

    early_refusals.answer_refusal(long_ago, early_refusals.make_busy_problem())

    (((_, labels), buckets),) = duration_counts.take_durations().items()
    assert labels == (route, "POST", "5xx")
    assert 7 <= sum(buckets.seconds) < 60
