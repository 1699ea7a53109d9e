"""Misbehaviour to order, as a client sees it."""

import contextlib
import gzip
import json
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import Sandbox, desk
from tests.harness.process import PATIENCE_SECONDS, wait_until
from tests.unit.sandbox.conftest import Caller


def raw_request(body, headers, *, promised=None):
    """Return an upload as it goes over the wire, of `promised` bytes (None: as it is)."""
    lines = [
        "POST /eu1/1/upload HTTP/1.1",
        "Host: x",
        f"Content-Length: {promised or len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def connected(sandbox):
    return socket.create_connection(("127.0.0.1", sandbox.port), PATIENCE_SECONDS)


def raw_answer(sandbox, caller, body, *, enough=1 << 16):
    """Return what comes over the wire, up to `enough` bytes."""
    received = b""
    with connected(sandbox) as connection:
        connection.sendall(raw_request(body, caller.headers))
        while len(received) < enough:
            chunk = connection.recv(1 << 16)
            if not chunk:
                break
            received += chunk
    return received


def test_a_scripted_answer_is_for_as_many_requests_as_it_says(
    sandbox, caller, a_record
):
    sandbox.answer(503, "busy", headers={"Retry-After": "7", "X-Who": "me"}, times=2)

    answers = [caller.upload(a_record()) for _ in range(3)]

    assert [each.status_code for each in answers] == [503, 503, 200]
    assert answers[0].text == "busy"
    assert answers[0].headers["Retry-After"] == "7"
    assert sandbox.records() == [a_record()]
    assert [each.status for each in sandbox.requests()] == [503, 503, 200]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, '{ "status" : "fail" , "error" : "Invalid Credentials" , "code" : 401}'),
        (
            429,
            (
                '{ "status" : "fail" , "error" : "Too many concurrent requests" , '
                '"code" : 429}'
            ),
        ),
        (503, '{ "status" : "fail" , "error" : "Please retry later" , "code" : 503}'),
    ],
)
def test_a_status_without_a_body_brings_the_usual_one(
    sandbox, caller, a_record, status, body
):
    sandbox.answer(status)

    answer = caller.upload(a_record())

    assert (answer.status_code, answer.text) == (status, body)


def test_a_gateway_answers_in_html(sandbox, caller, a_record):
    sandbox.answer(502)

    answer = caller.upload(a_record())

    assert answer.headers["content-type"] == "text/html"
    assert "<h1>502 Bad Gateway</h1>" in answer.text


def test_a_fault_ends_after_its_seconds(sandbox, caller, a_record, monkeypatch):
    now = time.monotonic()
    monkeypatch.setattr(desk, "_now", lambda: now)
    sandbox.answer(500, times=None, seconds=20)

    now += 19.9
    assert caller.upload(a_record()).status_code == 500
    now += 0.2
    assert caller.upload(a_record()).status_code == 200


def test_a_fault_can_be_for_uploads_and_spare_dry_runs(sandbox, caller, a_record):
    sandbox.answer(500, times=None, only="uploads")

    assert caller.upload(a_record(), dry_run=True).status_code == 200
    assert caller.upload(a_record()).status_code == 500


def test_a_fault_can_be_for_large_requests_and_spare_small_ones(
    sandbox, caller, a_record
):
    sandbox.fault(status=503, above_records=2, times=2)

    statuses = [
        caller.upload(*[a_record()] * size).status_code for size in (2, 3, 1, 3, 3)
    ]

    assert statuses == [200, 503, 200, 503, 200]


def test_a_fault_can_be_for_one_location(sandbox, make_caller, a_record):
    sandbox.answer(500, times=None, location=Location.IN1)

    assert make_caller(Location.EU1).upload(a_record()).status_code == 200
    assert make_caller(Location.IN1).upload(a_record()).status_code == 500


def test_a_scripted_failure_can_store_all_the_same(sandbox, caller, a_record):
    sandbox.answer(504, store=True)

    assert caller.upload(a_record()).status_code == 504
    assert sandbox.records() == [a_record()]


