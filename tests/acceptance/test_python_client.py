"""The Python client against the real server, which is killed under it, as is the client."""

import os
import re
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from referral_events import (
    LAST,
    Client,
    Event,
    EventsRefusedError,
    Person,
    RequestRefusedError,
    UnavailableError,
)
from tests.acceptance.conftest import ON_EITHER
from tests.harness.commands import ROOT
from tests.harness.process import PATIENCE_SECONDS, free_port, listening, wait_until

KEPT = "SELECT key FROM referrals_referralevent ORDER BY position"
#: Leaves events to a spool, says so for each, and never ends by itself.
LEAVE = """
import sys, time
from referral_events import Client, Event, Person
client = Client(sys.argv[1], sys.argv[2], spool=sys.argv[3], patience=1)
for number in range(int(sys.argv[4])):
    client.enqueue(Event("app_open", Person({"custom_id": str(number)}), Person({"custom_id": "b"}),
                         id=f"left-{number}"))
    print(number, flush=True)
time.sleep(600)
"""


def an_open(**changes):
    people = {
        "user": Person({"email": "ann@example.com"}),
        "referrer": Person({"email": "bob@example.com"}),
    }
    return Event(**{"type": "app_open", **people, **changes})


def client_of(stack, **options):
    return Client(stack.web_url, stack.keys["shop"], **options)


def kept(stack):
    return [key for (key,) in stack.database.rows(KEPT)]


@ON_EITHER
def test_what_it_sends_is_stored_once_and_its_state_can_be_asked(stack):
    stack.start()
    event = an_open(occurred_at=datetime.now(UTC) - timedelta(minutes=1))

    with client_of(stack) as client:
        (first,) = client.send(event)
        (again,) = client.send([event])
        assert (first.is_new, again.is_new) == (True, False)
        assert first.position == again.position == 1
        stack.wait_until_settled()
        state = client.find_event(event.id)

        assert [each.status for each in state.outcomes] == ["delivered", "delivered"]
        assert client.find_event("never-sent") is None


@ON_EITHER
@pytest.mark.thorough
def test_an_error_says_which_event_was_refused_and_why_and_the_others_are_stored(stack):
    stack.start()
    good, bad = an_open(id="good"), an_open(id="bad", user=None)

    with client_of(stack) as client, pytest.raises(EventsRefusedError) as refused:
        client.send(good, bad)

    assert str(refused.value) == (
        "1 of 2 refused: event 1 (bad) at /user: Say who did it: every event but link_click "
        "needs a user with identities. [no_user]"
    )
    assert [each.id for each in refused.value.results] == ["good"]
    assert kept(stack) == ["good"]


@ON_EITHER
@pytest.mark.thorough
def test_it_previews_ties_people_together_and_asks_for_the_last_referrer(stack):
    stack.start()
    stack.provision("shop", "--loose-ids", "anonymous_id", "--remember-referrers")
    install = an_open(
        type="app_install", user=Person({"anonymous_id": "a-1"}), id="install"
    )
    bought = an_open(
        type="custom", name="Subscription Started", referrer=LAST, id="bought"
    )

    with client_of(stack) as client:
        (preview,) = client.preview(install)
        assert [each["side"] for each in preview["records"]] == [
            "referred",
            "generated",
        ]
        client.send(install)
        client.people({"anonymous_id": "a-1", "email": "ann@example.com"})
        client.send(bought)
        stack.wait_until_settled()
        wait_until(lambda: _statuses(client, "install") == ["delivered", "delivered"])
        wait_until(lambda: _statuses(client, "bought") == ["delivered", "delivered"])


def _statuses(client, event_id):
    return [each.status for each in client.find_event(event_id).outcomes]


@ON_EITHER
@pytest.mark.thorough
def test_more_than_a_request_takes_goes_as_several(stack):
    stack.start()
    many = [an_open(id=f"many-{number}") for number in range(1_001)]
    large = [an_open(id=f"large-{n}", content="x" * 30_000) for n in range(40)]

    with client_of(stack) as client:
        results = client.send(many, large)

    assert [each.id for each in results] == [each.id for each in many + large]
    assert len(kept(stack)) == 1_041


@ON_EITHER
@pytest.mark.thorough
def test_a_wrong_key_is_said_at_once_and_an_absent_server_after_patience(stack):
    stack.start()

    with pytest.raises(RequestRefusedError, match="not known here") as refused:
        Client(stack.web_url, f"{stack.keys['shop'][:-2]}xx").send(an_open())
    with pytest.raises(UnavailableError, match="no answer"):
        Client(f"http://127.0.0.1:{free_port()}", "rk_x", patience=0.5).send(an_open())

    assert stack.keys["shop"][:20] not in str(refused.value)


@ON_EITHER
@pytest.mark.thorough
def test_what_its_readme_says_works_as_it_stands(stack, tmp_path, monkeypatch, capsys):
    stack.start()
    stack.provision("shop", "--loose-ids", "anonymous_id", "--remember-referrers")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REFERRALS_URL", stack.web_url)
    monkeypatch.setenv("REFERRALS_API_KEY", stack.keys["shop"])
    text = (ROOT / "clients/python/README.md").read_text()

    exec("\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL)), {})  # noqa: S102 - ours

    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "accepted 1"
    assert len(kept(stack)) == 4, "an install, a custom event, an open, an identify"


@ON_EITHER
def test_a_server_that_is_killed_loses_nothing_that_was_left_to_the_client(stack):
    web, _ = stack.start()
    port = stack.web_url.rpartition(":")[2]
    client = client_of(stack, timeout=5)
    left, is_over = [], threading.Event()

    def leave(name):
        number = 0
        while not is_over.is_set():
            number += 1
            client.enqueue(an_open(id=f"{name}-{number}"), wait=PATIENCE_SECONDS)
            left.append(f"{name}-{number}")
            is_over.wait(0.001)

    threads = [threading.Thread(target=leave, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for _ in range(2):
        wait_until(partial(_has_grown, left, len(left) + 200))
        web.kill()
        web = stack._start("web", {"PORT": port})  # where it was
        web.wait_until_ready(listening(int(port)))
    is_over.set()
    for thread in threads:
        thread.join()

    assert client.close(PATIENCE_SECONDS) == 0
    assert sorted(kept(stack)) == sorted(left)


def _has_grown(found, length):
    return len(found) > length


@ON_EITHER
@pytest.mark.thorough
def test_what_was_left_to_a_spool_outlives_the_process_that_left_it(stack, tmp_path):
    spool = tmp_path / "spool.sqlite3"
    stack.start()
    nobody = f"http://127.0.0.1:{free_port()}"
    path = os.pathsep.join([str(ROOT / "clients/python/src"), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", LEAVE, nobody, stack.keys["shop"], str(spool), "300"],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        for _ in range(150):
            said = process.stdout.readline()
        process.kill()
        said = [said, *process.stdout.read().split()][-1]

    with client_of(stack, spool=spool) as client:
        assert client.flush(PATIENCE_SECONDS)

    # The one after the last that was said may have been on its way to the disk.
    assert kept(stack)[: int(said) + 1] == [f"left-{n}" for n in range(int(said) + 1)]
    assert len(kept(stack)) - int(said) - 1 in {0, 1}
    assert spool.stat().st_mode & 0o777 == 0o600
