"""By which labels a request's duration counts: none that its caller can multiply."""

import pytest

from clevertap_sync.process import duration_counts
from integration_project.observability.request_durations import (
    count_refused_early,
    count_request,
)


def counted():
    """Return the labels that were counted."""
    return [series.labels for series in duration_counts.take_durations()]


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


def test_a_refusal_at_the_door_of_the_api_is_among_its_routes():
    count_refused_early("POST", 503, 4.5, is_api=True)
    count_refused_early("GET", 503, 4.5, is_api=False)

    assert counted() == [
        ("/v1/(not served)", "POST", "5xx"),
        ("(not served)", "GET", "5xx"),
    ]
