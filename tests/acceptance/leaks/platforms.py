"""Platforms at hooks: each way to verify a call, each way to get it wrong, and secrets in
places where none should be."""

import gzip
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

import msgspec
import requests

from referrals.hooks.calling import write_path
from referrals.sources.call import Call, make_call
from referrals.sources.presets import Preset, Sample, load_preset
from referrals.sources.signing import sign_call
from referrals.sources.verifiers import BasicVerifier, UrlVerifier, Verifier
from tests.acceptance.leaks.evidence import Evidence
from tests.acceptance.leaks.markers import ASKED, PERSONAL, TOLD
from tests.acceptance.leaks.trouble import REFUSES
from tests.harness.process import PATIENCE_SECONDS
from tests.harness.stack import Stack

SECRET: Final = TOLD["secret of a source"]
#: Of each kind of verifier one: the platform, and its own verifier where that is not it.
VERIFIERS: Final[dict[str, tuple[str, Verifier | None]]] = {
    "header": ("branch", None),
    "HMAC in hexadecimal digits": ("getsocial", None),
    "HMAC in base64": ("friendbuy", None),
    "HMAC over minified JSON": ("voucherify", None),
    "time and signature": ("growsurf", None),
    "Standard Webhooks": ("standard_webhooks", None),
    "Basic": ("custom", BasicVerifier()),
    "path": ("adjust", None),
    "parameter": ("custom", UrlVerifier(parameter="token")),
}
#: The source whose pages are opened. Its platform makes its secret, its calls are captured.
CAPTURED: Final = "HMAC in hexadecimal digits"
#: Who stands in the samples, and who stands there for this test.
_PEOPLE: Final = {
    "ann@example.com": PERSONAL["e-mail of the user"],
    "bob@example.com": PERSONAL["ID of the referrer"],
    "u-42": PERSONAL["e-mail of the user"],
    "u-7": PERSONAL["ID of the referrer"],
    "203.0.113.7": PERSONAL["IP address"],
}
_SET_UP: Final = """
from referrals.models import App, Source
from referrals.secret import Secret
from referrals.source_setup import archive_source, create_source, start_capture
app = App.objects.create(slug="with-hooks", name="With hooks")
for name, platform, verifier in {sources!r}:
    source = Source(app=app, platform=platform, name=name, verifier=verifier)
    create_source("nobody", source, Secret({secret!r}))
    if name == "archived":
        archive_source("nobody", source)
    if name == {captured!r}:
        start_capture("nobody", source)
    print(source.public_id)
"""
_BREAK: Final = "UPDATE referrals_source SET platform = '{}' WHERE name = 'broken'"


class _Source(NamedTuple):
    """A source of the stack, as its platform knows it."""

    public_id: str
    preset: Preset
    verifier: Verifier


class _Sent(NamedTuple):
    """A call, and how it is answered."""

    status: int
    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


def make_sources(stack: Stack) -> dict[str, _Source]:
    """Make a source for each kind of verifier, one that is archived and one that breaks."""
    wanted = {**VERIFIERS, "archived": ("growsurf", None), "broken": ("growsurf", None)}
    rows = [
        (name, platform, msgspec.to_builtins(verifier))
        for name, (platform, verifier) in wanted.items()
    ]
    program = _SET_UP.format(sources=rows, secret=SECRET, captured=CAPTURED)
    ids = stack.manage("shell", "-v0", "-c", program).split()
    stack.database.execute(_BREAK.format(ASKED["value of another type"][:9]))
    return {
        name: _Source(
            public_id, load_preset(platform), verifier or load_preset(platform).verifier
        )
        for public_id, (name, (platform, verifier)) in zip(
            ids, wanted.items(), strict=True
        )
    }


def call_hooks(
    evidence: Evidence, url: str, sources: Mapping[str, _Source]
) -> dict[str, str]:
    """Call each source rightly and wrongly. Return a good signature, which is nobody's."""
    for name, sent in _calls(sources):
        answer = _send(url, sent)
        assert answer.status_code == sent.status, f"{name}: {answer.status_code}"
        assert not answer.content, name
        evidence.answer("hook", name, answer)
    for name, text in _raw(sources["header"]):
        evidence.drive("hook", name, _send_raw(url, text))
    good = _sign(sources["HMAC in hexadecimal digits"])
    return {"signature of a call": good.find_headers("x-getsocial-signature")[0][:16]}


