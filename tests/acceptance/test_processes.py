"""The Procfile's processes: what they log, how they start without a broker, how they end."""

import json
import re
import signal
import socket

import pytest
import requests

from tests.builders import a_sent_event

CANARY = "canary-5d19"


def lines_of(process):
    """Return the lines of a process, each of which must be JSON."""
    return [json.loads(line) for line in process.log.splitlines() if line]


def readiness(stack):
    return requests.get(f"{stack.web_url}/readyz", timeout=30).json()


def test_no_line_repeats_what_a_caller_sent_and_every_line_is_json(make_stack):
    stack = make_stack("sqlite", broker=False, LOG_LEVEL="debug")
    web = stack.web()
    stack.provision()
    known = a_sent_event(
        id=f"{CANARY}-id", user={"identities": {"email": f"{CANARY}@example.com"}}
    )

    assert stack.post(known).status_code == 202
    assert stack.post({"type": CANARY, "channel": CANARY}).status_code == 422
    headers = {"Authorization": f"Bearer {CANARY}", "Cookie": CANARY}
    for path in (f"/v1/events/{CANARY}", f"/{CANARY}?q={CANARY}", f"/static/{CANARY}"):
        requests.get(f"{stack.web_url}{path}", headers=headers, timeout=30)
    send_raw(stack.web_url, f"GET /{CANARY} {CANARY} HTTP/9\r\n\r\n")
    send_raw(stack.web_url, f"GET / HTTP/1.1\r\nHost: {CANARY}\r\n{CANARY}\r\n\r\n")
    send_raw(stack.web_url, f"GET /admin/ HTTP/1.1\r\nHost: a{CANARY}\r\n\r\n")
    assert web.stop() == 0

    lines = lines_of(web)
    served = [line for line in lines if line["logger"] == "integration_project.request"]
    assert CANARY not in web.log
    assert "127.0.0.1" not in re.sub(r"http://127\.0\.0\.1:\d+", "", web.log)
    assert [(line["path"], line["status"]) for line in served[:5]] == [
        ("/v1/events", 202),
        ("/v1/events", 422),
        ("/v1/events/<str:key>", 401),
        ("(no route)", 404),
        ("/static/<file>", 404),
    ]


@pytest.mark.parametrize("address", ["", "redis://127.0.0.1:1/0"])
def test_a_worker_without_a_broker_sweeps_and_is_seen(make_stack, address):
    stack = make_stack("sqlite", broker=False, REDIS_URL=address, SWEEP_SECONDS="0.2")
    stack.web()
    assert readiness(stack)["status"] == "degraded"

    worker = stack.worker()
    stack.wait_until(lambda: readiness(stack) == {"status": "ready"})

    assert worker.stop() == 0


def test_an_idle_worker_keeps_its_connection_to_the_broker(make_stack):
    stack = make_stack("sqlite")
    worker = stack.worker()
    stack.wait_until(lambda: "ready." in worker.log)

    # Longer than any of the timeouts, which must not take silence for a fault.
    with pytest.raises(TimeoutError):
        stack.wait_until(lambda: "onnection" in worker.log.partition("ready.")[2], 4)

    assert worker.stop() == 0


def test_a_worker_hears_the_doorbell_again_when_the_broker_is_back(make_stack):
    stack = make_stack("sqlite", SWEEP_SECONDS="120")
    stack.provision()
    stack.web()
    worker = stack.worker()
    stack.wait_until(lambda: "ready." in worker.log)
    stack.broker.process.stop()
    stack.wait_until(lambda: "Cannot connect" in worker.log)

    stack.broker.start()
    stack.wait_until(lambda: worker.log.count("Connected to redis") == 2)
    stack.post(a_sent_event())

    stack.wait_until_settled(10)
    assert len(stack.sandbox.records()) == 2


def test_a_signal_ends_the_web_process_after_the_request_it_serves(make_stack):
    stack = make_stack("sqlite", broker=False)
    web = stack.web()
    stack.provision()

    assert stack.post(a_sent_event()).status_code == 202
    assert web.stop(signal.SIGTERM, seconds=10) == 0


def send_raw(url, text):
    """Send what no HTTP library would, and wait for the answer."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(text.encode())
        connection.settimeout(2)
        try:
            connection.recv(1024)
        except TimeoutError:
            return
