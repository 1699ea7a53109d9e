"""Those who attack, as a program of their own: `python -m tests.attack.attackers`.

It is told by the environment whom, and prints how often it was answered with what.
"""

import asyncio
import gzip
import itertools
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import redis

URL: Final = "ATTACK_URL"
KEY: Final = "ATTACK_KEY"
REDIS: Final = "ATTACK_REDIS"
SECONDS: Final = "ATTACK_SECONDS"
#: How many of each kind there are at the same time.
SLOW: Final = 40
BOMBS: Final = 4
GREEDY: Final = 16
GUESSES: Final = 2
DRIP_SECONDS: Final = 1.0
GARBAGE_SECONDS: Final = 5.0
PAUSE_SECONDS: Final = 0.05
ANSWER_SECONDS: Final = 40.0
FORM: Final = "Content-Type: application/x-www-form-urlencoded"
COOKIE: Final = re.compile(r"csrftoken=(\w+)")
FIELD: Final = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


def an_event(key: str, **fields: Any) -> dict[str, Any]:
    """Return an install of two people who occur nowhere else."""
    people = {
        side: {"identities": {"email": f"{side}-{key}@example.com"}}
        for side in ("user", "referrer")
    }
    return {"id": key, "type": "app_install", **people, **fields}


class Attackers:
    """Attacks `url` until `until`, with the key of an app that is not the victim's."""

    def __init__(self, url: str, key: str, broker: str, until: float) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 0
        self._key = f"Authorization: Bearer {key}"
        self._broker = broker
        self._until = until
        self._bombs = itertools.cycle(bombs())
        self.counts: Counter[str] = Counter()

    async def attack(self) -> None:
        """Do everything at once."""
        slow = [self._drip(kind) for kind in slow_beginnings(self._key)]
        await asyncio.gather(
            *(self._again(drip) for drip in slow for _ in range(SLOW)),
            *(self._again(self._bomb) for _ in range(BOMBS)),
            *(self._again(self._flood) for _ in range(GREEDY)),
            *(self._again(self._guess) for _ in range(GUESSES)),
            self._again(self._spoil),
        )

    async def _again(self, deed: Callable[[], object]) -> None:
        while time.monotonic() < self._until:
            try:
                await asyncio.wait_for(deed(), ANSWER_SECONDS)  # type: ignore[arg-type]
            except (OSError, EOFError, TimeoutError) as error:
                self.counts[f"{deed.__name__[1:]}: {type(error).__name__}"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    def _drip(self, beginning: bytes) -> Callable[[], object]:
        async def _drip() -> None:
            reader, writer = await asyncio.open_connection(self._host, self._port)
            with suppress(OSError):
                writer.write(beginning)
                while time.monotonic() < self._until and not reader.at_eof():
                    if beginning:
                        writer.write(b" ")
                        await writer.drain()
                    await asyncio.sleep(DRIP_SECONDS)
            self.counts["drip: let go"] += 1
            writer.close()

        return _drip

    async def _bomb(self) -> None:
        zipped = "Content-Encoding: gzip"
        await self._post(
            "/v1/events", next(self._bombs), self._key, zipped, name="bomb"
        )

    async def _flood(self) -> None:
        body = json.dumps(an_event(f"greedy-{time.monotonic_ns()}")).encode()
        await self._post("/v1/events", body, self._key, name="flood")

    async def _guess(self) -> None:
        """Try a password, as a browser would, and a key."""
        page = (await self._ask("GET", "/admin/login/", b"")).decode()
        cookie, field = COOKIE.search(page), FIELD.search(page)
        if cookie and field:
            form = {"csrfmiddlewaretoken": field[1], "username": "owner"}
            body = urlencode({**form, "password": f"guess-{time.monotonic_ns()}"})
            lines = (f"Cookie: csrftoken={cookie[1]}", FORM)
            await self._post("/admin/login/", body.encode(), *lines, name="guess")
        await self._post("/v1/events", b"{}", "Authorization: Bearer rk_x", name="key")

    async def _spoil(self) -> None:
        await asyncio.sleep(GARBAGE_SECONDS)
        with redis.Redis.from_url(self._broker) as client:
            client.delete("unacked", "unacked_index", "_kombu.binding.referrals")
            client.lpush("referrals", "no message", "{}")
            client.set("unacked", "no hash")
            for key in client.scan_iter("cursor:*"):
                client.set(key, "no number")
        self.counts["garbage: written"] += 1

    async def _post(self, path: str, body: bytes, *lines: str, name: str) -> None:
        if FORM not in lines:
            lines = (*lines, "Content-Type: application/json")
        answer = await self._ask("POST", path, body, *lines)
        self.counts[f"{name}: {answer[9:12].decode() or 'no answer'}"] += 1

    async def _ask(self, method: str, path: str, body: bytes, *lines: str) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        head = (
            *(f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close"),
            *(f"Content-Length: {len(body)}", *lines, "", ""),
        )
        try:
            writer.write("\r\n".join(head).encode() + body)
            return await reader.read()
        finally:
            writer.close()


def slow_beginnings(key: str) -> list[bytes]:
    """Return what those send who then send a byte a second, or nothing."""
    stated = "Content-Type: application/json\r\nContent-Length: 500\r\n\r\n"
    first = "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    return [
        f"POST /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\n{stated}".encode(),
        f"{first}{key}\r\n{stated}".encode(),
        f"{first}{stated}".encode(),
        f"{first}X-More: ".encode(),
        b"",
    ]


def bombs() -> list[bytes]:
    """Return bodies that are small on the wire, and not when they are unpacked."""
    many = {"event_data": {"list": list(range(95))}, "type": "custom", "name": "Many"}
    events = [an_event(f"bomb-{n}", **many) for n in range(1_000)]
    return [
        gzip.compress(body)
        for body in (
            json.dumps({"events": events}, separators=(",", ":")).encode(),
            b'{"events":[' + b",".join([b"{}"] * 2_600_000) + b"]}",
            b'{"events":[{"a":[' + b",".join([b"1"] * 3_900_000) + b"]}]}",
            b'{"events":[' + b"[" * 4_000_000 + b"]" * 4_000_000 + b"]}",
            b"0" * 8_000_000,
        )
    ]


def main() -> None:
    """Attack whom the environment names, and print the counts as JSON."""
    until = time.monotonic() + float(os.environ[SECONDS])
    attackers = Attackers(os.environ[URL], os.environ[KEY], os.environ[REDIS], until)
    asyncio.run(attackers.attack())
    print(json.dumps(dict(sorted(attackers.counts.items()))))


if __name__ == "__main__":
    main()
