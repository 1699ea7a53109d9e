"""Calls of hooks as the web process hands them to Django, header by header."""

from datetime import UTC, datetime

from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_started
from django.db import close_old_connections

from integration_project.web.bodies import Body
from integration_project.web.calls import complete_environ, read_call
from integration_project.wsgi import application
from referrals.hooks import call_reading
from referrals.hooks.known_sources import make_known_source
from referrals.models import Source
from referrals.sources.verifiers import verify_call


def a_scope(method, path, headers=(), *, query=b""):
    """Return ASGI's scope of a request, with `headers` as often as they are there."""
    named = {name.lower() for name, _ in headers}
    host = [] if "host" in named else [("Host", "testserver")]
    return {
        "method": method,
        "raw_path": path,
        "query_string": query,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("203.0.113.7", 4711),
        "headers": [
            (name.lower().encode(), value.encode("latin-1"))
            for name, value in (*host, *headers)
        ],
    }


def make_environ(method, path, headers=(), body=b"", *, query=b"", is_whole=True):
    """Return WSGI's environment of a request."""
    if body:
        headers = [*headers, ("Content-Length", str(len(body)))]
    call = read_call(a_scope(method, path, headers, query=query))
    return complete_environ(call, Body(body, len(body), is_whole=is_whole))


def verify_by_wsgi(source, headers, body):
    """Return whether a call with these headers is its platform's, and why not."""
    path = f"/v1/hooks/{source.public_id}".encode()
    request = WSGIRequest(make_environ("POST", path, headers, body))
    known = make_known_source(Source.objects.get(pk=source.pk))
    call = call_reading.read_call(request, "")
    return verify_call(known.verifier, call, known.secrets, now=datetime.now(UTC))


def call_by_wsgi(
    method, path, headers=(), body=b"", *, query=b"", is_whole=True, **environ
):
    """Return status, headers and text of the answer, past everything that Django does."""
    started = {}

    def start_response(status, lines, _=None):
        started.update(status=int(status[:3]), headers=dict(lines))

    made = make_environ(method, path, headers, body, query=query, is_whole=is_whole)
    whole = {**made, **environ}
    # As Django's own test client does: the connection is the test's.
    request_started.disconnect(close_old_connections)
    try:
        text = b"".join(application(whole, start_response))
    finally:
        request_started.connect(close_old_connections)
    return started["status"], started["headers"], text


def signed_lines(call):
    """Return the headers of a signed call."""
    return [(name.title(), value) for name, value in call.headers]
