"""Which machine the numbers are from, and how busy it was."""

import os
import platform
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.ground import Ground
from benchmarks.report import milliseconds, percentile
from tests.harness.commands import ROOT
from tests.harness.valkey import Valkey

PACKAGES: Final = ("django", "celery", "psycopg", "msgspec", "gunicorn", "requests")
SYNCED_WRITES: Final = 50
PAGE: Final = b"\0" * 8192
#: Above this many runnable processes per core, times tell more about the others.
BUSY: Final = 0.3


def lines(ground: Ground, load_before: float) -> list[str]:
    """Return machine, versions and date, one line each."""
    hardware = [
        f"{os.cpu_count()} cores ({_processor()})",
        _memory(),
        f"{platform.system()} {platform.release()}",
        f"a synced write of 8 KB takes {_fsync()}",
    ]
    programs = [
        f"Python {platform.python_version()}",
        f"PostgreSQL {_postgresql(ground)}",
        f"Valkey {_valkey()}",
        *(f"{name} {version(name)}" for name in PACKAGES),
    ]
    found = [
        f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit()}",
        ", ".join(hardware),
        ", ".join(programs),
    ]
    if load_before > BUSY * (os.cpu_count() or 1):
        found.append(
            f"**The machine was busy (load {load_before:.1f} before the start): the "
            "times are too long, ratios and CPU seconds are about right.**"
        )
    return found


def load() -> float:
    """Return how many processes ran or wanted to, over the last minute."""
    return os.getloadavg()[0]


def _commit() -> str:
    git = ["git", "rev-parse", "--short=10", "HEAD"]
    try:
        done = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    names = [x for x in info.read_text().splitlines() if x.startswith("model name")]
    return names[0].partition(":")[2].strip() if names else platform.machine()


def _memory() -> str:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{size / 2**30:.0f} GB"


def _fsync() -> str:
    """Return what a commit has to wait for at least."""
    taken = []
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCED_WRITES):
            began = time.monotonic()
            file.write(PAGE)
            file.flush()
            os.fdatasync(file.fileno()) if hasattr(os, "fdatasync") else os.fsync(
                file.fileno()
            )
            taken.append(time.monotonic() - began)
    return milliseconds(percentile(taken, 50))


def _postgresql(ground: Ground) -> str:
    return str(ground.ask("SHOW server_version")[0][0])


def _valkey() -> str:
    import redis

    server = Valkey()
    try:
        with redis.Redis.from_url(server.url) as client:
            found: dict[str, str] = client.info("server")
    finally:
        server.stop()
    return found.get("valkey_version") or found["redis_version"]
