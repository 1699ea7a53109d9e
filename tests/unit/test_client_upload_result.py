"""A 200 is read record by record: by its list, never by its status."""

import json
import random
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from clevertap_sync.clevertap.client.answer import HttpAnswer
from clevertap_sync.clevertap.client.upload_result import read_result
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    MalformedResponseError,
    RequestRejectedError,
    ServerError,
    TooManyRequestsError,
)

RESTRICTED = "Event Name is incorrect. ErrorCode: 513 - Trying to raise a restricted system event."


def _record(
    identity="ann@example.com", ts=1795435200, name="Referred App Install", **data
):
    return {
        "identity": identity,
        "ts": ts,
        "type": "event",
        "evtName": name,
        "evtData": data or {"Channel": "whatsapp", "Status": "valid"},
    }  # fmt: skip


def _three():
    return [_record("ann@example.com"), _record("42"), _record("+35922333232")]


def _entry(number=None, code=513, error=RESTRICTED, **more):
    text = error if number is None else f"{error} Skipped record number : {number}"
    return {"status": "fail", "code": code, "error": text, **more}


def _read(envelope, records):
    body = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    encoded = [json.dumps(record).encode() for record in records]
    result = read_result(HttpAnswer(200, {}, body), encoded)
    if isinstance(result, CleverTapError):
        raise result
    return result


def _envelope(entries, processed=None, status="partial"):
    return {"status": status, "processed": processed, "unprocessed": entries}


def _indexes(result):
    return [rejected.index for rejected in result.refused]


def test_a_success_accepts_every_record():
    result = _read(_envelope([], 3, "success"), _three())

    assert (result.accepted, result.refused) == (3, ())
    assert not result.miscounted
    assert result.status == 200


def test_a_refused_record_leaves_its_neighbours_accepted():
    result = _read(_envelope([_entry(2)], 2), _three())

    assert result.accepted == 2
    assert not result.miscounted
    [rejected] = result.refused
    assert (rejected.index, rejected.code) == (1, 513)
    assert rejected.message == RESTRICTED


def test_all_refused():
    result = _read(_envelope([_entry(n) for n in (3, 1, 2)], 0, "fail"), _three())

    assert result.accepted == 0
    assert _indexes(result) == [2, 0, 1]
    assert not result.miscounted


def test_success_in_the_shape_of_2017_is_no_success():
    records = _three()
    entries = [
        _entry(n, 525, record=json.dumps(r)) for n, r in enumerate(records, start=1)
    ]

    result = _read(_envelope(entries, 0, "success"), records)

    assert result.accepted == 0
    assert _indexes(result) == [0, 1, 2]
    assert {r.code for r in result.refused} == {525}


def test_an_entry_that_is_a_pair_of_record_and_error_names_its_record():
    records = _three()
    entries = [{json.dumps(records[1]): "Invalid identity"}]

    result = _read(_envelope(entries, 2, "success"), records)

    assert (result.accepted, _indexes(result)) == (2, [1])
    assert result.refused[0].message == "Invalid identity"


def test_the_status_does_not_matter_where_the_list_speaks():
    for status in ("success", "partial", "fail", "", None, 7):
        result = _read(_envelope([_entry(2)], 2, status), _three())

        assert (result.accepted, _indexes(result)) == (2, [1])


@pytest.mark.parametrize(
    "wording",
    [
        "Skipped record number : 2",
        "Skipped record number: 2",
        "skipped Record Number :2.",
        "Skipped record number 2",
        "Skipped record no. 2",
        "Skipped record #2",
        "Bad. Skipped record number : 2",
        "named 'record number : 3'. Skipped record number : 2",
    ],
)
def test_the_record_number_is_read_however_it_is_spelled(wording):
    result = _read(_envelope([_entry(error=wording)], 2), _three())

    assert _indexes(result) == [1]


def test_the_number_counts_more_than_the_echo():
    records = _three()

    result = _read(_envelope([_entry(2, record=records[0])], 2), records)

    assert _indexes(result) == [1]


@pytest.mark.parametrize("number", [0, 4, 1000, 999_999_999, 10**30])
def test_a_number_that_is_no_records_tells_nothing(number):
    result = _read(_envelope([_entry(number)], 2), _three())

    assert _indexes(result) == [None]
    assert result.accepted == 2


