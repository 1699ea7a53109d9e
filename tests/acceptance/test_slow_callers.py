"""Callers who are slow, many, or greedy: they hold no thread, and nobody else up."""

import gzip
import http.client
import json
import re
import select
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
import requests

from referrals.log.postgresql import LOCK_NAMESPACE
from tests.builders import a_sent_event
from tests.harness.memory import peak_of_family
from tests.harness.process import PATIENCE_SECONDS, wait_until
from tests.harness.stack import PATIENT

MEBIBYTE = 1024 * 1024
#: What a web process may have had at the most, whatever came.
ENOUGH = 150 * MEBIBYTE
#: The server's own limits for a lock and a statement would end what a test holds.
UNLIMITED = "?options="
EACH = 40
#: Other tests wait for locks, too, in databases of their own on the same server.
WAITING = """
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted
"""


@pytest.fixture
def stack(make_stack):
    stack = make_stack("postgresql", broker=False, warm=True)
    stack.env["DATABASE_URL"] = without_limits(stack.database.url)
    stack.env.update(PATIENT)
    return stack


def without_limits(url):
    return f"{url}&options=" if "?" in url else f"{url}{UNLIMITED}"


def head(path, *lines, method="POST"):
    named = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]
    return "\r\n".join(named).encode()


@contextmanager
def slow_callers(stack):
    """Have two hundred connections open of which none is a whole request."""
    unfinished = ("Content-Type: application/json", "Content-Length: 500")
    key = f"Authorization: Bearer {stack.keys['shop']}"
    begun = (
        head("/admin/login/", *unfinished) + b"username=",
        head("/v1/events", key, *unfinished) + b'{"id":',
        head("/v1/events", *unfinished) + b'{"id":',
        b"",
        head("/v1/events", key)[:-2] + b"X-More: ",
    )
    address = urlsplit(stack.web_url)
    callers = []
    try:
        for _ in range(EACH):
            for sent in begun:
                caller = socket.create_connection((address.hostname, address.port))
                callers.append(caller)
                caller.sendall(sent)
        yield callers
    finally:
        for caller in callers:
            caller.close()


def unanswered(callers):
    answered, _, _ = select.select(callers, [], [], 0)
    return len(callers) - len(answered)


@pytest.fixture
def send_whole(stack):
    """Return a function that sends whole requests, and returns their connections.

    A server of one process has read them all then, and need not have answered any.
    """
    with ExitStack() as opened:

        def send(count, *, app="shop"):
            sent = [opened.enter_context(closing(connect(stack))) for _ in range(count)]
            for number, connection in enumerate(sent):
                body = json.dumps(a_sent_event(id=f"whole-{number}"))
                connection.request("POST", "/v1/events", body, headers_of(stack, app))
            # Who comes later is read later: with this answer, all of them are read.
            requests.get(f"{stack.web_url}/healthz", timeout=PATIENCE_SECONDS)
            return sent

        yield send


def connect(stack):
    address = urlsplit(stack.web_url)
    return http.client.HTTPConnection(
        address.hostname, address.port, timeout=PATIENCE_SECONDS
    )


def headers_of(stack, app, **more):
    return {
        "Authorization": f"Bearer {stack.keys[app]}",
        "Content-Type": "application/json",
        **more,
    }


def statuses_of(sent):
    """Wait for the answers, and return their statuses."""
    return [connection.getresponse().status for connection in sent]


def sockets_of(sent):
    return [connection.sock for connection in sent]


def have_two_apps(stack):
    """Make the apps shop and other, of which the server knows the keys."""
    for app in ("shop", "other"):
        stack.provision(app)
        stack.post(a_sent_event(id="first"), app=app)


@contextmanager
def held_up(stack, app):
    """Let nothing be appended to the log of `app` meanwhile."""
    app_id = dict(stack.database.rows("SELECT slug, id FROM referrals_app"))[app]
    with psycopg.connect(stack.database.url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s, %s)", (LOCK_NAMESPACE, app_id))
        yield


def waiting_for_locks(stack):
    return stack.database.rows(WAITING)[0][0]


