"""Exporting events from the sandbox, a page at a time."""

import pytest
import requests

from tests.harness.process import PATIENCE_SECONDS
from tests.unit.sandbox.conftest import NOW

EVENTS = "/1/events.json"
QUERY = {"event_name": "Referred App Install", "from": 20270115, "to": 20270115}


def begin(caller, **params):
    return caller.ask(EVENTS, QUERY, **params).json()["cursor"]


def turn(caller, cursor):
    """Ask for a page with a cursor as it was given out."""
    return requests.get(
        f"{caller.base}{EVENTS}?cursor={cursor}",
        headers=caller.headers,
        timeout=PATIENCE_SECONDS,
    )


def test_an_event_is_exported_in_the_accounts_time(account, a_record):
    account.sandbox.switch(time_zone="Asia/Kolkata")
    account.upload(a_record(ts=int(NOW)))

    page = turn(account, begin(account)).json()

    assert page == {
        "status": "success",
        "records": [
            {
                "profile": {"identity": "ann@example.com"},
                "ts": 20270115133000,
                "event_props": {"Channel": "whatsapp", "Status": "valid"},
                "session_props": {},
            }
        ],
    }


def test_pages_are_multiples_of_23_and_never_small(account, a_record):
    records = [a_record(identity=f"u{n}", ts=int(NOW)) for n in range(1_000)]
    for _ in range(5):
        account.upload(*records)

    def sizes(**asked):
        pages, cursor = [], begin(account, **asked)
        while cursor:
            page = turn(account, cursor).json()
            pages.append([each["profile"]["identity"] for each in page["records"]])
            cursor = page.get("next_cursor")
        everybody = [f"u{n}" for n in range(1_000)] * 5
        assert [who for page in pages for who in page] == everybody
        return [len(each) for each in pages]

    assert sizes() == [4_991, 9]
    assert sizes(batch_size="3000") == [2_990, 2_010]
    assert sizes(batch_size="5") == [989, 989, 989, 989, 989, 55]


def test_a_page_is_in_progress_before_it_comes(account, a_record):
    account.sandbox.switch(in_progress_rounds=2)
    account.upload(a_record(ts=int(NOW)))
    cursor = begin(account)

    answers = [turn(account, cursor) for _ in range(3)]

    assert [each.json().get("code") for each in answers] == [2, 2, None]
    assert answers[0].status_code == 200
    assert answers[0].json()["error"] == "Request still in progress, please retry later"


def test_a_cursor_is_sent_as_it_was_given_or_it_is_wrong(account, a_record):
    account.upload(a_record(ts=int(NOW)))
    cursor = begin(account)

    assert "%" in cursor
    again = account.get(EVENTS, cursor=cursor)
    assert (again.status_code, again.json()["error"]) == (400, "Incorrect Usage")
    assert account.get(EVENTS, cursor="=").status_code == 400
    assert account.get(EVENTS).status_code == 400


@pytest.mark.parametrize("rule", ["cursor_seconds", "cursor_idle_seconds"])
def test_a_cursor_expires(account, clock, a_record, rule):
    account.sandbox.switch(**{rule: 60})
    account.upload(a_record(ts=int(NOW)))
    cursor = begin(account)

    clock.now = NOW + 59
    assert turn(account, cursor).status_code == 200
    clock.now = NOW + 60
    assert turn(account, cursor).status_code == 400


def test_a_merged_profile_is_named_by_another_identity(account, a_record):
    account.sandbox.switch(merged_identities={"ann@example.com": "42"})
    account.upload(a_record(ts=int(NOW)))

    (event,) = turn(account, begin(account)).json()["records"]

    assert event["profile"] == {"identity": "42"}


def test_an_export_shows_late_and_lacks_whom_it_forgot(account, clock, a_record):
    account.sandbox.switch(events_visible_after=60, visible_jitter=0)
    account.upload(a_record(ts=int(NOW)), a_record(ts=int(NOW), identity="bob"))
    assert "cursor" not in account.ask(EVENTS, QUERY).json()
    clock.now += 60
    account.ask("/1/delete/profiles.json", {"identity": "ann@example.com"})

    (event,) = turn(account, begin(account)).json()["records"]

    assert event["profile"] == {"identity": "bob"}
