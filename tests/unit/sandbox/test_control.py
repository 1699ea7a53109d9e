"""The sandbox's own addresses: state, records, switches, page; and its command."""

import hashlib
import json
import re
import signal
import subprocess
import sys

import pytest
import requests

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import ACCOUNTS, Sandbox
from tests.harness.commands import ERRORS, ROOT
from tests.harness.process import PATIENCE_SECONDS, wait_until
from tests.unit import warm
from tests.unit.sandbox.conftest import Caller


def get(sandbox, path):
    return requests.get(f"{sandbox.url}/_sandbox{path}", timeout=PATIENCE_SECONDS)


def post(sandbox, path, order=None):
    return requests.post(
        f"{sandbox.url}/_sandbox{path}", json=order, timeout=PATIENCE_SECONDS
    )


def test_the_state_counts_what_arrived(sandbox, caller, make_caller, a_record):
    caller.upload(a_record(), a_record(ts=0))
    caller.upload(a_record(), dry_run=True)
    make_caller(Location.IN1).upload(a_record(evtName="Other"))

    state = get(sandbox, "/state").json()

    locations = state.pop("locations")
    assert state == {
        "requests": 3,
        "uploads": 2,
        "dry_runs": 1,
        "records_accepted": 2,
        "records_refused": 1,
        "records_dropped": 0,
        "profiles": 2,
        "in_flight": 0,
        "max_in_flight": 1,
        "refusals": {"525": 1},
        "events": {"Referred App Install": 1, "Other": 1},
        "last_number": 2,
    }
    assert locations["in1"]["events"] == {"Other": 1}
    assert locations["us1"]["requests"] == 0


def test_records_are_listed_in_order_from_a_number_on(sandbox, caller, a_record):
    records = [a_record(identity=f"u{n}") for n in range(5)]
    caller.upload(*records[:2])
    caller.upload(*records[2:])

    answer = get(sandbox, "/records?since=3").json()

    assert [(each["number"], each["record"]) for each in answer["records"]] == [
        (4, records[3]),
        (5, records[4]),
    ]
    assert (answer["missed"], answer["last_number"]) == (0, 5)
    assert get(sandbox, "/records?location=in1").json()["records"] == []
    assert get(sandbox, "/records?location=nowhere").status_code == 400


def test_old_records_are_let_go_while_counts_stay_complete(a_record):
    with Sandbox(keep=4) as sandbox:
        for _ in range(3):
            Caller(sandbox).upload(a_record(), a_record())

        answer = get(sandbox, "/records?since=1").json()

        assert [each["number"] for each in answer["records"]] == [3, 4, 5, 6]
        assert answer["missed"] == 1
        assert sandbox.counts() == {("ann@example.com", "Referred App Install"): 6}
        with pytest.raises(LookupError, match="More records arrived than are kept"):
            sandbox.records()


def test_requests_are_listed_with_hash_and_verdict(sandbox, caller, a_record):
    body = json.dumps({"d": [a_record(), a_record(ts=0)]}).encode()
    caller.post(body)

    (request,) = get(sandbox, "/requests").json()["requests"]

    assert request["sha256"] == hashlib.sha256(body).hexdigest()
    assert request["records"] == 2
    assert request["accepted"] == 1
    assert request["refused"] == {"525": 1}
    assert request["reasons"] == {"525: ts is not a whole second after 1970": 1}
    assert request["status"] == 200
    assert request["path"] == "/eu1/1/upload"


def test_counts_and_the_error_stream_are_listed(sandbox, caller, a_record):
    sandbox.poison(identity="bob", drop=True)
    caller.upload(a_record(ts=5), a_record(ts=3), a_record(identity="bob"))

    assert get(sandbox, "/counts").json()["counts"] == [
        ["eu1", "ann@example.com", "Referred App Install", 2, 3, 5]
    ]
    (error,) = get(sandbox, "/errors").json()["errors"]
    assert error["event_name"] == "Referred App Install"