@pytest.mark.parametrize(
    ("ending", "stored"),
    [
        ("reset_before_storing", 0),
        ("reset_after_storing", 1),
        ("close_after_storing", 1),
        ("garbage", 1),
    ],
)
def test_a_connection_ends_without_an_answer(sandbox, caller, a_record, ending, stored):
    sandbox.fault(ending=ending)

    with pytest.raises(requests.ConnectionError):
        caller.upload(a_record())

    assert len(sandbox.records()) == stored
    assert sandbox.requests()[0].status is None


def test_a_reset_is_an_rst(sandbox, caller):
    sandbox.fault(ending="reset_after_storing")

    with pytest.raises(ConnectionResetError):
        raw_answer(sandbox, caller, b'{"d":[]}')


@pytest.mark.parametrize(
    ("ending", "stored"), [("hang_before_storing", 0), ("hang_after_storing", 1)]
)
def test_an_answer_never_comes(sandbox, caller, a_record, ending, stored):
    sandbox.fault(ending=ending)

    with pytest.raises(requests.ReadTimeout):
        caller.upload(a_record(), timeout=(PATIENCE_SECONDS, 0.1))

    sandbox.wait_for_requests(1)
    sandbox.wait_for(stored)
    assert len(sandbox.records()) == stored


@pytest.mark.parametrize("when", ["before_storing", "after_storing"])
def test_a_held_request_goes_on_when_it_is_released(sandbox, caller, a_record, when):
    sandbox.fault(hold=when)

    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(caller.upload, a_record())
        sandbox.wait_for_requests(1)
        if when == "after_storing":
            sandbox.wait_for(1)
        time.sleep(0.05)
        assert not pending.done()
        assert len(sandbox.records()) == (when == "after_storing")
        sandbox.release()

        assert pending.result().status_code == 200
    assert len(sandbox.records()) == 1


def test_a_delay_before_storing_stores_although_the_client_has_gone(
    sandbox, caller, a_record
):
    sandbox.fault(delay_before_storing=0.2)
    began = time.monotonic()

    with connected(sandbox) as connection:
        body = json.dumps({"d": [a_record()]}).encode()
        connection.sendall(raw_request(body, caller.headers))

    sandbox.wait_for(1)
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("is_known", [True, False])
def test_a_request_whose_client_dies_in_its_middle_is_over(sandbox, caller, is_known):
    headers = caller.headers if is_known else {}
    with connected(sandbox) as connection:
        connection.sendall(raw_request(b'{"d":[', headers, promised=1000))
        sandbox.wait_for_requests(1)

    wait_until(lambda: sandbox.requests()[0].seconds is not None)

    (request,) = sandbox.requests()
    assert (request.status, request.records) == (None, 0)
    assert sandbox.records() == []


def test_a_truncated_body_is_shorter_than_promised(sandbox, caller):
    sandbox.fault(ending="truncated")

    head, _, body = raw_answer(sandbox, caller, b'{"d":[]}').partition(b"\r\n\r\n")

    assert b"content-length: 63" in head
    assert body == b'{ "status" : "success" , "proce'


def test_an_endless_body_does_not_end(sandbox, caller):
    sandbox.fault(ending="endless")

    received = raw_answer(sandbox, caller, b'{"d":[]}', enough=1 << 21)

    assert len(received) >= 1 << 21
    assert b"content-length" not in received[:500]


def test_a_drip_comes_byte_by_byte(sandbox, caller):
    sandbox.fault(ending="drip", drip_seconds=0.01)
    started = time.monotonic()

    received = raw_answer(sandbox, caller, b'{"d":[]}', enough=20)

    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert time.monotonic() - started > 0.15


