"""The codes of refusals: each has a remedy, and each rule gives its own."""

import json
from datetime import timedelta

import msgspec
import pytest

from referrals.api import problems
from referrals.files import read_csv
from referrals.log.results import (
    Result,
    Status,
    make_conflict,
    make_left_out,
    make_rejected,
)
from referrals.refusals import MEANINGS, REMEDIES, Code
from referrals.schema import EventProblem, check_object, decode_event
from tests.builders import NOON, a_sent_custom_event, a_sent_event
from tests.harness.commands import ROOT

REFERENCE_PAGE = (ROOT / "docs/reference/http-api.md").read_text(encoding="utf-8")
TWIST = {"identities": {"email": 7}}


def nested(levels):
    value = "end"
    for _ in range(levels):
        value = [value]
    return {"deep": value}


def code_of(event):
    problem = decode_event(json.dumps(event).encode(), now=NOON)
    assert isinstance(problem, EventProblem), "it was taken"
    return problem.code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"occurred_at": 1795428900000}, "milliseconds"),
        ({"occurred_at": (NOON + timedelta(days=2)).isoformat()}, "in_future"),
        ({"occurred_at": 5}, "too_early"),
        ({"occurred_at": "0001-01-01T00:00:00Z"}, "too_early"),
        ({"occurred_at": "yesterday"}, "bad_time"),
        ({"colour": "red"}, "unknown_field"),
        ({"user": {"email": "x@example.com"}}, "unknown_field"),
        ({"type": None}, "missing_field"),
        ({"id": None}, "missing_field"),
        ({"content": 7}, "wrong_type"),
        ({"user": "ann"}, "wrong_type"),
        ({"test": "yes"}, "wrong_type"),
        ({"type": "install"}, "unknown_value"),
        ({"via": "mail"}, "unknown_value"),
        ({"id": "a b"}, "bad_id"),
        ({"id": 7}, "bad_id"),
        ({"name": "X"}, "name_not_allowed"),
        ({"event_data": {"plan": "gold"}}, "event_data_not_allowed"),
        ({"user": None}, "no_user"),
        ({"referrer": None}, "no_referrer"),
        ({"user": TWIST}, "bad_identity"),
        ({"user": {"identities": {"": "x"}}}, "bad_identity"),
        ({"user": {"identities": []}}, "bad_identity"),
        ({"content": "x" * 33_000}, "event_too_large"),
        ({"metadata": {"k": "x" * 3_000}}, "metadata_too_large"),
        ({"metadata": nested(20)}, "too_deep"),
        ({"metadata": {"k": 2**64}}, "number_too_large"),
        ({"content": "a\0b"}, "bad_text"),
    ],
    ids=str,
)
def test_each_rule_has_its_own_code(changes, code):
    assert code_of(a_sent_event(**changes)) == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": None}, "bad_name"),
        ({"name": "x" * 256}, "bad_name"),
        ({"name": "app INSTALL"}, "name_of_built_in"),
    ],
    ids=str,
)
def test_a_custom_name_has_codes_of_its_own(changes, code):
    assert code_of(a_sent_custom_event(**changes)) == code


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (a_sent_event(metadata={"k": float("nan")}), "not_json"),
        (a_sent_event(metadata={"k": object()}), "not_json"),
        (a_sent_event(metadata={7: "x"}), "wrong_type"),
        (a_sent_event(content="\ud83c"), "bad_text"),
    ],
    ids=["NaN", "object", "key", "surrogate"],
)
def test_python_values_are_refused_with_codes_too(value, code):
    problem = check_object(value)

    assert isinstance(problem, EventProblem)
    assert problem.code == code


def test_bytes_that_are_no_json_are_so_called():
    assert decode_event(b"{").code == "not_json"


def test_whatever_python_gives_up_at_is_too_deep():
    # Python 3.13 does not, and our own limit is met behind it.
    event = msgspec.json.encode(a_sent_event(metadata={"k": None}))
    raw = event.replace(b"null", b"[" * 1_500 + b"]" * 1_500)

    assert decode_event(raw).code == "too_deep"


def test_rows_of_files_have_codes(tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(
        'id,metadata,metadata.x\na,{},1,2\nb,no,\nc,"{""x"":""2""}",1\n',
        encoding="utf-8",
    )

    with path.open("rb") as file:
        codes = [problem.code for _, problem in read_csv(file)]

    assert codes == ["bad_row", "wrong_type", "bad_row"]


def test_every_answer_that_refuses_has_its_code():
    problem = EventProblem(Code.NO_USER, "/user", "Say who did it.", "a")

    assert make_rejected(0, problem).code == "no_user"
    assert make_conflict(0, "a", 7).code == "conflict"
    assert make_left_out(1, "a", 0).code == "strict"
    assert Result(0, "a", Status.ACCEPTED, position=1).code is None


def test_a_code_is_written_as_its_word_and_left_out_where_there_is_none():
    refused = msgspec.json.decode(msgspec.json.encode(make_conflict(0, "a", 7)))
    taken = msgspec.json.encode(Result(0, "a", Status.ACCEPTED, position=1))

    assert refused["code"] == "conflict"
    assert b"code" not in taken


@pytest.mark.parametrize("code", Code, ids=str)
def test_every_code_has_a_meaning_a_remedy_and_a_line_in_the_docs(code):
    line = f"| {code} | {MEANINGS[code]} | {REMEDIES[code]} |".replace("`", "")

    assert REMEDIES[code].endswith(".")
    assert REFERENCE_PAGE.replace("`", "").splitlines().count(line) == 1


def test_a_problem_that_the_sender_causes_has_the_remedy_of_its_code():
    by_code = {kind.code: kind for kind in problems.PROBLEM_KINDS if kind.code}

    assert len(by_code) == 10
    for code, kind in by_code.items():
        assert kind.slug.replace("-", "_") == code
        assert kind.remedy == REMEDIES[code]