def test_what_is_read_back_stands_beside_what_is_stored(account, a_record):
    account.upload(a_record(), a_record(evtName="referredAppInstall"))
    account.sandbox.switch(
        counts_visible_after=None, schema={"events": {"Defined": {}}}
    )

    shown = get(account.sandbox, "/readback").json()

    defined = {"stored": 0, "counted": 0, "status": "Inactive"}
    assert shown["in1"] == {"Defined": defined}
    assert shown["eu1"] == {
        "Referred App Install": {"stored": 2, "counted": 0, "status": "Active"},
        "Defined": defined,
    }


def test_the_page_shows_what_is_counted_and_what_is_switched(account, a_record):
    at_once = get(account.sandbox, "/?location=in1").text
    account.sandbox.behave()
    strict = get(account.sandbox, "/").text
    account.sandbox.switch(Location.EU1, counts_visible_after=None)
    account.sandbox.fault(Location.EU1, store_first=3)
    account.upload(*[a_record()] * 4)
    account.sandbox.fault(Location.EU1, store_share=0.5)

    text = get(account.sandbox, "/").text

    assert "<b>in_progress_rounds</b> 0" in at_once
    assert "Everything is as by default" in strict
    assert "<b>counts_visible_after</b> null" in text
    assert "<b>fault</b> {&quot;store_share&quot;:0.5}" in text
    assert re.findall(r'<td class="number">(\d+)</td>', text)[:2] == ["3", "0"]


def test_switches_are_set_and_shown_over_http(sandbox, caller, make_caller, a_record):
    order = {
        "location": "in1",
        "rules": {"properties": 1},
        "faults": [{"status": 500, "times": 2}],
        "poison": [{"event_name": "x", "code": 555}],
    }

    assert post(sandbox, "/switches", order).status_code == 200

    shown = get(sandbox, "/switches").json()
    assert shown["in1"]["rules"]["properties"] == 1
    assert shown["in1"]["faults"][0]["status"] == 500
    assert shown["in1"]["poison"][0]["code"] == 555
    assert shown["eu1"]["faults"] == []
    assert make_caller(Location.IN1).upload(a_record()).status_code == 500
    assert caller.upload(a_record()).status_code == 200

    post(sandbox, "/switches", {"reset": True})
    assert make_caller(Location.IN1).upload(a_record()).status_code == 200


@pytest.mark.parametrize(
    "order",
    [
        {"rules": {"propertees": 1}},
        {"rules": {"nulls": "perhaps"}},
        {"faults": [{"ending": "explode"}]},
        {"location": "nowhere"},
        {"surprise": 1},
    ],
)
def test_a_wrong_order_changes_nothing_and_says_why(sandbox, order):
    before = get(sandbox, "/switches").json()

    answer = post(sandbox, "/switches", {"faults": [{"status": 500}], **order})

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("Nothing was changed: ")
    assert get(sandbox, "/switches").json() == before


def test_a_reset_forgets_what_arrived_and_the_switches(sandbox, caller, a_record):
    sandbox.switch(properties=1)
    caller.upload(a_record(evtData={}))

    post(sandbox, "/reset", {"keep_switches": True})
    assert sandbox.state()["requests"] == 0
    assert sandbox.records() == []
    assert sandbox.counts() == {}
    assert get(sandbox, "/switches").json()["eu1"]["rules"]["properties"] == 1

    post(sandbox, "/reset")
    assert get(sandbox, "/switches").json()["eu1"]["rules"]["properties"] == 100


def test_unknown_addresses_and_methods_are_refused(sandbox):
    assert get(sandbox, "/nothing").status_code == 404
    assert get(sandbox, "/reset").status_code == 405
    assert post(sandbox, "/state").status_code == 405


def test_the_ledger_has_a_line_before_the_answer_comes(tmp_path, a_record):
    path = tmp_path / "ledger.jsonl"
    body = json.dumps({"d": [a_record(), a_record(ts=0)]}).encode()
    with Sandbox(ledger=path) as sandbox:
        Caller(sandbox).post(body)
        Caller(sandbox).post(body, dry_run=True)
        (line,) = [json.loads(each) for each in path.read_text().splitlines()]

    assert line.pop("at") > 0
    assert line == {
        "account": ACCOUNTS[Location.EU1].account_id,
        "location": "eu1",
        "path": "/eu1/1/upload",
        "sha256": hashlib.sha256(body).hexdigest(),
        "records": [a_record()],
    }


