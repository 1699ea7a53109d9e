"""Backends that do it wrong: every refusal of the API, and what is refused before it."""

import base64
import gzip
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final, NamedTuple

import requests

from tests.acceptance.leaks.evidence import Evidence
from tests.acceptance.leaks.markers import ASKED, OF_THE_ENVIRONMENT, PERSONAL, TOLD
from tests.builders import a_sent_custom_event, a_sent_event
from tests.harness.process import PATIENCE_SECONDS

EVENTS: Final = "/v1/events"
WRONG: Final = ASKED["value of another type"]
UNREADABLE: Final = ASKED["text that cannot be read"]
_PERSON: Final = {"identities": {"email": PERSONAL["e-mail of the user"]}}


def an_event_of_them(**changes: Any) -> dict[str, Any]:
    """Return an event that says all there is about two people."""
    signals = {
        "ip": PERSONAL["IP address"],
        "device_id": PERSONAL["device"],
        "advertising_id": PERSONAL["advertising ID"],
    }
    phone = {**_PERSON["identities"], "phone": PERSONAL["phone of the user"]}
    defaults = {
        "user": {"identities": phone, **signals},
        "referrer": {"identities": {"email": PERSONAL["ID of the referrer"]}},
        "content": PERSONAL["content"],
        "metadata": {"note": PERSONAL["metadata"]},
    }
    return a_sent_event(**{**defaults, **changes})


def a_custom_event_of_them(**changes: Any) -> dict[str, Any]:
    """Return one with data of its own."""
    event = an_event_of_them()
    defaults = {"event_data": {"plan": PERSONAL["event data"]}}
    people = {name: event[name] for name in ("user", "referrer", "content", "metadata")}
    return a_sent_custom_event(**{**people, **defaults, **changes})


class Call(NamedTuple):
    """A request that is not taken, and how it is answered."""

    status: int
    body: bytes | None = None
    headers: dict[str, str | None] = {}
    path: str = EVENTS
    method: str = "POST"


def _nested(levels: int) -> Any:
    value: Any = WRONG
    for _ in range(levels):
        value = [value]
    return {"deep": value}


#: What is wrong with an event, each where a value stands that must not be repeated.
EVENTS_REFUSED: Final[dict[str, dict[str, Any]]] = {
    "a field that nobody knows": an_event_of_them(**{WRONG: PERSONAL["content"]}),
    "a person's field that nobody knows": an_event_of_them(user={WRONG: WRONG}),
    "no field of those that are needed": an_event_of_them(type=None),
    "another type": an_event_of_them(channel={"wrong": WRONG}),
    "a person of another type": an_event_of_them(user=WRONG),
    "a type that nobody knows": an_event_of_them(type=WRONG),
    "a way that nobody knows": an_event_of_them(via=WRONG),
    "a status that nobody knows": an_event_of_them(status=WRONG),
    "a time that is none": an_event_of_them(occurred_at=WRONG),
    "a time in milliseconds": an_event_of_them(occurred_at=1795428900000),
    "a flag that is none": an_event_of_them(test=WRONG),
    "an ID that is none": an_event_of_them(id=WRONG),
    "a name where none may be": an_event_of_them(name=WRONG),
    "data where none may be": an_event_of_them(event_data={"plan": WRONG}),
    "nobody who did it": an_event_of_them(user=None),
    "nobody who invited": an_event_of_them(referrer=None),
    "an identity of another type": an_event_of_them(
        user={"identities": {"email": [WRONG]}}
    ),
    "an identity for a provider": an_event_of_them(
        user={"identities": {PERSONAL["e-mail of the user"]: {}}}
    ),
    "a text with NUL": an_event_of_them(content=f"{WRONG}\0"),
    "an event that is too large": an_event_of_them(content=WRONG * 3_000),
    "metadata that are too large": an_event_of_them(metadata={"n": WRONG * 150}),
    "too many values": a_custom_event_of_them(event_data={WRONG: [1] * 2_001}),
    "too deep": a_custom_event_of_them(event_data=_nested(20)),
    "too large a number": a_custom_event_of_them(event_data={WRONG: 2**70}),
    "a built-in name": a_custom_event_of_them(name="App Install"),
}


