"""A row of a platform's export says what its call says."""

import copy
from contextlib import suppress

import pytest
from hypothesis import given, settings, strategies as st

from referrals.rules import BrokenRuleError
from referrals.sources.exports import read_export_row

TOUCH = "last_attributed_touch_data"
NAMES = st.sampled_from(
    [
        *("Event Name", "event-name", "channel", "af_channel", "Sub Param 1", ""),
        *(TOUCH, f"{TOUCH}_custom_fields", f"{TOUCH}_tilde_id", "user_data"),
        *("user_data_ip", "user_data_", "event_data_tax", "event_data", "custom_data"),
    ]
)
CELLS = (
    st.none() | st.booleans() | st.floats() | st.text(st.characters(), max_size=3)
) | st.sampled_from(["{}", "[", '{"a": 1}', {}, {"ip": "0" * 64}, {"ip": []}, [{}]])


def test_appsflyers_display_names_become_its_api_names():
    row = {
        "Event Name": "install",
        "AppsFlyer ID": "1",
        " Customer User ID ": "u-42",
        "Channel": "sms",
        "Sub Param 5": "u-7",
        "Is Retargeting": "false",
    }

    assert read_export_row("appsflyer", row) == {
        "event_name": "install",
        "appsflyer_id": "1",
        "customer_user_id": "u-42",
        "af_channel": "sms",
        "af_sub5": "u-7",
        "is_retargeting": "false",
    }


def test_an_api_name_that_is_there_is_not_replaced():
    row = {"af_channel": "sms", "channel": "other"}

    assert read_export_row("appsflyer", row) == row


def test_branchs_columns_become_objects():
    row = {
        "name": "INSTALL",
        f"{TOUCH}_tilde_feature": "referrals",
        f"{TOUCH}_plus_via_features": "x",
        f"{TOUCH}_dollar_3p": "y",
        "last_attributed_touch_timestamp": "1",
        "user_data_developer_identity": "u-42",
        "event_data_revenue": "9.90",
        "event_data_tax": "2",
        "event_data_coupon": "2",
    }

    assert read_export_row("branch", row) == {
        "name": "INSTALL",
        TOUCH: {"~feature": "referrals", "+via_features": "x", "$3p": "y"},
        "last_attributed_touch_timestamp": "1",
        "user_data": {"developer_identity": "u-42"},
        "event_data": {"revenue": 9.9, "tax": 2, "coupon": "2"},
    }


@pytest.mark.parametrize("custom", ['{"referrer":"u-7"}', {"referrer": "u-7"}])
def test_what_an_app_put_into_a_link_lies_beside_the_labels(custom):
    row = {f"{TOUCH}_custom_fields": custom, f"{TOUCH}_tilde_stage": "s"}

    assert read_export_row("branch", row) == {TOUCH: {"referrer": "u-7", "~stage": "s"}}


def test_a_call_of_branch_is_left_as_it_is():
    call = {"name": "CLICK", TOUCH: {"~id": 1}, "user_data": {"ip": "203.0.113.7"}}
    before = copy.deepcopy(call)

    assert read_export_row("branch", call) == before


@pytest.mark.parametrize("name", ["custom_data", f"{TOUCH}_custom_fields"])
@pytest.mark.parametrize("cell", ["{", '{"a":1,"a":2}', "\ud800"])
def test_json_that_cannot_be_read_is_refused(name, cell):
    with pytest.raises(BrokenRuleError) as refused:
        read_export_row("branch", {name: cell})

    assert refused.value.detail.startswith(f"In the column {name} should be JSON. ")


def test_link_data_that_is_no_object_is_refused():
    with pytest.raises(BrokenRuleError, match="should be a JSON object"):
        read_export_row("branch", {f"{TOUCH}_custom_fields": "[1]"})


@pytest.mark.parametrize(
    "row",
    [
        {TOUCH: 1, f"{TOUCH}_tilde_id": "2"},
        {TOUCH: 1, f"{TOUCH}_custom_fields": "{}"},
        {"user_data": 3},
    ],
)
def test_a_row_of_another_shape_is_left_to_the_mapping(row):
    assert set(read_export_row("branch", row)) <= {TOUCH, "user_data"}


def test_other_platforms_rows_stay_as_they_are():
    row = {"Event Name": "x"}

    assert read_export_row("custom", row) is row


@pytest.mark.parametrize("platform", ["appsflyer", "branch"])
@settings(max_examples=60)
@given(row=st.dictionaries(NAMES, CELLS, max_size=5))
def test_any_row_is_read_or_refused(platform, row):
    with suppress(BrokenRuleError):
        assert isinstance(read_export_row(platform, row), dict)
