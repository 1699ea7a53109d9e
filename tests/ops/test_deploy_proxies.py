"""nginx and Caddy, with the files of `ops/` as they stand, in front of the real gunicorn."""

import contextlib
import re
import socket
import ssl
import threading

import pytest
import requests

from integration_project.web import request_limits
from tests.builders import a_sent_event
from tests.harness.process import PATIENCE_SECONDS, free_port
from tests.harness.receivers import WebhookReceiver
from tests.harness.stack import Stack
from tests.ops.proxies import BODY_SECONDS, HERE, START, start_nginx

SECRET = "s3cret-of-a-platform"
PASSWORD = "correct horse battery staple"
FORGED = {
    "X-Forwarded-For": "203.0.113.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "evil.example.com",
    "X-Forwarded-Port": "1",
    "Forwarded": "for=203.0.113.9;proto=https",
}
MEBIBYTE = 1024 * 1024

pytestmark = pytest.mark.xdist_group("deploy_proxies")


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """Web on PostgreSQL as behind a proxy; a body has two seconds, and not twenty."""
    folder = tmp_path_factory.mktemp("product")
    with Stack(
        *("postgresql", folder),
        broker=False,
        warm=True,
        SECURE_PROXY="true",
        BODY_SECONDS=str(BODY_SECONDS),
        GUNICORN_CMD_ARGS="--config python:tests.harness.patient_server",
    ) as stack:
        stack.web()
        stack.provision()
        stack.manage(
            *("createsuperuser", "--no-input", "--username=admin"),
            "--email=admin@example.com",
            DJANGO_SUPERUSER_PASSWORD=PASSWORD,
        )
        yield stack


@pytest.fixture(scope="module", params=START)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def proxy(kind, product, tmp_path_factory):
    folder = tmp_path_factory.mktemp(kind)
    started = START[kind](folder / "proxy", int(product.web_url.rpartition(":")[2]))
    yield started
    started.process.stop()


@pytest.fixture(scope="module")
def other(kind, tmp_path_factory):
    """The same proxy in front of what keeps each request as it comes, and the keeper."""
    with WebhookReceiver() as receiver:
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        folder = tmp_path_factory.mktemp(f"{kind}-other")
        started = START[kind](folder / "proxy", receiver.server_address[1])
        yield started, receiver
        receiver.shutdown()
        started.process.stop()


def browser(proxy):
    """Return a session that trusts the proxy's own authority, and no other."""
    session = requests.Session()
    session.trust_env = False
    session.verify = str(proxy.bundle)
    return session


def key_of(product):
    return {"Authorization": f"Bearer {product.keys['shop']}"}


def test_a_person_logs_in_over_https_with_a_certificate_of_ones_own(proxy):
    with browser(proxy) as session:
        first = session.get(f"{proxy.http}/admin/", allow_redirects=False)
        assert first.status_code == 301
        assert first.headers["Location"].startswith(f"https://{HERE}:")

        page = session.get(f"{proxy.https}/admin/login/")
        (token,) = re.findall('name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        done = session.post(
            f"{proxy.https}/admin/login/?next=/admin/",
            data={
                "csrfmiddlewaretoken": token,
                "username": "admin",
                "password": PASSWORD,
            },
            headers={"Referer": f"{proxy.https}/admin/login/"},
        )

        assert (done.status_code, done.url) == (200, f"{proxy.https}/admin/")
        assert 'action="/admin/logout/"' in done.text
        assert {cookie.secure for cookie in session.cookies} == {True}
        assert "max-age=" in done.headers["Strict-Transport-Security"]


def test_a_backend_sends_events_over_https_and_never_over_http(proxy, product):
    with browser(proxy) as session:
        headers = {**key_of(product), **FORGED}
        sent = [
            session.post(
                f"{address}/v1/events", json=a_sent_event(), headers=headers
            ).status_code
            for address in (proxy.https, proxy.http)
        ]

    # The header that says HTTPS is the proxy's, whatever a caller writes.
    assert sent == [202, 403]


def test_what_callers_say_of_themselves_is_overwritten(other):
    proxy, receiver = other
    receiver.received.clear()

    with browser(proxy) as session:
        for address in (proxy.https, proxy.http):
            session.get(f"{address}/v1/hooks/x", headers=FORGED)

    for received, scheme in zip(receiver.received, ("https", "http"), strict=True):
        assert received.headers["x-forwarded-for"] == HERE
        assert received.headers["x-forwarded-proto"] == scheme
        assert "evil" not in str(received.headers)
        assert "203.0.113.9" not in str(received.headers)
        assert "forwarded" not in received.headers
        assert received.headers["host"].startswith(f"{HERE}:")