def test_a_number_that_is_no_records_leaves_the_echo_to_tell():
    records = _three()

    result = _read(_envelope([_entry(4, record=records[2])], 2), records)

    assert _indexes(result) == [2]


@pytest.mark.parametrize(
    "mutate",
    [
        lambda r: r,
        json.dumps,
        lambda r: dict(reversed(r.items())),
        lambda r: {**r, "identity": 35922333232},
        lambda r: {**r, "identity": 35922333232.0},
        lambda r: {**r, "identity": "35922333232"},
        lambda r: {**r, "ts": "1795435200"},
        lambda r: {**r, "evtData": {"Status": "valid"}},
        lambda r: {**r, "extra": True},
        lambda r: json.dumps({**r, "identity": 35922333232}),
    ],
    ids=["same", "text", "order", "int", "float", "no plus", "ts", "less", "more", "both"],
)  # fmt: skip
def test_an_echo_is_recognised_although_it_was_mutated(mutate):
    records = _three()

    result = _read(_envelope([_entry(record=mutate(records[2]))], 2), records)

    assert _indexes(result) == [2]


def test_a_mutated_echo_tells_two_events_of_the_same_user_and_second_apart():
    records = [_record("42", plan="gold"), _record("42", plan="silver")]
    echo = {**records[1], "identity": 42}

    result = _read(_envelope([_entry(record=echo)], 1), records)

    assert _indexes(result) == [1]


@pytest.mark.parametrize(
    "echo", [None, 7, [], "", "ann", "{", "[1]", {}, _record("nobody@example.com")]
)
def test_an_echo_of_nothing_that_was_sent_tells_nothing(echo):
    result = _read(_envelope([_entry(record=echo)], 2), _three())

    assert _indexes(result) == [None]


def test_an_echo_that_fits_two_different_records_tells_nothing():
    records = [_record("007"), _record("7"), _record("8")]

    result = _read(_envelope([_entry(record=_record(7))], 2), records)

    assert _indexes(result) == [None]


def test_echoes_of_twins_are_two_records():
    twin = _record("twin")
    records = [twin, _record("other"), twin]

    one = _read(_envelope([_entry(record=twin)], 2), records)
    both = _read(_envelope([_entry(record=twin), _entry(record=twin)], 1), records)

    assert _indexes(one) == [0]
    assert sorted(_indexes(both)) == [0, 2]
    assert both.accepted == 1


def test_the_same_record_twice_counts_once():
    records = _three()
    entries = [
        _entry(2),
        _entry(2, 523),
        _entry(record=records[1]),
        _entry(3),
        _entry(record=records[2]),
    ]

    result = _read(_envelope(entries, 1), records)

    assert _indexes(result) == [1, 2]
    assert result.refused[0].code == 513
    assert result.accepted == 1
    assert result.miscounted


def test_more_refusals_than_records_never_refuse_more_than_was_sent():
    result = _read(_envelope([_entry()] * 7, 0), _three())

    assert len(result.refused) == 3
    assert result.accepted == 0
    assert result.miscounted


def test_the_only_record_left_is_the_one_that_a_nameless_refusal_is_about():
    alone = _read(_envelope([_entry()], 0), [_record()])
    last = _read(_envelope([_entry(1), _entry(3), _entry(code=523)], 0), _three())

    assert _indexes(alone) == [0]
    assert [(r.index, r.code) for r in last.refused] == [(0, 513), (2, 513), (1, 523)]


def test_nameless_refusals_that_differ_are_not_shared_out_by_guessing():
    entries = [_entry(code=513), _entry(code=523), _entry(2)]

    result = _read(_envelope(entries, 0), _three())

    assert _indexes(result) == [None, None, 1]
    assert result.accepted == 0


@pytest.mark.parametrize("entry", ["text", None, 7, [], {}, {"error": 7, "code": []}])
def test_an_entry_of_another_shape_is_a_refusal_all_the_same(entry):
    result = _read(_envelope([entry], 2), _three())

    [rejected] = result.refused
    assert (rejected.index, rejected.code) == (None, None)
    assert result.accepted == 2


