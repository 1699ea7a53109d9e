"""How an attempt's log line names the requests that brought what was sent."""

import logging

import pytest

from clevertap_sync.delivery.attempt_line import log_attempt
from clevertap_sync.delivery.send import RequestOutcome
from clevertap_sync.delivery.work import Sending
from clevertap_sync.models import Attempt, Integration
from integration_project.observability.formatters import list_public_fields
from referrals.models import App


def names_in_line(caplog, requests):
    """Return what a line has as `requests` and `requests_more`, as a collector gets it."""
    caplog.set_level(logging.INFO)
    integration = Integration(app=App(slug="shop"), name="default")
    sending = Sending(Attempt(pk=7, records=2, body_bytes=10), b"", 0.0)
    log_attempt(integration, None, sending, RequestOutcome(None, None, 0.1), requests)
    (line,) = caplog.records
    fields = list_public_fields(line)
    return fields.get("requests"), fields.get("requests_more")


@pytest.mark.parametrize(
    ("number", "shown", "more"),
    [(0, 0, None), (1, 1, None), (20, 20, None), (21, 20, 1)],
)
def test_the_first_twenty_are_named_and_the_others_counted(caplog, number, shown, more):
    names = [f"r-{n}" for n in range(number)]

    assert names_in_line(caplog, names) == (" ".join(names[:shown]) or None, more)


def test_the_longest_names_are_left_out_whole_and_none_is_cut(caplog):
    names = [f"{n:02}" + "~" * 126 for n in range(20)]

    assert names_in_line(caplog, names) == (" ".join(names[:15]), 5)