def test_a_slow_client_is_cut_off_and_others_go_on_meanwhile(proxy, product):
    head = (
        "POST /v1/events HTTP/1.1\r\n"
        f"Host: {HERE}\r\n"
        f"Authorization: Bearer {product.keys['shop']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 500\r\n"
    )
    texts = (head, f"{head}\r\n{{")
    with contextlib.ExitStack() as connections:
        slow = [
            connections.enter_context(connection_to(proxy))
            for _ in range(20)
            for _ in texts
        ]
        for number, each in enumerate(slow):
            each.sendall(texts[number % 2].encode())
        with browser(proxy) as session:
            statuses = {
                session.post(
                    f"{proxy.https}/v1/events",
                    json=a_sent_event(),
                    headers=key_of(product),
                ).status_code
                for _ in range(5)
            }
        answers = [read_to_end(each) for each in slow]

    assert statuses == {202}
    # Half a head is no request. Half a body must never look as if it had been taken.
    assert {answer[:12] for answer in answers[::2]} == {b""}
    ends = {answer[:12] for answer in answers[1::2]}
    assert ends <= {b"", b"HTTP/1.1 400", b"HTTP/1.1 408"}


def connection_to(proxy):
    context = ssl.create_default_context(cafile=proxy.bundle)
    plain = socket.create_connection((HERE, proxy.port), timeout=PATIENCE_SECONDS)
    return context.wrap_socket(plain, server_hostname=HERE)


def read_to_end(connection):
    """Return all that still comes, however the other side ends."""
    got = b""
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        while part := connection.recv(4096):
            got += part
    return got


@pytest.mark.parametrize("size", [2 * MEBIBYTE, 10 * MEBIBYTE])
def test_a_body_that_is_too_large_is_answered_by_the_product(proxy, product, size):
    with browser(proxy) as session:
        answer = session.post(
            f"{proxy.https}/v1/events",
            data=b" " * size,
            headers={**key_of(product), "Content-Type": "application/json"},
        )

    assert answer.status_code == 413
    assert answer.json()["type"] == "/docs#problem-too-large"


def test_a_batch_of_an_sdk_that_is_larger_than_other_bodies_gets_through(
    proxy, product
):
    batch = {"batch": [], "padding": "x" * 3 * MEBIBYTE}
    with browser(proxy) as session:
        answer = session.post(
            f"{proxy.https}/v1/segment/v1/batch",
            json=batch,
            auth=(product.keys["shop"], ""),
        )

    assert answer.status_code != 413


def test_nginx_goes_on_to_the_other_web_process_where_one_has_ended(
    product, tmp_path_factory
):
    folder, port = tmp_path_factory.mktemp("two"), product.web_url.rpartition(":")[2]
    proxy = start_nginx(folder / "proxy", free_port(), int(port))
    with browser(proxy) as session:
        statuses = [
            session.post(
                f"{proxy.https}/v1/events", json=a_sent_event(), headers=key_of(product)
            ).status_code
            for _ in range(4)
        ]
    proxy.process.stop()

    assert statuses == [202] * 4


def test_a_platform_s_long_address_gets_through_and_is_in_no_log(proxy):
    path, query = "/v1/hooks/x", f"{SECRET}="
    query = query.ljust(request_limits.MAX_URL_BYTES - len(path), "y")
    with browser(proxy) as session:
        answer = session.get(f"{proxy.https}{path}?{query}")
        session.get(f"{proxy.https}/v1/status?{SECRET}")

    # The product's own: there is no such source.
    assert answer.status_code == 404
    assert answer.headers["X-Request-Id"]
    assert SECRET not in proxy.logs()
    assert "/v1/hooks" not in proxy.logs()


def test_a_hook_s_address_is_in_no_log_where_its_head_is_slow_or_broken(proxy):
    line = f"GET /v1/hooks/x/{SECRET} HTTP/1.1\r\n"
    nobody = f"{line}\r\n"
    broken = f"{line}Host: {HERE}\r\nContent-Length: -1\r\n\r\n"
    with contextlib.ExitStack() as connections:
        callers = [connections.enter_context(connection_to(proxy)) for _ in range(3)]
        for caller, text in zip(callers, (line, nobody, broken), strict=True):
            caller.sendall(text.encode())
        answers = [read_to_end(caller)[:12] for caller in callers]

    assert answers == [b"", b"HTTP/1.1 400", b"HTTP/1.1 400"]
    assert SECRET not in proxy.logs()


def test_the_name_of_an_event_is_in_no_log(proxy, product):
    with browser(proxy) as session:
        answer = session.get(
            f"{proxy.https}/v1/events/{SECRET}", headers=key_of(product)
        )

    assert answer.status_code == 404
    assert SECRET not in proxy.logs()


def test_no_secret_and_no_search_is_logged_where_the_product_is_away(
    kind, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("away")
    proxy = START[kind](folder / "proxy", free_port())
    try:
        with browser(proxy) as session:
            answer = session.post(f"{proxy.https}/v1/hooks/{SECRET}?{SECRET}")
            page = session.get(f"{proxy.https}/admin/?q={SECRET}")
    finally:
        proxy.process.stop()

    assert (answer.status_code, page.status_code) == (502, 502)
    # That it is away can be seen.
    assert "502" in proxy.logs()
    assert SECRET not in proxy.logs()