def test_the_page_shows_what_arrived_and_escapes_it(sandbox, caller, a_record):
    sandbox.switch(prohibited_characters="accept")
    attack = "<script>alert(1)</script>"
    caller.upload(
        a_record(identity=attack, evtName=attack, evtData={attack: f'"{attack}'}),
        a_record(ts=0),
    )

    answer = requests.get(sandbox.url, timeout=PATIENCE_SECONDS)

    assert answer.status_code == 200
    assert attack not in answer.text
    assert answer.text.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 5
    assert "525: ts is not a whole second after 1970" in answer.text
    assert ACCOUNTS[Location.EU1].account_id in answer.text


def test_the_page_loads_nothing_from_elsewhere(sandbox):
    answer = get(sandbox, "/")

    assert answer.headers["content-security-policy"] == (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    assert "style=" not in answer.text
    links = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert links
    for link in links:
        assert link.startswith("/_sandbox/")
        shown = requests.get(sandbox.url + link, timeout=PATIENCE_SECONDS)
        assert shown.status_code == 200


def test_the_page_can_show_one_location(sandbox, caller, make_caller, a_record):
    caller.upload(a_record(evtName="In Europe"))
    make_caller(Location.IN1).upload(a_record(evtName="In India"))

    text = get(sandbox, "/?location=in1").text

    assert "In India" in text
    assert "In Europe" not in text
    assert get(sandbox, "/?location=nowhere").status_code == 400


def test_it_listens_on_this_machine_only(sandbox):
    assert sandbox.url.startswith("http://127.0.0.1:")
    assert sandbox.template == f"{sandbox.url}/{{location}}"


def test_a_port_that_is_taken_is_an_error_that_leaves_nothing_open(sandbox, tmp_path):
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=sandbox.port, ledger=tmp_path / "ledger")


def test_waiting_for_records_that_do_not_come_says_how_many_did(
    sandbox, caller, a_record
):
    caller.upload(a_record())

    with pytest.raises(TimeoutError, match="1 of 2 records arrived"):
        sandbox.wait_for(2, timeout=0.05)


STRICTLY = """
import runpy, warnings
warnings.simplefilter("error")
runpy.run_{how}({what!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        (STRICTLY.format(how="module", what="clevertap_sync.sandbox"), []),
        (
            STRICTLY.format(how="path", what=str(ROOT / "manage.py")),
            ["clevertap_sandbox"],
        ),
    ],
    ids=["alone", "manage.py"],
)
def test_the_command_says_how_to_use_it_and_stops_when_told(
    tmp_path, program, arguments
):
    (tmp_path / warm.MANAGE).write_text(program)
    command = [warm.MANAGE, *arguments, "--port", "0"]
    process = warm.start(tmp_path, command, {"DEBUG": "1"}, cwd=tmp_path)
    wait_until(lambda: "Ctrl-C" in process.log or process.returncode is not None)
    address = process.log.split("\n", 1)[0].split()[-1]
    try:
        assert (
            requests.get(f"{address}/_sandbox/", timeout=PATIENCE_SECONDS).status_code
            == 200
        )
    finally:
        process.send(signal.SIGTERM)

    assert process.wait() == 0
    assert (tmp_path / ERRORS).read_text() == ""
    assert f"CLEVERTAP_BASE_URL={address}/{{location}}" in process.log
    for account in ACCOUNTS.values():
        assert account.account_id in process.log
        assert account.passcode in process.log


def test_the_sandbox_knows_nothing_of_the_product_and_needs_no_framework():
    program = (
        "import sys, clevertap_sync.sandbox.__main__\n"
        "print(sorted(m for m in sys.modules if m.startswith("
        "('django', 'celery', 'redis', 'requests', 'referrals', 'clevertap_sync.'))"
        " and not m.startswith('clevertap_sync.sandbox')))"
    )

    shown = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert shown.stdout.split() == [
        "['clevertap_sync.clevertap',",
        "'clevertap_sync.clevertap.locations']",
    ]
