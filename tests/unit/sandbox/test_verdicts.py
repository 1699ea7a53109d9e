"""What becomes of each record of an upload."""

import pytest

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import verdicts
from clevertap_sync.sandbox.limits import VALUE_BYTES
from clevertap_sync.sandbox.rules import Rules
from clevertap_sync.sandbox.validation import check
from tests.harness.process import PATIENCE_SECONDS

# Each wrong record with the code that refuses it. A value of `...` leaves a field out.
REFUSED = [
    ({"type": "evnt"}, 524),
    ({"type": ...}, 524),
    ({"identity": ...}, 523),
    ({"identity": ""}, 523),
    ({"identity": " "}, 523),
    ({"identity": None}, 523),
    ({"identity": True}, 523),
    ({"identity": 0}, 523),
    ({"identity": " NULL "}, 523),
    ({"identity": "x" * 1025}, 523),
    ({"objectId": "__h42"}, 523),
    ({"identity": ..., "objectId": "with a blank"}, 526),
    ({"evtName": ...}, 509),
    ({"evtName": ""}, 509),
    ({"evtName": " "}, 509),
    ({"evtName": 1}, 509),
    ({"evtData": ...}, 512),
    ({"evtData": None}, 512),
    ({"evtData": []}, 512),
    ({"evtName": "x" * 513}, 512),
    ({"evtName": "Referred: Gold"}, 512),
    ({"evtName": "App Launched"}, 513),
    ({"evtName": "applaunched"}, 513),
    ({"evtName": "WEB PAGE VIEWED"}, 513),
    ({"evtName": "App Installed"}, 513),
    ({"ts": 0}, 525),
    ({"ts": -1}, 525),
    ({"ts": "1700000000"}, 525),
    ({"ts": 1700000000.5}, 525),
    ({"ts": True}, 525),
    ({"ts": None}, 525),
    ({"ts": 1_700_000_000_000}, 525),
    ({"evtData": {f"p{n}": n for n in range(101)}}, 522),
    ({"evtData": {"k" * 121: 1}}, 512),
    ({"evtData": {"": 1}}, 512),
    ({"evtData": {"a.b": 1}}, 512),
    ({"evtData": {"a": "x" * (VALUE_BYTES + 1)}}, 512),
    ({"evtData": {"a": "é" * (VALUE_BYTES // 2 + 1)}}, 512),
    ({"evtData": {"a": None}}, 512),
    ({"evtData": {"a": [1]}}, 512),
    ({"evtData": {"a": {}}}, 512),
    ({"evtName": "Charged", "evtData": {"Items": [1]}}, 512),
]

ACCEPTED = [
    {},
    {"ts": ...},
    {"identity": 42},
    {"identity": "x" * 1024},
    {"identity": " ann "},
    {"identity": ..., "objectId": "__h42-a(b)!:@$_"},
    {"identity": ..., "FBID": "42"},
    {"evtData": {}},
    {"evtData": {f"p{n}": n for n in range(100)}},
    {
        "evtData": {
            "k" * 120: "x" * VALUE_BYTES,
            "e": "é" * (VALUE_BYTES // 2),
            "f": 1.5,
            "b": False,
        }
    },
    {"evtName": "x" * 512},
    {"evtName": "Referred App Installed"},
    {"evtName": "charged", "evtData": {"Items": [{"sku": "a"}]}},
    {"$source": "partner"},
]


@pytest.mark.parametrize(("changes", "code"), REFUSED)
def test_a_wrong_record_is_refused_with_its_code(a_record, changes, code):
    refusal = check(a_record(**changes), Rules())

    assert refusal is not None
    assert refusal.code == code


@pytest.mark.parametrize("changes", ACCEPTED)
def test_a_right_record_is_accepted(a_record, changes):
    assert check(a_record(**changes), Rules()) is None


@pytest.mark.parametrize("value", [None, 1, "event", []])
def test_what_is_no_object_is_neither_event_nor_profile(value):
    refusal = check(value, Rules())

    assert refusal is not None
    assert refusal.code == 524


def test_the_first_check_that_fails_gives_the_code(a_record):
    wrong = a_record(
        type="x",
        identity="",
        evtName="",
        evtData={f"p{n}": [n] for n in range(101)},
        ts=0,
    )
    codes = []
    repairs: tuple[dict[str, object], ...] = (
        {"type": "event"},
        {"identity": ..., "objectId": "a b"},
        {"identity": "ann", "objectId": ...},
        {"evtName": "App Launched", "evtData": 1},
        {"evtData": {f"p{n}": [n] for n in range(101)}},
        {"evtName": "Gone"},
        {"ts": 1},
        {"evtData": {"p": [1]}},
        {"evtData": {}},
        {"evtName": "Kept"},
    )
    for repair in repairs:
        refusal = check(wrong, Rules(discarded_names=("g o n e",)))
        codes.append(refusal and refusal.code)
        wrong.update(repair)
        wrong = {key: value for key, value in wrong.items() if value is not ...}

    assert codes == [524, 523, 526, 509, 512, 513, 525, 522, 512, 528]
    assert check(wrong, Rules(discarded_names=("g o n e",))) is None


@pytest.mark.parametrize(
    ("rules", "changes"),
    [
        (Rules(properties=256), {"evtData": {f"p{n}": n for n in range(256)}}),
        (Rules(long_keys="accept"), {"evtData": {"k" * 121: 1}}),
        (Rules(long_values="accept"), {"evtData": {"a": "x" * (VALUE_BYTES + 1)}}),
        (Rules(value_bytes=1024), {"evtData": {"a": "x" * 1024}}),
        (Rules(long_names="accept"), {"evtName": "x" * 513}),
        (Rules(prohibited_characters="accept"), {"evtName": "A: B"}),
        (Rules(nulls="accept"), {"evtData": {"a": None}}),
        (Rules(nested="accept"), {"evtData": {"a": {"b": {"c": [1]}}}}),
        (Rules(milliseconds="accept"), {"ts": 1_700_000_000_000}),
        (Rules(several_identities="accept"), {"FBID": "1"}),
        (Rules(system_names="accept"), {"evtName": "App Installed"}),
    ],
)
def test_a_strict_rule_can_be_relaxed(a_record, rules, changes):
    record = a_record(**changes)

    assert check(record, Rules()) is not None
    assert check(record, rules) is None


@pytest.mark.parametrize(
    "data",
    [
        {"a": {"b": {"c": {"d": {}}}}},
        {f"p{n}": [n] for n in range(6)},
        {"a": ["x" * 1024] * 129},
    ],
)
def test_nested_data_has_limits_where_it_is_allowed(a_record, data):
    refusal = check(a_record(evtData=data), Rules(nested="accept"))

    assert refusal is not None
    assert refusal.code == 512


def test_every_code_has_a_wording_that_ends_in_the_number():
    codes = [509, *range(512, 521), 522, 523, 524, 525, 526, 528, 555]

    for code in codes:
        assert verdicts.wording(code, 7).endswith("Skipped record number : 7")
    assert verdicts.wording(513, 1) == (
        "Event Name is incorrect. ErrorCode: 513 - Trying to raise a restricted system "
        "event. Skipped record number : 1"
    )


def test_good_neighbours_of_a_refused_record_are_stored(sandbox, caller, a_record):
    first, wrong, last = a_record(), a_record(ts=0), a_record(identity="bob")

    answer = caller.upload(first, wrong, last).json()

    assert (answer["status"], answer["processed"]) == ("partial", 2)
    assert answer["unprocessed"] == [
        {
            "status": "fail",
            "code": 525,
            "error": "Timestamp should be present in the Unix Epoch format. "
            "Skipped record number : 2",
            "record": wrong,
        }
    ]
    assert sandbox.records() == [first, last]


def test_a_numeric_identity_is_echoed_as_text(caller, a_record):
    answer = caller.upload(a_record(identity=42, ts=0)).json()

    assert answer["unprocessed"][0]["record"]["identity"] == "42"


def test_a_thousand_records_are_taken_and_one_more_is_not(sandbox, caller, a_record):
    records = [a_record(identity=f"user{n}") for n in range(1_001)]

    assert caller.upload(*records).status_code == 400
    assert sandbox.records() == []
    assert caller.upload(*records[:1_000]).json()["processed"] == 1_000
    assert sandbox.records() == records[:1_000]


def test_a_dry_run_gets_the_same_answer_and_stores_nothing(sandbox, caller, a_record):
    records = [a_record(), a_record(evtName="")]

    rehearsal = caller.upload(*records, dry_run=True)

    assert sandbox.records() == []
    assert sandbox.counts() == {}
    assert rehearsal.content == caller.upload(*records).content
    assert sandbox.records() == records[:1]


def test_repeated_records_are_counted_again(sandbox, caller, a_record):
    for _ in range(3):
        caller.upload(a_record(), a_record())

    assert sandbox.counts() == {("ann@example.com", "Referred App Install"): 6}


def test_event_names_that_differ_in_case_and_blanks_are_one(sandbox, caller, a_record):
    caller.upload(a_record(), a_record(evtName="referredAPPinstall"))

    assert sandbox.counts() == {("ann@example.com", "Referred App Install"): 2}


def test_every_location_has_an_account_of_its_own(sandbox, make_caller, a_record):
    for number, location in enumerate(Location, 1):
        make_caller(location).upload(a_record(identity=f"user{number}"))

        assert [each["identity"] for each in sandbox.records(location)] == [
            f"user{number}"
        ]
    assert len(sandbox.records()) == len(Location)


def test_an_account_of_another_location_is_unknown(sandbox, make_caller, a_record):
    caller = make_caller(Location.IN1)
    caller.base = sandbox.base_url(Location.US1)

    answer = caller.upload(a_record())

    assert answer.status_code == 401
    assert answer.json()["error"] == "Account ID is not valid"
    assert sandbox.records() == []


def test_an_address_without_a_location_means_the_default_one(sandbox, caller, a_record):
    caller.base = sandbox.url

    assert caller.upload(a_record()).status_code == 200
    assert sandbox.records(Location.EU1) == [a_record()]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/eu1/1/upload", 405),
        ("PUT", "/eu1/1/upload", 405),
        ("POST", "/eu1/1/upload/", 404),
        ("POST", "/eu1/2/upload", 404),
        ("POST", "/xx1/1/upload", 404),
        ("POST", "/eu1/1/profile.json", 405),
        ("GET", "/favicon.ico", 404),
    ],
)
def test_other_paths_and_methods_are_refused(sandbox, method, path, status):
    import requests

    answer = requests.request(
        method, sandbox.url + path, data=b"x", timeout=PATIENCE_SECONDS
    )

    assert answer.status_code == status
    assert sandbox.requests() == []


def test_a_body_that_is_not_declared_as_json_is_malformed(sandbox, caller, a_record):
    headers = {"Content-Type": "text/plain"}

    assert caller.upload(a_record(), headers=headers).status_code == 400

    sandbox.switch(other_content_types="accept")
    assert caller.upload(a_record(), headers=headers).status_code == 200


def test_a_body_without_a_length_or_over_the_limit_is_refused(sandbox, caller):
    assert caller.post(iter([b"{}"])).status_code == 411

    sandbox.switch(body_bytes=10)
    assert caller.post(b" " * 11).status_code == 413
    assert caller.post(b'{"d":[]}  ').status_code == 200


def test_names_over_the_account_limit_are_accepted_and_lost(sandbox, caller, a_record):
    sandbox.switch(event_types=1)

    answer = caller.upload(
        a_record(), a_record(evtName="Second"), a_record(), a_record(evtName="Second")
    )

    assert answer.json() == {"status": "success", "processed": 4, "unprocessed": []}
    assert len(sandbox.records()) == 2
    assert [each.event_name for each in sandbox.lost()] == ["Second", "Second"]
    state = sandbox.state()
    assert (state["records_accepted"], state["records_dropped"]) == (4, 2)
