"""What always holds, once for each invariant of the design: real processes, both databases.

The fault suite and the integration tests prove the same in many more situations; here
each stands alone, under its number.
"""

import threading
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import requests

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.models import DEFAULT_IN_FLIGHT
from tests.acceptance.conftest import ON_EITHER
from tests.builders import a_sent_custom_event, a_sent_event
from tests.faults.load import Backend, Load
from tests.harness.process import PATIENCE_SECONDS, wait_until

LOG = "SELECT position, key FROM referrals_referralevent ORDER BY position"
#: Both in one statement, so that they are of one instant.
HEAD_AND_ROWS = "SELECT max(position), count(*) FROM referrals_referralevent"
WORKERS = "SELECT name, seen_at FROM clevertap_sync_workerseen"
#: As if the time of every lease had passed.
END_LEASES = (
    "UPDATE clevertap_sync_upload SET leased_until = '2000-01-01 00:00:00' "
    "WHERE leased_until IS NOT NULL"
)
#: For requests that wait until they are released: neither comes to its end by itself.
UNHURRIED = {"REQUEST_SECONDS": "300", "LEASE_SECONDS": "600"}


def install(number, **changes):
    return a_sent_event(
        id=f"install-{number}",
        user={"identities": {"email": f"user-{number}@example.com"}},
        referrer={"identities": {"email": f"referrer-{number}@example.com"}},
        **changes,
    )


def wait_for_answers(backend, number):
    """Wait until the backend had so many more requests accepted."""
    before = backend.statuses[202]
    wait_until(lambda: backend.statuses[202] > before + number)


def wait_for_sweeps(stack, number, *, workers):
    """Wait until each worker has swept so many times more, as it says in the database."""
    seen = defaultdict(set)

    def have_swept():
        for name, at in stack.database.rows(WORKERS):
            seen[name].add(at)
        return len(seen) == workers and all(len(at) > number for at in seen.values())

    stack.wait_until(have_swept)