def test_an_entry_that_is_a_bare_text_tells_its_record():
    text = "ErrorCode: 509 - Event name is mandatory. Skipped record number : 3"

    result = _read(_envelope([text], 2), _three())

    assert [(r.index, r.code) for r in result.refused] == [(2, 509)]


@pytest.mark.parametrize(
    ("code", "read"),
    [(513, 513), ("513", 513), (None, 513), (True, 513), ("x", 513), (555, 555)],
    ids=repr,
)
def test_the_code_is_read_from_its_field_or_else_from_the_text(code, read):
    result = _read(_envelope([_entry(1, code)], 2), _three())

    assert result.refused[0].code == read


@pytest.mark.parametrize("processed", [1, 3, 0, -1, None, "2", True, 2.0, 10**30])
def test_a_count_that_does_not_add_up_leaves_the_list_to_decide(processed):
    result = _read(_envelope([_entry(2)], processed), _three())

    assert result.miscounted
    assert (result.accepted, _indexes(result)) == (2, [1])


def test_a_missing_list_with_the_full_count_is_a_success():
    result = _read({"status": "success", "processed": 3}, _three())

    assert (result.accepted, result.miscounted) == (3, False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"OK",
        b"<html><title>ann</title></html>",
        b'{"status":"success","processed":3,"unprocessed":[',
        b"[]",
        b"null",
        b"7",
        b'"success"',
        b"{}",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"9" * 5000,
        b'{"status":"success"}',
        b'{"status":"success","processed":3,"unprocessed":{}}',
        b'{"status":"success","processed":3,"unprocessed":"none"}',
        b'{"status":"fail","processed":0,"unprocessed":[]}',
        b'{"status":"fail","processed":0}',
        b'{"status":"success","processed":0,"unprocessed":[]}',
        b'{"status":"fail","processed":3,"unprocessed":[]}',
        b'{"status":"fail","error":"x"}',
        b'{"status":"fail","error":"x","code":200}',
        b'{"status":"fail","error":"x","code":302}',
        b'{"status":"fail","error":"x","code":513}',
        b'{"status":"fail","error":"x","code":[401]}',
        b'{"status":"fail","error":"x","code":4002}',
    ],
    ids=lambda body: body[:60].decode("latin-1"),
)
def test_a_200_that_does_not_say_which_were_stored_is_malformed(body):
    with pytest.raises(MalformedResponseError) as caught:
        _read(body, _three())

    assert caught.value.status == 200
    assert caught.value.outcome_unknown
    assert caught.value.detail
    assert "ann" not in caught.value.detail


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (401, AuthenticationError),
        ("401", AuthenticationError),
        (400, RequestRejectedError),
        (429, TooManyRequestsError),
        (503, ServerError),
    ],
    ids=repr,
)
def test_a_refusal_in_the_clothes_of_a_200_is_read_by_its_code(code, error):
    envelope = {"status": "fail", "error": "Invalid Credentials", "code": code}

    with pytest.raises(error) as caught:
        _read(envelope, _three())

    assert caught.value.status == 200
    assert caught.value.detail == f"code {code}: Invalid Credentials"


def test_an_echo_that_is_nested_too_deeply_is_malformed():
    deep = b'{"a":' * 900 + b"1" + b"}" * 900
    body = b'{"processed":2,"unprocessed":[{"record":' + deep + b"}]}"

    try:
        result = _read(body, _three())
    except MalformedResponseError:
        return
    assert _indexes(result) == [None]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("Email is not valid.Skipped record number : 2", "Email is not valid."),
        ("Skipped record number : 2", ""),
        ("a\x00b\r\nc. Skipped record number : 2", "a b c."),
        ("Identity 42 is bad. Skipped record number : 2", "Identity •••• is bad."),
        ("x" * 1000, "x" * 300),
        ("no ann@elsewhere.example", "no ••••"),
        ("plan Subscription-Gold is bad", "plan •••• is bad"),
        (RESTRICTED, RESTRICTED),
    ],
    ids=lambda text: text[:30],
)
def test_the_message_is_clevertaps_wording_without_the_record(error, message):
    records = [_record("ann"), _record("42", plan="subscription-gold"), _record("bob")]

    result = _read(_envelope([_entry(error=error, record=records[1])], 2), records)

    assert [(r.index, r.message) for r in result.refused] == [(1, message)]


