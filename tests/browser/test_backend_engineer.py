"""A backend engineer: reads the documentation, sends events, asks what became of them."""

import json
import subprocess

import pytest
from playwright.sync_api import expect


@pytest.fixture
def engineer(installed, visit):
    installed.provision()
    return visit(installed.web_url)


def run(command):
    """Run a command as pasted into a terminal; return the status and the answer."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command} -sS -w '\n%{{http_code}}'"],
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def sample(engineer, section):
    """Return the curl command of a section of the documentation."""
    return engineer.page.locator(f"#{section} pre", has_text="curl").inner_text()


def test_the_documentation_s_samples_work_as_pasted(installed, engineer):
    key = installed.keys["shop"]
    engineer.go("/docs")
    engineer.click("Send events")
    send, ask = sample(engineer, "send"), sample(engineer, "ask")

    status, problem = run(send.replace("<API key>", "rk_not-a-key"))
    assert (status, problem["status"]) == (401, 401)
    assert installed.database.rows("SELECT count(*) FROM referrals_referralevent") == [
        (0,)
    ]
    engineer.go(problem["type"])
    expect(engineer.page.locator(":target")).to_contain_text("401")

    status, answer = run(send.replace("<API key>", key))
    assert (status, answer["accepted"]) == (202, 1)
    status, answer = run(send.replace("<API key>", key))
    assert (status, answer["duplicates"]) == (202, 1)

    installed.wait_until_settled()
    event_id = answer["results"][0]["id"]
    status, became = run(ask.replace("<API key>", key).replace("b1c2", event_id))
    assert status == 200
    states = {each["side"]: each["status"] for each in became["outcomes"]}
    assert states == {"referred": "delivered", "generated": "delivered"}
    assert engineer.complaints == []


def test_a_bad_event_is_refused_with_its_pointer_and_its_neighbour_is_shown(
    installed, engineer
):
    good = {
        "id": "order-1",
        "type": "app_install",
        "user": {"identities": {"email": "ann@example.com"}},
        "referrer": {"identities": {"email": "bob@example.com"}},
    }
    bad = {"id": "order-2", "type": "app_install", "user": good["user"]}

    answer = installed.post([good, bad]).json()

    assert [each["status"] for each in answer["results"]] == ["accepted", "rejected"]
    assert answer["results"][1]["pointer"] == "/referrer"
    engineer.log_in()
    engineer.menu("Events")
    engineer.fill("Event ID or identity", "order-1")
    engineer.click("Show", "button")
    engineer.sees("order-1")
    engineer.sees("For the referrer")
    assert engineer.complaints == []