def test_invariant_1_an_accepted_event_is_in_the_log_whatever_dies(stack):
    web = stack.web()
    stack.provision()
    backend = Backend("shop", stack.keys["shop"])

    with Load(backend, lambda: stack.web_url, threads=3, size=7, pause=0.0):
        for _ in range(2):
            wait_for_answers(backend, 5)
            web.kill()
            web = stack.web()

    log = {key: position for position, key in stack.database.rows(LOG)}
    assert len(backend.accepted) >= 2 * 5 * 7
    assert {key: log.get(key) for key in backend.accepted} == backend.accepted
    # What was not answered is there whole or not at all: a request's events stand in a row.
    requests_of_seven = Counter((int(key.rpartition("-")[2]) - 1) // 7 for key in log)
    assert set(requests_of_seven.values()) == {7}


def test_invariant_2_positions_have_no_gap_and_who_sees_the_head_sees_all(stack):
    stack.web()
    stack.web()
    stack.provision()
    backend, seen = Backend("shop", stack.keys["shop"]), []

    def has_seen_enough():
        seen.append(stack.database.rows(HEAD_AND_ROWS)[0])
        return backend.statuses[202] >= 60 and len({head for head, _ in seen}) > 10

    with Load(backend, lambda: stack.web_url, threads=4, size=3, pause=0.0):
        stack.wait_until(has_seen_enough)

    positions = [position for position, _ in stack.database.rows(LOG)]
    assert positions == list(range(1, len(positions) + 1))
    assert len(positions) >= 180
    assert [pair for pair in seen if (pair[0] or 0) != pair[1]] == []


def test_invariant_3_a_key_is_stored_once_and_another_content_is_a_conflict(stack):
    stack.web()
    stack.provision()
    contents = ["spring", "spring", "autumn", "autumn"]
    at_once = threading.Barrier(len(contents))

    def send(content):
        at_once.wait()
        # Where all of them conflict the answer is a problem, with the same results.
        answer = stack.post([install(n, content=content) for n in range(200)])
        return answer.json()["results"]

    with ThreadPoolExecutor(len(contents)) as threads:
        answers = list(threads.map(send, contents))

    said = Counter(result["status"] for answer in answers for result in answer)
    assert said == {"accepted": 200, "duplicate": 200, "conflict": 400}
    rows = stack.database.rows("SELECT key, body FROM referrals_referralevent")
    stored = {key: "spring" if '"spring"' in body else "autumn" for key, body in rows}
    accepted = {
        result["id"]: content
        for content, answer in zip(contents, answers, strict=True)
        for result in answer
        if result["status"] == "accepted"
    }
    assert stored == accepted
    assert len(rows) == 200


def test_invariant_4_ranges_tile_the_log_and_every_record_has_one_verdict(stack):
    stack.sandbox.poison(identity="user-13@example.com", code=513)
    stack.sandbox.poison(identity="user-17@example.com")  # refuses its whole request
    stack.start()
    stack.post([install(n) for n in range(600)])
    stack.wait_until_settled()

    ranges = stack.database.rows(
        "SELECT first, last FROM clevertap_sync_upload WHERE parent_id IS NULL ORDER BY first"
    )
    leaves = stack.database.rows(
        "SELECT records, delivered, dead FROM clevertap_sync_upload WHERE state = 'settled'"
    )
    letters = stack.database.rows("SELECT count(*) FROM clevertap_sync_deadletter")
    assert [first for first, _ in ranges] == [1, *(last + 1 for _, last in ranges[:-1])]
    assert ranges[-1][1] == 600
    assert all(records == delivered + dead for records, delivered, dead in leaves)
    assert sum(records for records, _, _ in leaves) == 1200
    assert sum(dead for _, _, dead in leaves) == 2
    assert letters == [(2,)]
    [status] = stack.status()
    assert (status["delivered"], status["balanced"]) == (1198, True)


def test_invariant_5_a_kill_repeats_only_the_uploads_in_flight_byte_for_byte(
    make_stack, kind
):
    stack = make_stack(kind, warm=True, **UNHURRIED)
    _, worker = stack.start()
    stack.post([install(n) for n in range(3)])
    stack.wait_until_settled()
    [settled] = stack.uploads()

    # CleverTap stores what it gets, and its answer never comes.
    stack.sandbox.fault(only="uploads", times=None, hold="after_storing")
    stack.post([install(n) for n in range(3, 1003)])
    stack.wait_until(lambda: stack.sandbox.state()["records_accepted"] == 2006)
    worker.kill()
    in_flight = stack.uploads()[1:]
    stack.sandbox.behave()
    stack.sandbox.release()
    stack.database.execute(END_LEASES)
    stack.worker()
    stack.wait_until_settled()

    sent = Counter(upload.sha256 for upload in stack.uploads())
    arrived = Counter((r["identity"], r["evtName"]) for r in stack.sandbox.records())
    assert len(in_flight) == 2
    assert sent == {settled.sha256: 1, **{each.sha256: 2 for each in in_flight}}
    assert arrived == {
        (f"{side}-{n}@example.com", name): 1 if n < 3 else 2
        for n in range(1003)
        for side, name in [
            ("user", "Referred App Install"),
            ("referrer", "Generated App Install"),
        ]
    }
    [status] = stack.status()
    assert status["delivered"] == 2006
    assert (status["unknown_outcomes"], status["balanced"]) == (2, True)


@ON_EITHER
def test_invariant_6_an_account_s_limit_holds_across_workers_and_integrations(
    make_stack, kind
):
    """With real processes; the leases themselves are tested beside the engine."""
    stack = make_stack(kind, warm=True, **UNHURRIED)
    stack.start()
    stack.worker()
    stack.provision("game")
    stack.sandbox.fault(only="uploads", times=None, hold="before_storing")

    for first, app in enumerate(["shop", "game"] * 3):
        numbers = range(first * 1000, (first + 1) * 1000)
        stack.post([install(n) for n in numbers], app=app)
    stack.wait_until(lambda: len(stack.uploads()) >= DEFAULT_IN_FLIGHT)
    wait_for_sweeps(stack, 3, workers=2)
    assert len(stack.uploads()) == DEFAULT_IN_FLIGHT
    stack.sandbox.behave()
    stack.sandbox.release()
    stack.wait_until_settled()

    uploads = stack.uploads()
    assert sum(upload.records for upload in uploads) == 12_000
    assert max(upload.in_flight for upload in uploads) == DEFAULT_IN_FLIGHT == 5
    assert [status["balanced"] for status in stack.status()] == [True, True]
    leases = stack.database.rows(
        "SELECT count(*) FROM clevertap_sync_upload WHERE leased_until IS NOT NULL"
    )
    # Nothing was sent twice: no upload was ever in two hands.
    attempts = stack.database.rows(
        "SELECT max(attempt_count), max(lease_token) FROM clevertap_sync_upload"
    )
    assert leases == [(0,)]
    assert attempts == [(1, 1)]


# Invariant 7 takes a scene of its own: test_privacy.py.


@ON_EITHER
def test_invariant_8_an_app_brings_fifty_custom_names_by_itself(stack):
    stack.start()
    stack.post(
        [
            a_sent_custom_event(f"Level {n} Reached", id=f"level-{n}")
            for n in range(1, 53)
        ]
    )
    stack.wait_until_settled()

    names = Counter(record["evtName"] for record in stack.sandbox.records())
    [status] = stack.status()
    assert names == {
        f"{side} Level {n} Reached": 1
        for side in ("Referred", "Generated")
        for n in range(1, 51)
    }
    assert status["dead_letters"] == {"new_event_name": 4}
    assert status["balanced"] is True


HOSTILE_BODIES = [
    b"",
    b"{",
    b"[" * 100_000,
    b"\xff\xfe\x00",
    b'{"id": "a", "type": "app_install", "content": "\\ud800"}',
    b'{"id": "a", "type": "custom", "event_data": {"n": NaN}}',
    b'{"events": {"events": []}}',
    b"\x1f\x8b broken",
    b"9" * 900_000,
]


HOSTILE_ENDINGS = ["garbage", "truncated", "reset_after_storing"]


@ON_EITHER
def test_invariant_9_nothing_that_others_send_stops_the_rest(stack):
    stack.start()
    stack.provision("game", location=Location.IN1)
    statuses = {
        requests.post(
            f"{stack.web_url}/v1/events",
            data=body,
            headers={
                "Authorization": f"Bearer {stack.keys['shop']}",
                "Content-Type": "application/json",
            },
            timeout=PATIENCE_SECONDS,
        ).status_code
        for body in HOSTILE_BODIES
    }

    for number, ending in enumerate(HOSTILE_ENDINGS, start=1):
        stack.sandbox.behave()
        stack.sandbox.fault(Location.EU1, times=None, ending=ending)
        stack.post(install(ending))
        wait_until(partial(has_met, stack, ending))
        stack.post([install(3 * number + n) for n in range(3)], app="game")
        wait_until(partial(has_got, stack, Location.IN1, 3 * number))

    assert statuses <= {400, 413, 422}
    healthz = requests.get(f"{stack.web_url}/healthz", timeout=PATIENCE_SECONDS)
    assert healthz.status_code == 200
    held = {status["app"]: status["hold"] for status in stack.status()}
    assert held["game"] is None
    # What is misunderstood is not lost, either: it goes once the account behaves.
    stack.sandbox.behave()
    stack.wait_until_settled()
    shop = next(status for status in stack.status() if status["app"] == "shop")
    assert (shop["delivered"], shop["balanced"]) == (2 * len(HOSTILE_ENDINGS), True)


def has_met(stack, ending):
    """Return whether the shop's account has ended a conversation like this."""
    found = stack.sandbox.requests(Location.EU1)
    return ending in {request.fault for request in found}


def has_got(stack, location, number):
    """Return whether so many installs have arrived at a location, and nothing else."""
    names = Counter(r["evtName"] for r in stack.sandbox.records(location))
    return names == {"Referred App Install": number, "Generated App Install": number}