def packed(value: object) -> bytes:
    """Return it as JSON."""
    return json.dumps(value).encode()


def _calls(key: str, revoked: str, archived: str) -> dict[str, Call]:
    """Return the requests that are refused as a whole."""
    body, known = packed(an_event_of_them()), {"Authorization": f"Bearer {key}"}
    secrets, many = (
        {"X-Request-Id": TOLD["API key as a name of a request"]},
        [{"id": PERSONAL["e-mail of the user"]}] * 1001,
    )

    def shows(text: str) -> dict[str, str | None]:
        return {"Authorization": text}

    basic = base64.b64encode(f"{UNREADABLE}:{TOLD['wrong password']}".encode()).decode()
    token = OF_THE_ENVIRONMENT["METRICS_TOKEN"]
    address = PERSONAL["e-mail of the user"]
    return {
        **{name: Call(422, packed(e)) for name, e in EVENTS_REFUSED.items()},
        "no JSON": Call(400, body[:-1]),
        "no JSON at all": Call(400, UNREADABLE.encode()),
        "another encoding": Call(400, b"\xff" + body),
        "NaN": Call(400, body[:-1] + b', "x": NaN}'),
        "another shape": Call(422, packed([UNREADABLE, address])),
        "another object": Call(422, packed({"events": {address: UNREADABLE}})),
        "nothing but refused": Call(422, packed({"events": [WRONG, {WRONG: 1}]})),
        "too many events": Call(413, packed({"events": many})),
        "too large": Call(413, body + b" " * 2**20),
        "too large unpacked": Call(
            413, gzip.compress(body + b" " * 2**23), {"Content-Encoding": "gzip"}
        ),
        "too many values in all": Call(
            422,
            packed(
                {
                    "events": [
                        a_custom_event_of_them(event_data={"n": [1] * 1_900})
                        for _ in range(60)
                    ]
                }
            ),
        ),
        "no gzip": Call(400, body, {"Content-Encoding": "gzip"}),
        "half of gzip": Call(
            400, gzip.compress(body)[:-9], {"Content-Encoding": "gzip"}
        ),
        "another coding": Call(415, body, {"Content-Encoding": UNREADABLE}),
        "another type of content": Call(
            415, body, {"Content-Type": f"text/{UNREADABLE}"}
        ),
        "another charset": Call(
            415, body, {"Content-Type": f"application/json; charset={UNREADABLE}"}
        ),
        "a line that is no JSON": Call(
            422, f"{UNREADABLE}\n".encode(), {"Content-Type": "application/x-ndjson"}
        ),
        "an unknown parameter": Call(400, body, path=f"{EVENTS}?{ASKED['query']}=1"),
        "another value": Call(400, body, path=f"{EVENTS}?strict={ASKED['query']}"),
        "a key in the query": Call(400, body, path=f"{EVENTS}?api_key={key}"),
        "strict and doubtful": Call(
            422, packed(an_event_of_them(channel=WRONG)), path=f"{EVENTS}?strict=1"
        ),
        "no key": Call(401, body, shows("")),
        "another scheme": Call(401, body, shows(f"Digest {key}")),
        "no key's shape": Call(401, body, shows(f"Bearer {UNREADABLE}")),
        "a key cut short": Call(
            401, body, shows(f"Bearer {TOLD['API key cut short']}")
        ),
        "an unknown key": Call(401, body, shows(f"Bearer {TOLD['unknown API key']}")),
        "Basic that is no key": Call(401, body, shows(f"Basic {basic}")),
        "a revoked key": Call(401, body, shows(f"Bearer {revoked}")),
        "an archived app": Call(403, body, shows(f"Bearer {archived}")),
        "an unknown host": Call(400, body, {"Host": f"{ASKED['header']}.example.com"}),
        "a host that is none": Call(400, body, {"Host": f"{ASKED['header']}@x y"}),
        "another method": Call(405, body, method="PUT"),
        "no address": Call(404, path=f"/v1/{ASKED['path']}", method="GET"),
        "no event": Call(404, path=f"{EVENTS}/{ASKED['path']}", method="GET"),
        "no event by NUL": Call(404, path=f"{EVENTS}/{ASKED['path']}%00", method="GET"),
        "a key for a request's name": Call(404, None, secrets, "/v1", "GET"),
        "most of a key for it": Call(
            404,
            None,
            {"X-Request-Id": TOLD["API key as a name of a request"][:-4]},
            "/v1",
            "GET",
        ),
        "an address for it": Call(404, None, {"X-Request-Id": address}, "/v1", "GET"),
        "metrics without a token": Call(401, None, shows(""), "/metrics", "GET"),
        "metrics with a key": Call(401, None, known, "/metrics", "GET"),
        "metrics with a token cut short": Call(
            401, None, shows(f"Bearer {token[:-1]}"), "/metrics", "GET"
        ),
        "no page": Call(404, None, path=f"/{ASKED['path']}", method="GET"),
        "no file": Call(404, None, path=f"/static/{ASKED['path']}", method="GET"),
    }


