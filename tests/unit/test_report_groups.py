"""Which error reports are one issue, and how many of one are sent."""

import logging

import pytest

from clevertap_sync.process.delivery_faults import describe_fault, naming_integration
from integration_project.observability.report_groups import (
    SECONDS_BETWEEN,
    DeliveryFault,
    ReportLimit,
    describe_kind,
    find_delivery_fault,
)


def raised(error, integration_id):
    with pytest.raises(type(error)), naming_integration(integration_id):
        raise error
    return type(error), error, error.__traceback__


def a_line(**extra):
    line = logging.makeLogRecord({"msg": "It failed"})
    vars(line).update(extra)
    return line


def test_an_exception_says_whose_delivery_it_ended():
    found = find_delivery_fault({"exc_info": raised(KeyError("ann"), 7)})

    assert found == DeliveryFault(7, "KeyError")
    assert found.fingerprint == ["delivery", "integration 7", "KeyError"]
    assert found.tags == {"integration": "7", "fault": "KeyError"}


def test_a_log_line_says_it_too():
    line = a_line(**describe_fault(8, ValueError("ann")))

    assert find_delivery_fault({"log_record": line}) == (8, "ValueError")


def test_a_line_about_an_exception_is_about_whose_delivery_it_ended():
    hint = {"log_record": a_line(), "exc_info": raised(KeyError(), 7)}

    assert find_delivery_fault(hint) == (7, "KeyError")


@pytest.mark.parametrize(
    "hint",
    [
        {},
        {"exc_info": (None, None, None)},
        {"exc_info": (KeyError, KeyError("Integration 7"), None)},
        {"log_record": a_line(integration="shop")},
        {"log_record": a_line(integration_id="7", fault="KeyError")},
    ],
)
def test_anything_else_is_grouped_as_sentry_does(hint):
    assert find_delivery_fault(hint) is None


def test_an_issue_has_one_report_a_minute_and_holds_up_no_other():
    seconds = [1_000.0]
    limit = ReportLimit(clock=lambda: seconds[0])
    fault, other = DeliveryFault(7, "KeyError"), DeliveryFault(8, "KeyError")

    assert [limit.passes(each) for each in (fault, fault, other)] == [True, False, True]
    seconds[0] += SECONDS_BETWEEN
    assert [limit.passes(each) for each in (fault, fault)] == [True, False]


def a_report(template="Could not deliver to %s", error="KeyError", line=7, **more):
    frames = [{"module": "a", "lineno": 1}, {"module": "b", "lineno": line}]
    raised = {"type": error, "stacktrace": {"frames": frames}}
    return {
        "logger": "referrals",
        "logentry": {"message": template},
        "exception": {"values": [raised]},
        **more,
    }


def test_reports_from_one_place_are_of_one_kind_whatever_else_they_hold():
    kind = describe_kind(a_report())

    assert describe_kind(a_report(transaction="other", event_id="2")) == kind
    others = (
        a_report(template="It failed"),
        a_report(error="ValueError"),
        a_report(line=8),
        a_report(logger="clevertap_sync"),
        a_report(exception=None),
    )
    assert kind not in map(describe_kind, others)


def test_a_report_of_almost_nothing_is_of_a_kind():
    assert describe_kind({}) == describe_kind({"exception": {"values": []}})
    assert describe_kind({"exception": {"values": [{"type": "KeyError"}]}})