def find_captured_source(stack: Stack) -> int:
    """Return the number of the source whose calls are captured, once one was."""
    query = f"SELECT id, captured_at IS NULL FROM referrals_source WHERE name = '{CAPTURED}'"
    stack.wait_until(lambda: not stack.database.rows(query)[0][1])
    return int(stack.database.rows(query)[0][0])


def call_without_a_database(
    evidence: Evidence, url: str, source: _Source, path: str
) -> None:
    """Call a source at a process that has never reached its database."""
    sent = _signed(HTTPStatus.SERVICE_UNAVAILABLE, source)
    answer = _send(url, sent._replace(path=f"{sent.path}/{path}"))
    assert answer.status_code == sent.status
    evidence.answer("no database", "hook", answer)


def call_broken_database(evidence: Evidence, url: str, source: _Source) -> None:
    """Send an event that the database refuses, and repeats."""
    body = {"type": "app_install", "channel": REFUSES, "id": "hook", "referrer_id": "r"}
    sent = _signed(HTTPStatus.SERVICE_UNAVAILABLE, source, json.dumps(body).encode())
    answer = _send(url, sent)
    assert answer.status_code == sent.status
    evidence.answer("broken database", "hook", answer)


def _calls(sources: Mapping[str, _Source]) -> Iterator[tuple[str, _Sent]]:
    ok, unverified = HTTPStatus.OK, HTTPStatus.UNAUTHORIZED
    for name in VERIFIERS:
        source = sources[name]
        right = _signed(ok, source)
        yield f"{name}, right", right
        yield f"{name}, again", right
        wrong = _signed(unverified, source, secret=TOLD["wrong secret of a source"])
        yield f"{name}, wrong", wrong
        yield f"{name}, malformed", _malformed(source, right)
        yield (
            f"{name}, nothing",
            right._replace(status=unverified, path=_path(source), headers={}),
        )
        yield f"{name}, no JSON", _signed(ok, source, b'{"user": "' + _person())
    yield from _elsewhere(sources["time and signature"])
    yield from _refused(sources)


def _elsewhere(source: _Source) -> Iterator[tuple[str, _Sent]]:
    """Yield right calls that have a secret where no verifier looks."""
    right, missing = _signed(HTTPStatus.OK, source), HTTPStatus.NOT_FOUND
    path, text = right.path, quote(SECRET)
    yield "secret in the path", right._replace(path=f"{path}/{text}")
    yield "secret in the query", right._replace(path=f"{path}?token={text}&{text}")
    names = {"X-Request-Id": SECRET, "X-Webhook-Secret": SECRET, "Referer": SECRET}
    yield "secret in other headers", right._replace(headers={**right.headers, **names})
    nearly = f"{path}/{text}/{ASKED['path']}"
    yield "too long an address", right._replace(status=missing, path=nearly)
    double = right._replace(status=missing, path=f"//v1/hooks//{text}?{text}")
    yield "no source", double._replace(path=f"/v1/hooks/{ASKED['path']}/{text}?{text}")
    yield "an ID with NUL", double._replace(path=f"/v1/hooks/{text}%00/{text}")


def _refused(sources: Mapping[str, _Source]) -> Iterator[tuple[str, _Sent]]:
    source = sources["time and signature"]
    right, more = _signed(HTTPStatus.OK, source), f"/{quote(SECRET)}?{quote(SECRET)}"
    path = f"{right.path}{more}"
    yield "another method", right._replace(status=405, method="GET", path=path)
    large = right.body + b" " * 2**20
    yield "too large", right._replace(status=413, path=path, body=large)
    packed = {**right.headers, "Content-Encoding": "gzip"}
    bomb = gzip.compress(right.body + b" " * 2**24)
    yield "a bomb", right._replace(status=413, path=path, headers=packed, body=bomb)
    yield "no gzip", right._replace(status=413, path=path, headers=packed)
    lines = right._replace(status=414, path=f"{path}{'x' * 9_000}")
    yield "too long a line", lines
    host = {**right.headers, "Host": f"{ASKED['header']}.example.com"}
    yield "an unknown host", right._replace(status=503, path=path, headers=host)
    archived = _signed(HTTPStatus.GONE, sources["archived"])
    yield "archived", archived._replace(path=f"{archived.path}{more}")
    broken = _signed(HTTPStatus.SERVICE_UNAVAILABLE, sources["broken"])
    yield "an exception of the view", broken._replace(path=f"{broken.path}{more}")
    yield (
        "nothing but refused",
        _signed(HTTPStatus.OK, sources["Basic"], json.dumps(_event_refused()).encode()),
    )