def test_two_hundred_slow_callers_hold_nobody_up(stack):
    stack.web(WEB_CONCURRENCY="1", WEB_THREADS="4")
    stack.provision()

    with slow_callers(stack) as callers:
        health = requests.get(f"{stack.web_url}/healthz", timeout=PATIENCE_SECONDS)
        ready = requests.get(f"{stack.web_url}/readyz", timeout=PATIENCE_SECONDS)
        status = requests.get(f"{stack.web_url}/v1/status", timeout=PATIENCE_SECONDS)
        page = requests.get(f"{stack.web_url}/admin/login/", timeout=PATIENCE_SECONDS)
        answers = [stack.post(a_sent_event(id=f"e-{n}")) for n in range(20)]
        # They would have been answered, or let go, if anything had waited for them.
        still_open = unanswered(callers)

    assert (health.status_code, health.json()) == (200, {"status": "alive"})
    assert (ready.status_code, page.status_code) == (200, 200)
    assert status.json()["components"]["ingest"] == "ok"
    assert {answer.status_code for answer in answers} == {202}
    assert still_open == 5 * EACH


def test_the_process_ends_with_slow_callers_and_loses_no_whole_request(
    stack, send_whole
):
    web = stack.web(WEB_CONCURRENCY="1", LAST_BODY_SECONDS="0.5")
    stack.provision()
    stack.post(a_sent_event(id="first"))

    with slow_callers(stack) as callers:
        with held_up(stack, "shop"):
            under_way = send_whole(3)
            wait_until(lambda: waiting_for_locks(stack) == 1)
            web.send(signal.SIGTERM)
            # It lets go of what is not whole, and goes on with what is.
            wait_until(lambda: unanswered(callers) == 0)
            assert unanswered(sockets_of(under_way)) == 3
            assert web.returncode is None
        statuses = statuses_of(under_way)
        status = web.wait()

    assert statuses == [202, 202, 202]
    assert status == 0
    assert stack.database.rows("SELECT count(*) FROM referrals_referralevent") == [(4,)]


def test_an_app_that_is_held_up_holds_no_other_up(stack, send_whole):
    stack.web(WEB_CONCURRENCY="1", WEB_THREADS="4")
    have_two_apps(stack)

    with held_up(stack, "shop"):
        greedy = send_whole(20)
        wait_until(lambda: waiting_for_locks(stack) >= 1)
        other = [
            stack.post(a_sent_event(id=f"e-{n}"), app="other").status_code
            for n in range(5)
        ]
        assert unanswered(sockets_of(greedy)) == 20

    assert other == [202] * 5
    assert statuses_of(greedy) == [202] * 20


def test_over_its_share_an_app_is_refused_while_another_waits(stack, send_whole):
    # Of the one thread and its eight places an app has four while another waits.
    stack.web(WEB_CONCURRENCY="1", WEB_THREADS="1", APP_SHARE="50")
    have_two_apps(stack)

    with held_up(stack, "shop"):
        first = send_whole(9)
        wait_until(lambda: waiting_for_locks(stack) == 1)
        assert unanswered(sockets_of(first)) == 9
        other = send_whole(1, app="other")
        answer = stack.post(a_sent_event(id="late"))
        assert unanswered(sockets_of(other)) == 1

    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "5"
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert re.fullmatch("[a-z2-7]{16}", answer.headers["X-Request-Id"])
    assert answer.json()["type"] == "/docs#problem-over-share"
    assert statuses_of(other) == [202]
    assert statuses_of(first) == [202] * 9


def worst_requests():
    """Yield bodies that are small on the wire, and the worst of their kind for memory."""
    event = a_sent_event(type="custom", name="Worst")
    full = {f"k{n}": "v" * 60 for n in range(85)}
    yield {
        "events": [{**event, "id": f"{n}", "event_data": full} for n in range(1_000)]
    }
    yield {"events": [{} for _ in range(2_600_000)]}
    yield {"events": [{**event, "event_data": {"list": [1] * 3_900_000}}]}
    yield {"events": [{**event, "id": "é" * 1_300_000}]}


def request_of_large_characters():
    """Return events of which each text takes four bytes of memory for each character."""
    full = {f"k{n}": "\U0001f600" + "v" * 60 for n in range(85)}
    event = a_sent_event(type="custom", name="Worst", event_data=full)
    return {"events": [{**event, "id": f"large-{n}"} for n in range(1_000)]}


def request_of_long_texts():
    """Return events with one text each, of which each character takes four bytes."""
    event = a_sent_event(type="custom", name="Worst")
    text = "\U0001f600" + "v" * 7_900
    return {
        "events": [
            {**event, "id": f"long-{n}", "event_data": {"k": text}}
            for n in range(1_000)
        ]
    }