def test_a_gzip_bomb_unpacks_to_a_gigabyte(sandbox, caller):
    sandbox.fault(ending="gzip_bomb")

    received = raw_answer(sandbox, caller, b'{"d":[]}', enough=1 << 24)

    head, _, body = received.partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head
    assert len(body) < 2 << 20
    assert len(gzip.decompress(body[: len(body) // 100])) == 10 << 20


@pytest.mark.parametrize(
    ("tamper", "expected"),
    [
        ("reordered", {"numbers": [3, 1]}),
        ("missing_entries", {"numbers": [3]}),
        ("duplicated_entries", {"numbers": [1, 1, 3, 3]}),
        ("wrong_count", {"processed": 2}),
        ("success_status", {"status": "success"}),
        ("without_numbers", {"numbers": [None, None]}),
        ("without_records", {"missing": "record"}),
        ("without_codes", {"missing": "code"}),
    ],
)
def test_a_true_answer_can_be_tampered_with(
    sandbox, caller, a_record, tamper, expected
):
    sandbox.fault(tamper=[tamper])

    answer = caller.upload(a_record(ts=0), a_record(), a_record(identity="")).json()

    errors = [
        each["error"].partition(" number : ")[2] for each in answer["unprocessed"]
    ]
    seen = {
        "status": answer["status"],
        "processed": answer["processed"],
        "numbers": [int(each) if each else None for each in errors],
        "missing": next(
            (key for key in ("record", "code") if key not in answer["unprocessed"][0]),
            None,
        ),
    }
    usual = {"status": "partial", "processed": 1, "numbers": [1, 3], "missing": None}
    assert seen == {**usual, **expected}


def test_an_empty_failure_stores_nothing(sandbox, caller, a_record):
    sandbox.fault(tamper=["empty_fail"])

    answer = caller.upload(a_record())

    assert answer.text == '{ "status" : "fail" , "processed" : 0 , "unprocessed" : [ ]}'
    assert sandbox.records() == []


def test_poison_refuses_the_whole_request(sandbox, caller, a_record):
    sandbox.poison(identity="bad")

    answer = caller.upload(a_record(), a_record(identity="a-bad-one"))

    assert answer.status_code == 400
    assert answer.json()["error"] == "Malformed request"
    assert sandbox.records() == []
    assert caller.upload(a_record()).status_code == 200


def test_poison_with_a_code_refuses_each_record_as_often_as_it_says(
    sandbox, caller, a_record
):
    sandbox.poison(event_name="Install", code=555, times=2)
    records = [a_record(identity=f"user{n}") for n in range(3)]

    answers = [caller.upload(*records).json() for _ in range(3)]

    assert [each["processed"] for each in answers] == [0, 0, 3]
    assert {each["code"] for each in answers[0]["unprocessed"]} == {555}
    assert sandbox.records() == records


def test_poison_can_drop_what_was_answered_as_processed(sandbox, caller, a_record):
    sandbox.poison(event_name="Install", drop=True)

    answer = caller.upload(a_record(), a_record(evtName="Other"))

    assert answer.json()["processed"] == 2
    assert [each["evtName"] for each in sandbox.records()] == ["Other"]
    assert [each.event_name for each in sandbox.lost()] == ["Referred App Install"]


def test_poison_meets_an_event_whose_name_is_known_already(sandbox, caller, a_record):
    caller.upload(a_record())
    sandbox.poison(identity="ann", code=555)

    assert caller.upload(a_record()).json()["processed"] == 0


def test_discarded_names_are_refused_however_they_are_spelled(
    sandbox, caller, a_record
):
    sandbox.switch(discarded_names=["referred APP install"])

    answer = caller.upload(a_record()).json()

    assert answer["unprocessed"][0]["code"] == 528


def test_fifteen_requests_are_in_flight_and_the_sixteenth_is_too_many(
    sandbox, caller, make_caller, a_record
):
    sandbox.fault(times=None, hold="after_storing", location=Location.EU1)

    with ThreadPoolExecutor(15) as pool:
        pending = [
            pool.submit(caller.upload, a_record(identity=f"u{n}"), dry_run=n % 2 == 0)
            for n in range(15)
        ]
        sandbox.wait_for_requests(15)
        refused = caller.upload(a_record())
        other = make_caller(Location.IN1).upload(a_record())
        sandbox.behave()
        sandbox.release()

        assert [each.result().status_code for each in pending] == [200] * 15
    assert refused.status_code == 429
    assert refused.text == (
        '{ "status" : "fail" , "error" : "Too many concurrent requests" , "code" : 429}'
    )
    assert "retry-after" not in refused.headers
    assert other.status_code == 200
    assert sandbox.state()["max_in_flight"] == 15


def test_a_client_that_counts_right_is_never_told_that_there_are_too_many(
    sandbox, caller, a_record
):
    sandbox.switch(uploads_in_flight=3)
    body = json.dumps({"d": [a_record()]}).encode()

    def often(_):
        return {caller.post(body).status_code for _ in range(40)}

    with ThreadPoolExecutor(3) as pool:
        seen = set.union(*pool.map(often, range(3)))

    assert seen == {200}


def test_closing_ends_every_conversation_and_thread(caller, a_record, sandbox):
    sandbox.fault(times=None, hold="before_storing")
    before = threading.active_count()
    with ThreadPoolExecutor(4) as pool:
        pending = [pool.submit(caller.upload, a_record()) for _ in range(4)]
        sandbox.wait_for_requests(4)

        sandbox.close()

        for each in pending:
            assert isinstance(each.exception(), requests.ConnectionError)
    assert threading.active_count() < before
    assert sandbox.records() == []


def test_a_release_reaches_a_request_that_has_met_its_fault_and_does_not_wait_yet(
    sandbox, caller, a_record
):
    sandbox.fault(hold="after_storing", delay_after_storing=0.2)
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(caller.upload, a_record())
        sandbox.wait_for(1)

        sandbox.release()

        assert pending.result(PATIENCE_SECONDS).status_code == 200


@pytest.mark.parametrize(
    "trouble", [{}, {"status": 502}, {"ending": "reset_before_storing"}], ids=str
)
def test_only_the_first_records_can_be_stored_whatever_is_answered(
    sandbox, caller, a_record, trouble
):
    records = [a_record(identity=f"u{n}") for n in range(5)]
    sandbox.fault(store_first=2, **trouble)

    with contextlib.suppress(requests.ConnectionError):
        caller.upload(*records)

    assert sandbox.records() == records[:2]
    assert sandbox.lost() == []


def test_a_share_of_the_records_can_be_stored_the_same_for_the_same_body(
    sandbox, caller, a_record
):
    records = [a_record(identity=f"u{n}") for n in range(100)]
    sandbox.fault(times=2, store_share=0.5)

    answers = [caller.upload(*records).json() for _ in range(2)]

    stored = sandbox.records()
    assert [each["processed"] for each in answers] == [100, 100]
    assert len(stored) == 100
    assert stored[:50] == stored[50:]
    assert stored[:50] == [each for each in records if each in stored]
    assert stored[:50] not in (records[:50], records[50:])


def test_a_ledger_has_what_a_fault_let_be_stored_and_nothing_else(tmp_path, a_record):
    path = tmp_path / "ledger.jsonl"
    with Sandbox(ledger=path) as sandbox:
        sandbox.fault(store_share=0.5, store_first=4)
        sandbox.fault(store_first=0)
        caller = Caller(sandbox)
        for _ in range(2):
            caller.upload(*(a_record(identity=f"u{n}") for n in range(10)))
        stored = sandbox.records()

    (line,) = path.read_text().splitlines()
    assert json.loads(line)["records"] == stored
    assert len(stored) == 2


@pytest.mark.parametrize(
    "trouble", [{}, {"ending": "reset_before_storing"}, {"status": 504}], ids=str
)
def test_records_can_be_stored_when_the_connection_is_gone(
    sandbox, caller, a_record, trouble
):
    sandbox.switch(keep_alive=True)
    sandbox.fault(store_late=0.05, **trouble)

    with contextlib.suppress(requests.ConnectionError):
        caller.upload(a_record())
    sandbox.wait_for(1)

    assert sandbox.records() == [a_record()]


def test_what_is_to_be_stored_late_is_lost_when_the_sandbox_closes(caller, a_record):
    caller.sandbox.fault(store_late=600)

    assert caller.upload(a_record()).json()["processed"] == 1
    caller.sandbox.close()

    assert caller.sandbox.records() == []