def _event_refused() -> dict[str, Any]:
    """Return what becomes an event that the log does not take."""
    person = PERSONAL["e-mail of the user"]
    return {"type": "app_install", "id": "refused", "referrer_id": person * 100}


def _raw(source: _Source) -> Iterator[tuple[str, str]]:
    """Yield requests of which no library would send one."""
    first = f"POST {_path(source)}/{quote(SECRET)}?{quote(SECRET)} HTTP/1.1"
    lines = [first, "Host: 127.0.0.1", "Content-Type: application/json"]
    secret = f"X-Webhook-Secret: {SECRET}"
    twice = [*lines, secret, secret, "Content-Length: 2", "", "{}"]
    yield "a header that came twice", "\r\n".join(twice)
    half = [*lines, secret, "Content-Length: 999", "", _person().decode("latin-1")]
    yield "half of a body", "\r\n".join(half)
    yield "no HTTP", "\r\n".join([first.replace("1.1", "9"), secret, "", ""])


def _person() -> bytes:
    return json.dumps(PERSONAL["e-mail of the user"])[1:-1].encode()


def _path(source: _Source) -> str:
    return f"/v1/hooks/{source.public_id}"


def _sign(source: _Source, body: bytes | None = None, secret: str = SECRET) -> Call:
    sample: Sample = source.preset.samples[0]
    is_post = sample.body is not None
    sent = _name_people(sample.body) if body is None and is_post else body
    call = make_call(
        "POST" if is_post else "GET",
        headers=sample.headers.items(),
        query_string=urlencode(json.loads(_name_people(sample.query))),
        body=(sent or b"") if is_post else b"",
    )
    return sign_call(source.verifier, call, secret, now=datetime.now(UTC))


def _signed(
    status: int, source: _Source, body: bytes | None = None, *, secret: str = SECRET
) -> _Sent:
    call = _sign(source, body, secret)
    path = write_path(source.public_id, call)
    return _Sent(status, call.method, path, dict(call.headers), call.body)


def _malformed(source: _Source, right: _Sent) -> _Sent:
    """Return a call that shows the right secret in another form."""
    text = f"{ASKED['text that cannot be read']} {SECRET}"
    wrong = right._replace(status=HTTPStatus.UNAUTHORIZED)
    if isinstance(source.verifier, UrlVerifier):
        parameter = source.verifier.parameter
        more = f"?{parameter}={quote(text)}" if parameter else f"/{quote(text)}"
        return wrong._replace(path=f"{_path(source)}{more}")
    return wrong._replace(headers=dict.fromkeys(right.headers, text))


def _name_people(value: object) -> bytes:
    """Return a sample as JSON, with the people of this test in it."""
    text = json.dumps(value)
    for theirs, ours in _PEOPLE.items():
        text = text.replace(json.dumps(theirs), json.dumps(ours))
    return text.encode()


def _send(url: str, sent: _Sent) -> requests.Response:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": ASKED["header"],
        "X-Forwarded-For": PERSONAL["IP address"],
        "X-Request-Id": SECRET,
        **sent.headers,
    }
    return requests.request(
        sent.method,
        f"{url}{sent.path}",
        data=sent.body,
        headers=headers,
        timeout=PATIENCE_SECONDS,
        allow_redirects=False,
    )


def _send_raw(url: str, text: str) -> str:
    host, port = url.removeprefix("http://").split(":")
    address = (host, int(port))
    with socket.create_connection(address, PATIENCE_SECONDS) as connection:
        connection.sendall(text.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionError):
            while piece := connection.recv(65_536):
                answer += piece
    return answer.decode("utf-8", "replace")
