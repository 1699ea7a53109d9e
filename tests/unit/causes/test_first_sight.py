import json
import shlex

import pytest

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.first_sight import (
    explain_first_sight,
    prove_first_sight,
)
from clevertap_sync.clevertap.causes.repeat import spell_query
from tests.unit.causes.simulator import DAYS, NAMES, schema_of

NAME = NAMES[0]
ROOM = schema_of("App Launched")


@pytest.mark.parametrize(
    ("schema", "facts", "code"),
    [
        (schema_of(others=512), {}, codes.EVENT_TYPES_FULL),
        (ROOM, {}, codes.NAME_UNKNOWN),
        (schema_of(NAME, status="discarded"), {}, codes.NAME_DISCARDED),
        (schema_of(NAME), {"shows_others": False}, codes.ACCOUNT_EMPTY),
        (schema_of(NAME), {"shows_others": True}, None),
        (schema_of(NAME), {}, None),
        (None, {}, None),
    ],
)
def test_the_likeliest_cause_of_a_name_that_does_not_show_is_named(schema, facts, code):
    cause = explain_first_sight(NAME, 12, schema, **facts)

    assert (cause and cause.code) == code
    assert cause is None or (cause.size, "12 records" in cause.sentence) == (-12, True)


@pytest.mark.parametrize(
    ("schema", "code"),
    [
        (schema_of(others=512), codes.EVENT_TYPES_FULL),
        (schema_of(NAME, others=512), None),
        (schema_of(NAME, status="discarded"), codes.NAME_DISCARDED),
        # It may only be late to show.
        (ROOM, None),
        (None, None),
    ],
)
def test_what_the_schema_proves_needs_no_half_hour(schema, code):
    cause = prove_first_sight(NAME, 12, schema)

    assert (cause and cause.code) == code


def test_the_query_to_repeat_by_hand_is_one_argument_of_curl():
    query = spell_query("Referred App Install", DAYS[0])

    assert json.loads(query) == {
        "event_name": "Referred App Install",
        "from": 20260303,
        "to": 20260303,
    }
    assert shlex.split(f"curl --data '{query}'") == ["curl", "--data", query]