def worst_batches():
    """Yield calls of SDKs that are whole, and the worst of their kind for memory."""
    full = {"referrer_id": "r", **{f"k{n}": "v" * 20 for n in range(50)}}
    track = {"type": "track", "event": "App Installed", "properties": full}
    yield {"batch": [{**track, "userId": f"u{n}"} for n in range(2_500)]}
    nested = {"a": 0}
    for _ in range(58):
        nested = {"a": nested}
    yield {"batch": [nested] * 2_400, "padding": "x" * 3_000_000}
    yield {"batch": [{"properties": {f"{n:x}": {} for n in range(160_000)}}]}


def batch_of_large_characters():
    """Return a batch of which each text takes four bytes of memory for each character."""
    full = {"referrer_id": "r", **{f"k{n}": "\U0001f600" + "v" * 20 for n in range(40)}}
    track = {"type": "track", "event": "App Installed", "properties": full}
    return {"batch": [{**track, "userId": f"u{n}"} for n in range(2_500)]}


@pytest.mark.thorough
def test_eight_of_the_worst_batches_of_sdks_at_once_need_little_memory(stack):
    # A fork of the warm process would begin with all that is imported there.
    web = stack.cold_web(WEB_CONCURRENCY="1")
    stack.provision()
    for worst in (*worst_batches(), batch_of_large_characters()):
        body = write_json(worst).encode()
        assert len(body) < 4 * MEBIBYTE
        for sent, encoding in ((body, "identity"), (gzip.compress(body), "gzip")):
            statuses = ask_eight(
                stack,
                "POST",
                "/v1/segment/v1/batch",
                data=sent,
                auth=(stack.keys["shop"], ""),
                headers={"Content-Encoding": encoding},
            )
            # Some find no room: they are asked to come again.
            assert 200 in statuses

    assert peak_of_family(web.pid) < ENOUGH


@pytest.mark.thorough
def test_eight_of_the_worst_requests_at_once_need_little_memory(stack):
    # A fork of the warm process would begin with all that is imported there.
    web = stack.cold_web(WEB_CONCURRENCY="1")
    stack.provision()

    statuses = [send_eight(stack, worst) for worst in worst_requests()]
    assert statuses == [{202}, {413}, {422}, {422}]
    assert send_eight(stack, request_of_large_characters()) == {202}
    # What short texts have left has no room for long ones.
    assert send_eight(stack, request_of_long_texts()) == {202}
    # With half a surrogate pair in it, a body is lenient JSON.
    half = {"cut": '"k84":"', "paste": '"k84":"\\ud83d'}
    assert send_eight(stack, request_of_large_characters(), **half) == {202}
    some = {"events": request_of_large_characters()["events"][:150]}
    assert send_eight(stack, some, query="?dry_run=1") == {200}

    assert peak_of_family(web.pid) < ENOUGH


@pytest.mark.thorough
def test_eight_large_requests_of_lines_or_people_at_once_need_little_memory(stack):
    web = stack.cold_web(WEB_CONCURRENCY="1")
    stack.provision()
    events = request_of_large_characters()["events"]
    lines = "\n".join(map(write_json, events))
    people = [
        {"identities": {f"p{m}": f"\U0001f600{n}-{m}-" + "x" * 200 for m in range(20)}}
        for n in range(1_000)
    ]

    headers = {"Content-Type": "application/x-ndjson"}
    assert send_json(stack, "/v1/events", lines, headers=headers) == {202}
    assert send_json(
        stack, "/v1/people", write_json({"people": people}), method="PUT"
    ) == {202}

    assert peak_of_family(web.pid) < ENOUGH


def write_json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def send_eight(stack, worst, *, query="", cut="", paste=""):
    """Send the request eight times at once, and return the statuses of the answers.

    The first of its JSON that is to be `cut` out is replaced.
    """
    text = write_json(worst).replace(cut, paste, 1)
    return send_json(stack, f"/v1/events{query}", text)


def send_json(stack, path, text, *, method="POST", headers=None):
    """Send the text, compressed, eight times at once, and return the statuses."""
    body = gzip.compress(text.encode())
    assert len(body) < MEBIBYTE
    headers = headers_of(stack, "shop", **{"Content-Encoding": "gzip"}, **headers or {})
    return ask_eight(stack, method, path, data=body, headers=headers)


def ask_eight(stack, method, path, **request):
    with ThreadPoolExecutor(8) as callers:
        answers = [
            callers.submit(
                requests.request,
                method,
                f"{stack.web_url}{path}",
                timeout=PATIENCE_SECONDS,
                **request,
            )
            for _ in range(8)
        ]
    return {each.result().status_code for each in answers}
