"""A stand-in for CleverTap that costs next to nothing: `python -m benchmarks.sink PORT`.

It reads a request whole, counts its records, and answers that all were processed. It can
answer late, and refuse what exceeds a limit of requests in flight, as CleverTap does
(https://developer.clevertap.com/docs/api-request-limit). What it counted, it tells at
/sink/stats; the product's strict stand-in, the sandbox, checks every record instead and
is much slower.
"""

import asyncio
import gc
import json
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

RECORD: Final = b'"evtName"'
#: Whose record it is, which names the event where latency is measured.
IDENTITY: Final = re.compile(rb'"identity":\s*"([^"]+)"')
END_OF_HEAD: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
SLICE_SECONDS: Final = 0.1


@dataclass
class Counts:
    """What arrived since the last reset, and how the sink behaves meanwhile."""

    delay: float = 0.0
    limit: int = 0
    traces: bool = False
    records: int = 0
    requests: int = 0
    body_bytes: int = 0
    refused: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    slices: Counter[int] = field(default_factory=Counter)
    arrivals: dict[str, float] = field(default_factory=dict)

    def note(self, body: bytes | bytearray, records: int) -> None:
        """Count a request that was read to its end just now."""
        now = time.monotonic()
        self.first_at = self.first_at or now
        self.last_at = now
        self.records += records
        self.requests += 1
        self.body_bytes += len(body)
        self.slices[int(now / SLICE_SECONDS)] += records
        if self.traces:
            for identity in IDENTITY.findall(body):
                self.arrivals.setdefault(identity.decode(), now)

    def stats(self) -> dict[str, Any]:
        """Return the numbers, without the arrivals."""
        hidden = {"arrivals", "in_flight"}
        return {k: v for k, v in vars(self).items() if k not in hidden}


class Connection(asyncio.Protocol):
    """One kept connection: requests come one after the other."""

    counts = Counts()

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0
        self._body_at = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        """Take in a part of a request, and answer each that is whole."""
        self._buffer += data
        while self._buffer and self._is_whole():
            head = bytes(self._buffer[: self._body_at])
            body = self._buffer[self._body_at : self._needed]
            del self._buffer[: self._needed]
            self._needed = 0
            self._take(head, body)

    def _is_whole(self) -> bool:
        if not self._needed:
            end = self._buffer.find(END_OF_HEAD)
            if end < 0:
                return False
            self._body_at = end + len(END_OF_HEAD)
            stated = LENGTH.search(self._buffer, 0, end + 2)
            self._needed = self._body_at + (int(stated[1]) if stated else 0)
        return len(self._buffer) >= self._needed

    def _take(self, head: bytes, body: bytearray) -> None:
        address = head.split(b" ", 2)[1]
        if address.startswith(b"/sink/"):
            self._answer(200, _control(address.decode()))
            return
        counts = Connection.counts
        if counts.limit and counts.in_flight >= counts.limit:
            counts.refused += 1
            self._answer(
                429, {"status": "fail", "error": "Too many requests", "code": 429}
            )
            return
        records = body.count(RECORD)
        if b"dryRun" not in address:
            counts.note(body, records)
        counts.in_flight += 1
        counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
        if counts.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(counts.delay, self._succeed, counts, records)
        else:
            self._succeed(counts, records)

    def _succeed(self, counts: Counts, records: int) -> None:
        counts.in_flight -= 1
        self._answer(
            200, {"status": "success", "processed": records, "unprocessed": []}
        )

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        head = (
            f"HTTP/1.1 {status} Sink\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        if not self._transport.is_closing():
            self._transport.write(head.encode() + body)


def _control(address: str) -> object:
    """Reset the counts, or tell them."""
    path, _, query = address.partition("?")
    if path == "/sink/reset":
        sent = dict(parse_qsl(query))
        # Answers that are still due belong to the counts that they were counted in.
        Connection.counts = Counts(
            delay=float(sent.get("delay", 0)),
            limit=int(sent.get("limit", 0)),
            traces=sent.get("traces") == "1",
        )
    if path == "/sink/arrivals":
        return Connection.counts.arrivals
    return Connection.counts.stats()


async def serve(port: int) -> None:
    """Answer on 127.0.0.1 until the process ends."""
    server = await asyncio.get_running_loop().create_server(
        Connection, "127.0.0.1", port, backlog=512
    )
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    gc.disable()  # nothing here holds cycles for long
    asyncio.run(serve(int(sys.argv[1])))