def test_the_message_of_an_unknown_record_shows_no_ones_identity():
    result = _read(_envelope([_entry(error="42 or Ann@example.com")], 2), _three())

    assert [(r.index, r.message) for r in result.refused] == [(None, "•••• or ••••")]


def test_a_thousand_refusals_are_read_quickly_enough_to_be_read_at_all():
    records = [_record(f"user-{n}@example.com", ts=n) for n in range(1, 1001)]
    entries = [_entry(record=record) for record in records]

    result = _read(_envelope(entries, 0, "fail"), records)

    assert _indexes(result) == list(range(1000))


def test_an_echo_without_its_plus_names_its_record_whatever_the_identity_is():
    records = [_record("0@example.com", ts=1), _record("+@example.com", ts=2)]
    echo = {**records[1], "identity": "@example.com"}

    result = _read(_envelope([_entry(record=echo)], 1, "partial"), records)

    assert _indexes(result) == [1]


# Every mutation that was seen in recorded answers, and then some.
_MUTATIONS = [
    lambda echo: echo,
    lambda echo: dict(sorted(echo.items())),
    lambda echo: dict(reversed(echo.items())),
    lambda echo: {**echo, "ts": str(echo["ts"])},
    lambda echo: {**echo, "evtData": None},
    lambda echo: {**echo, "identity": _as_number(echo["identity"])},
    lambda echo: {**echo, "identity": echo["identity"].lstrip("+")},
]


def _as_number(identity):
    digits = identity.lstrip("+")
    return int(digits) if digits.isascii() and digits.isdigit() else identity


IDENTITIES = st.one_of(
    st.text("aZ09.+-_'", min_size=1, max_size=20).map("{}@example.com".format),
    st.from_regex(r"\+?[1-9][0-9]{0,14}", fullmatch=True),
    st.text(min_size=1, max_size=20),
)


@given(
    identities=st.lists(IDENTITIES, min_size=1, max_size=12),
    choice=st.data(),
    seed=st.randoms(use_true_random=False),
)
def test_any_refusals_in_any_order_with_any_echo_name_their_records(
    identities, choice, seed
):
    records = [_record(who, ts=1795435200 + n) for n, who in enumerate(identities)]
    refused = choice.draw(st.sets(st.sampled_from(range(len(records)))))
    entries = []
    for index in refused:
        echo = seed.choice(_MUTATIONS)(records[index])
        echo = json.dumps(echo) if seed.random() < 0.3 else echo
        by_number = seed.random() < 0.5
        entry = _entry(index + 1) if by_number else _entry(record=echo)
        if by_number and seed.random() < 0.5:
            entry["record"] = echo
        entries.append((index, entry))
    seed.shuffle(entries)
    processed = len(records) - len(refused)
    status = "partial" if processed else "fail"

    result = _read(_envelope([e for _, e in entries], processed, status), records)

    assert _indexes(result) == [index for index, _ in entries]
    assert result.accepted == processed
    assert not result.miscounted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "code": JSON,
        "error": JSON | st.integers(-1, 5).map("Skipped record number : {}".format),
        "record": JSON | st.sampled_from(_three()),
    },
)


@given(
    entries=st.lists(ENTRY | JSON, max_size=5) | JSON,
    processed=JSON | st.integers(0, 4),
    more=st.dictionaries(st.sampled_from(["status", "code", "error"]), JSON),
)
def test_nothing_that_clevertap_answers_breaks_the_reader_or_its_sums(
    entries, processed, more
):
    envelope = {**more, "unprocessed": entries, "processed": processed}

    try:
        result = _read(envelope, _three())
    except CleverTapError as error:
        assert error.status == 200  # noqa: PT017 - it need not be raised
        return

    assert result.accepted + len(result.refused) == 3
    known = Counter(r.index for r in result.refused if r.index is not None)
    assert set(known) <= {0, 1, 2}
    assert set(known.values()) <= {1}


def test_the_order_of_refusals_does_not_matter():
    records = _three()
    entries = [_entry(1), _entry(record=records[1]), _entry(3)]
    for _ in range(6):
        random.shuffle(entries)

        assert set(_indexes(_read(_envelope(entries, 0), records))) == {0, 1, 2}
