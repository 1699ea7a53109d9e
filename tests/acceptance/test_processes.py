"""The Procfile's processes: what they log, how they start without a broker, how they end."""

import json
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event, Thread

import psycopg
import pytest
import redis
import requests

from clevertap_sync.process.doorbell import RUNG_SECONDS
from tests.builders import a_sent_event
from tests.harness.process import PATIENCE_SECONDS
from tests.harness.stack import PATIENT

CANARY = "canary-5d19"


def lines_of(process):
    """Return the lines of a process, each of which must be JSON."""
    return [json.loads(line) for line in process.log.splitlines() if line]


def readiness(stack):
    return requests.get(f"{stack.web_url}/readyz", timeout=PATIENCE_SECONDS).json()


def test_no_line_repeats_what_a_caller_sent_and_every_line_is_json(make_stack):
    stack = make_stack("sqlite", broker=False, warm=True, LOG_LEVEL="debug")
    web = stack.cold_web()
    stack.provision()
    known = a_sent_event(
        id=f"{CANARY}-id", user={"identities": {"email": f"{CANARY}@example.com"}}
    )

    assert stack.post(known).status_code == 202
    assert stack.post({"type": CANARY, "channel": CANARY}).status_code == 422
    headers = {"Authorization": f"Bearer {CANARY}", "Cookie": CANARY}
    for path in (f"/v1/events/{CANARY}", f"/{CANARY}?q={CANARY}", f"/static/{CANARY}"):
        requests.get(
            f"{stack.web_url}{path}", headers=headers, timeout=PATIENCE_SECONDS
        )
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
    stack = make_stack(
        "sqlite", broker=False, warm=True, REDIS_URL=address, SWEEP_SECONDS="0.2"
    )
    stack.web()
    assert readiness(stack)["status"] == "degraded"

    worker = stack.cold_worker()
    stack.wait_until(lambda: readiness(stack) == {"status": "ready"})

    assert worker.stop() == 0


def test_an_idle_worker_keeps_its_connection_to_the_broker(make_stack):
    stack = make_stack("sqlite", warm=True)
    worker = stack.worker()
    broker = redis.Redis.from_url(stack.broker.url)

    def listening_for():
        """Return for how many seconds the worker has had the connection it listens on."""
        clients = broker.client_list()
        return max((int(c["age"]) for c in clients if c["cmd"] == "brpop"), default=0)

    # Longer than any of the timeouts, which must not take silence for a fault.
    stack.wait_until(lambda: listening_for() >= 4)

    assert worker.stop() == 0


def test_a_worker_hears_the_doorbell_again_when_the_broker_is_back(make_stack):
    stack = make_stack("sqlite", warm=True, SWEEP_SECONDS="300")
    stack.provision()
    stack.web()
    worker = stack.worker()
    stack.wait_until(lambda: "ready." in worker.log)
    stack.broker.process.stop()
    stack.wait_until(lambda: "Cannot connect" in worker.log)
    connected = worker.log.count("Connected to redis")

    stack.broker.start()
    stack.wait_until(lambda: worker.log.count("Connected to redis") > connected)
    sent = []

    def is_heard():
        # A ring may be lost, and is not repeated for a while: then the next one counts.
        sent.append(stack.post(a_sent_event()))
        with suppress(TimeoutError):
            stack.wait_until_settled(RUNG_SECONDS)
        return stack.is_settled()

    stack.wait_until(is_heard)
    assert len(stack.sandbox.records()) == 2 * len(sent)


#: Connections to the broker that docs/operations.md reckons with.
OF_A_WEB_PROCESS, OF_A_WORKER = 3, 3
POOL = 3
CONNECTED = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND backend_type = 'client backend'  -- no autovacuum
"""


def test_processes_keep_to_the_connections_that_are_reckoned_with(make_stack):
    stack = make_stack(
        "postgresql", warm=True, SWEEP_SECONDS="0.2", DATABASE_POOL=str(POOL)
    )
    stack.web()
    stack.provision()
    events = [a_sent_event() for _ in range(5)]

    def post(_number):
        return stack.post(events).status_code

    with ThreadPoolExecutor(16) as callers, Connections(stack) as of_web:
        statuses = set(callers.map(post, range(50)))
    worker = stack.worker()
    stack.wait_until(lambda: "ready." in worker.log)
    with ThreadPoolExecutor(16) as callers, Connections(stack) as connections:
        statuses |= set(callers.map(post, range(100)))

    # Who finds no free connection is told to come again.
    assert 202 in statuses <= {202, 503}
    assert 1 < connections.most_to_database <= 2 * POOL
    assert 1 < of_web.most_to_broker <= OF_A_WEB_PROCESS
    assert 1 < connections.most_to_broker <= OF_A_WEB_PROCESS + OF_A_WORKER


class Connections:
    """Counts, as long as it is entered, who is connected to the database and the broker."""

    def __init__(self, stack):
        self.most_to_database = self.most_to_broker = 0
        self._stack = stack
        self._over = Event()
        self._thread = Thread(target=self._count)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _count(self):
        with (
            psycopg.connect(self._stack.database.url, autocommit=True) as database,
            redis.Redis.from_url(self._stack.broker.url) as broker,
        ):
            while not self._over.wait(0.01):
                [(others,)] = database.execute(CONNECTED).fetchall()
                self.most_to_database = max(self.most_to_database, others)
                others = len(broker.client_list()) - 1
                self.most_to_broker = max(self.most_to_broker, others)


def test_a_signal_ends_the_web_process_after_the_request_it_serves(make_stack):
    stack = make_stack("sqlite", broker=False, warm=True)
    web = stack.cold_web(**PATIENT)
    stack.provision()
    assert stack.post(a_sent_event()).status_code == 202
    body = json.dumps(a_sent_event()).encode()

    with connection_to(stack.web_url) as connection:
        lines = [
            *("POST /v1/events HTTP/1.1", "Host: 127.0.0.1", "Expect: 100-continue"),
            *("X-Forwarded-Proto: https", "Content-Type: application/json"),
            *(f"Authorization: Bearer {stack.keys['shop']}", "Connection: close"),
            *(f"Content-Length: {len(body)}", "", ""),
        ]
        connection.sendall("\r\n".join(lines).encode())
        assert connection.recv(1024).startswith(b"HTTP/1.1 100 ")
        web.send(signal.SIGTERM)
        stack.wait_until(lambda: "Handling signal: term" in web.log)
        connection.sendall(body)
        answer = connection.recv(1024)

    assert answer.startswith(b"HTTP/1.1 202 ")
    assert web.wait() == 0
    assert stack.database.rows("SELECT count(*) FROM referrals_referralevent") == [(2,)]
    # What is counted for the first time is written at once; the rest, at the end.
    counted = "SELECT outcome, number FROM referrals_ingestcount WHERE way LIKE 'rk_%'"
    assert stack.database.rows(counted) == [("accepted", 2)]


def connection_to(url):
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS)


def send_raw(url, text):
    """Send what no HTTP library would, and wait for the answer, or the end."""
    with connection_to(url) as connection:
        connection.sendall(text.encode())
        connection.recv(1024)