def call_wrongly(
    evidence: Evidence, url: str, *, key: str, revoked: str, archived: str
) -> None:
    """Send every request that is refused, and note what it is answered."""
    for name, call in _calls(key, revoked, archived).items():
        answer = send(url, key, call)
        assert answer.status_code == call.status, f"{name}: {answer.text}"
        evidence.answer("API", name, answer)


def send(url: str, key: str, call: Call) -> requests.Response:
    """Send a request as a backend would, with what a browser might add."""
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Cookie": f"sessionid={TOLD['session of nobody']}",
        "Referer": f"https://{ASKED['header']}.example.com/{ASKED['header']}",
        "User-Agent": ASKED["header"],
        "X-Forwarded-For": PERSONAL["IP address"],
        **call.headers,
    }
    return requests.request(
        call.method,
        f"{url}{call.path}",
        data=call.body,
        headers=headers,
        timeout=PATIENCE_SECONDS,
    )


def _unreadable(key: str) -> Iterator[tuple[str, str]]:
    """Yield what is no HTTP, or too much of it."""
    header = ASKED["header"]
    first, host = f"POST {EVENTS} HTTP/1.1", "Host: 127.0.0.1"
    about = (host, f"Authorization: Bearer {key}", "Content-Type: application/json")
    yield "no version", f"GET /{ASKED['path']} {header} HTTP/9\r\n\r\n"
    yield "no method", f"{header} / HTTP/1.1\r\n{host}\r\n\r\n"
    yield "no header", f"GET / HTTP/1.1\r\n{host}\r\n{header}\r\n\r\n"
    yield "long line", f"GET /{ASKED['path']}{'x' * 9000} HTTP/1.1\r\n{host}\r\n\r\n"
    yield "long header", f"GET / HTTP/1.1\r\n{host}\r\nX: {header}{'x' * 9000}\r\n\r\n"
    for name, text in (
        ("Content-Length", header),
        ("Expect", header),
        ("Transfer-Encoding", header),
    ):
        lines = (first, *about, f"{name}: {text}", "Connection: close", "", "")
        yield f"wrong {name}", "\r\n".join(lines)
    lines = (first, *about, "Transfer-Encoding: chunked", "", f"{header}\r\n")
    yield "wrong chunk", "\r\n".join(lines)
    lines = (first, *about, "Content-Length: 999", "", json.dumps(an_event_of_them()))
    yield "half of a body", "\r\n".join(lines)


def speak_no_http(evidence: Evidence, url: str, key: str) -> None:
    """Send what no library would, hang up, and note what is answered."""
    host, port = url.removeprefix("http://").split(":")
    for name, text in _unreadable(key):
        with socket.create_connection(
            (host, int(port)), PATIENCE_SECONDS
        ) as connection:
            connection.sendall(text.encode())
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            with suppress(ConnectionError):
                while piece := connection.recv(65_536):
                    answer += piece
        # The rest of it is the caller's own text, and comes from the web server.
        status, _, _ = answer.decode("utf-8", "replace").partition("\r\n")
        evidence.drive("no HTTP", name, status)
