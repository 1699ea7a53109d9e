"""What the sandbox's schema keeps, cuts and drops, and how an account describes itself."""

import json

import pytest

from clevertap_sync.sandbox import Sandbox
from tests.unit.sandbox.conftest import NOW, Caller

INSTALL = "Referred App Install"
MISSING = {"Channel": "sms", "Status": "valid"}


def define(**properties):
    return {"events": {INSTALL: {"properties": properties}}}


def stored(caller):
    return [(each["evtName"], each["evtData"]) for each in caller.sandbox.records()]


def describe(caller):
    return caller.get("/getSchema", type="events").json()["events"]


def test_by_default_everything_is_kept(account, a_record):
    account.upload(a_record(evtData={"Anything": 1}))

    assert stored(account) == [(INSTALL, {"Anything": 1})]


@pytest.mark.parametrize(
    ("schema", "data", "kept"),
    [
        ({"undefined_events": "drop"}, {"a": 1}, None),
        (define(a={}), {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (
            {**define(a={}), "undefined_properties": "drop_property"},
            {"a": 1, "b": 2},
            {"a": 1},
        ),
        (
            {**define(a={}), "undefined_properties": "drop_event"},
            {"a": 1, "b": 2},
            None,
        ),
        ({"undefined_properties": "drop_event"}, {"b": 2}, {"b": 2}),
        (define(a={"required": True}), {"b": 2}, None),
        (define(a={"required": True}), {"a": ""}, {"a": ""}),
        (define(a={"type": "String"}), {"a": 1}, None),
        (define(a={"type": "String", "mismatch": "drop_property"}), {"a": 1}, {}),
        (define(a={"type": "String", "mismatch": "allow"}), {"a": 1}, {"a": 1}),
        (define(a={"type": "String"}), {"a": "1"}, {"a": "1"}),
        (define(a={"type": "Integer"}), {"a": 1.5}, None),
        (define(a={"type": "Integer"}), {"a": True}, None),
        (define(a={"type": "Float"}), {"a": 1}, {"a": 1}),
        (define(a={"type": "Boolean"}), {"a": False}, {"a": False}),
        (define(a={"type": "Boolean"}), {"a": "false"}, None),
        (define(a={"type": "Mixed"}), {"a": 1}, {"a": 1}),
        (define(a={"discarded": True}), {"a": 1, "b": 2}, {"b": 2}),
    ],
    ids=str,
)
def test_a_schema_keeps_cuts_or_drops(account, a_record, schema, data, kept):
    account.sandbox.switch(schema=schema)

    answer = account.upload(a_record(evtData=data)).json()

    assert answer == {"status": "success", "processed": 1, "unprocessed": []}
    assert stored(account) == ([] if kept is None else [(INSTALL, kept)])
    assert len(account.sandbox.lost()) == (kept is None)


def test_a_schema_holds_from_the_instant_of_its_publication(account, clock, a_record):
    schema = {"undefined_events": "drop", "published_at": NOW + 10}
    account.sandbox.switch(schema=schema)

    account.upload(a_record(ts=1))
    clock.now += 10
    account.upload(a_record(ts=2))

    assert [each["ts"] for each in account.sandbox.records()] == [1]
    assert account.sandbox.state()["records_dropped"] == 1


def test_names_are_matched_as_they_are_when_written(account, a_record):
    account.sandbox.switch(schema={**define(), "undefined_events": "drop"})

    account.upload(a_record(evtName="referredAPPinstall"), a_record(evtName="Other"))

    assert [name for name, _ in stored(account)] == ["referredAPPinstall"]
    (event,) = describe(account)
    assert (event["name"], event["status"]) == (INSTALL, "Active")


def test_the_ledger_has_records_as_they_were_received(tmp_path, a_record):
    path = tmp_path / "ledger.jsonl"
    with Sandbox(ledger=path) as sandbox:
        rule = {**define(Status={}), "undefined_properties": "drop_property"}
        sandbox.switch(schema=rule)
        Caller(sandbox).upload(a_record())
        kept = sandbox.records()

    assert kept == [a_record(evtData={"Status": "valid"})]
    assert json.loads(path.read_text())["records"] == [a_record()]


@pytest.mark.parametrize(
    ("rule", "processed", "dropped"), [("refuse", 0, 0), ("drop", 1, 1)]
)
def test_a_discarded_name_is_refused_or_dropped_later(
    account, a_record, rule, processed, dropped
):
    account.upload(a_record(ts=int(NOW)))
    account.sandbox.switch(
        discarded_names=["referredappinstall"], discarded_records=rule
    )

    answer = account.upload(a_record()).json()

    assert answer["processed"] == processed
    assert account.sandbox.state()["records_dropped"] == dropped
    (event,) = describe(account)
    assert (event["name"], event["status"]) == (INSTALL, "Discarded")


def test_an_account_is_full_with_the_event_types_that_it_has_already(account, a_record):
    account.sandbox.switch(event_types=6, other_event_types=5)

    account.upload(a_record(), a_record(evtName="One Too Many"), a_record())

    assert len(account.sandbox.records()) == 2
    assert [each.event_name for each in account.sandbox.lost()] == ["One Too Many"]
    assert [each["name"] for each in describe(account)] == [
        "App Launched",
        "App Installed",
        "App Uninstalled",
        "UTM Visited",
        "App Event 1",
        INSTALL,
    ]


def test_the_schema_describes_each_event_type(account, clock, a_record):
    schema = define(Channel={"type": "String", "required": True})
    schema["events"]["Not Seen"] = {}
    account.sandbox.switch(schema=schema, discarded_names=["Gone"])
    account.upload(a_record(), a_record(evtName="Undefined"))

    assert account.get("/getSchema", type="events").json() == {
        "status": "success",
        "events": [
            {
                "name": INSTALL,
                "type": "Defined",
                "status": "Active",
                "eventCount": 0,
                "properties": [
                    {
                        "name": "Channel",
                        "type": "Defined",
                        "status": "Active",
                        "dataType": "String",
                        "required": True,
                    }
                ],
            },
            *(
                {
                    "name": name,
                    "type": kind,
                    "status": status,
                    "eventCount": 0,
                    "properties": [],
                }
                for name, kind, status in (
                    ("Not Seen", "Defined", "Inactive"),
                    ("Undefined", "Undefined", "Active"),
                    ("Gone", "Undefined", "Discarded"),
                )
            ),
        ],
    }
    clock.now += 3_600
    assert [each["eventCount"] for each in describe(account)] == [1, 0, 1, 0]


def test_the_schema_is_given_to_both_methods_and_spellings(account):
    for path in ("/getSchema", "/getschema"):
        assert account.ask(path, None, type="events").json() == {
            "status": "success",
            "events": [],
        }
    people = account.get("/getSchema", type="userProperties").json()
    assert people == {"status": "success", "userProperties": []}
    assert account.get("/getSchema", type="x").status_code == 400
    account.base = account.sandbox.url
    assert account.get("/getSchema", type="events").status_code == 200


def test_a_name_shows_in_the_schema_late(account, clock, a_record):
    account.sandbox.switch(schema_visible_after=60, visible_jitter=0)
    account.upload(a_record())

    assert describe(account) == []
    clock.now += 60
    assert [each["name"] for each in describe(account)] == [INSTALL]
