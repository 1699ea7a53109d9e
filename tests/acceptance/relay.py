"""An HTTP relay on 127.0.0.1 that notes what passes, and makes a long wait a short one."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Final
from urllib.parse import urlsplit

from tests.harness.process import PATIENCE_SECONDS

#: What callers are told in place of the minute that a server asks them to wait.
RETRY_SECONDS: Final = "1"
_PASSED: Final = ("authorization", "content-encoding", "content-type", "user-agent")


@dataclass(frozen=True)
class Passed:
    """A request, and the status and Retry-After of the answer to it."""

    path: str
    agent: str
    encoding: str
    size: int
    status: int
    retry_after: str


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    target: ClassVar[str]
    passed: ClassVar[list[Passed]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        connection = http.client.HTTPConnection(self.target, timeout=PATIENCE_SECONDS)
        headers = {
            name: value
            for name, value in self.headers.items()
            if name.lower() in _PASSED
        }
        connection.request("POST", self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        waits = answer.headers.get("Retry-After", "")
        self.passed.append(
            Passed(
                self.path,
                self.headers.get("User-Agent", ""),
                self.headers.get("Content-Encoding", ""),
                len(body),
                answer.status,
                waits,
            )
        )
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.send_header("Content-Length", str(len(content)))
        if waits:
            self.send_header("Retry-After", RETRY_SECONDS)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Print nothing."""


@contextmanager
def relay(url: str) -> Iterator[tuple[str, list[Passed]]]:
    """Pass requests on to `url`; yield the relay's own URL, and the list of what passed."""
    passed: list[Passed] = []
    handler = type(
        "Handler", (_Handler,), {"target": urlsplit(url).netloc, "passed": passed}
    )
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, name="relay", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", passed
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
