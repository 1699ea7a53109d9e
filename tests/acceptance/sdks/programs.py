"""Programs that use an SDK, each as somebody's backend would, and how they are run.

A program gets its orders as JSON, and prints the errors that the SDK told it, as
`[[status or text, number of events], …]`.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.harness.process import PATIENCE_SECONDS

FOLDER: Final = Path(__file__).parent
MODULES: Final = FOLDER / "node_modules"
NODE: Final = "@segment/analytics-node"

_PYTHON: Final = """
import json, sys
from {package}.analytics.client import Client

orders, errors = json.loads(sys.argv[1]), []
client = Client(
    orders["key"],
    host=orders["origin"] + "/v1/segment",
    gzip=orders["gzip"],
    on_error=lambda error, batch: errors.append([error.status, len(batch)]),
)
for number in range(orders["events"]):
    client.track(
        f"u-{{number}}",
        "Install Attributed",
        {{"referrer_id": "u-7"}},
        message_id=orders["prefix"] + str(number),
    )
client.flush()
print(json.dumps(errors))
"""
_NODE: Final = """
const { Analytics } = require("@segment/analytics-node");

const orders = JSON.parse(process.argv[1]);
const errors = [];
const analytics = new Analytics({
  writeKey: orders.key,
  host: orders.origin,
  path: "/v1/segment/v1/batch",
});
analytics.on("error", (error) => errors.push([error.reason.message, 1]));
for (let number = 0; number < orders.events; number++) {
  analytics.track({
    userId: `u-${number}`,
    event: "Install Attributed",
    properties: { referrer_id: "u-7" },
    messageId: orders.prefix + number,
  });
}
analytics.closeAndFlush().then(() => console.log(JSON.stringify(errors)));
"""


@dataclass(frozen=True)
class Sdk:
    """An SDK: how it names itself, whether it compresses, and how a wrong key is told."""

    title: str
    agent: str
    has_gzip: bool
    wrong_key: Any
    command: Sequence[str]
    program: str

    @property
    def slug(self) -> str:
        """Return its title in a form that an idempotency key may have."""
        return self.title.replace(" ", "-").lower()

    def start(self, folder: Path, **orders: Any) -> subprocess.Popen[str]:
        """Start its program. `folder` has no file from which an SDK reads settings."""
        return self.run(self.program, folder, json.dumps({**ORDERS, **orders}))

    def run(self, program: str, folder: Path, *arguments: str) -> subprocess.Popen[str]:
        """Start another program of its language."""
        return subprocess.Popen(
            [*self.command, program, *arguments],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


ORDERS: Final[Mapping[str, Any]] = {"gzip": False, "events": 1}
_PYTHON_COMMAND: Final = (sys.executable, "-c")
SEGMENT_PYTHON: Final = Sdk(
    *("Segment for Python", "analytics-python/2.", True, 401, _PYTHON_COMMAND),
    _PYTHON.format(package="segment"),
)
RUDDERSTACK_PYTHON: Final = Sdk(
    *("RudderStack for Python", "analytics-python/2.1", True, 401, _PYTHON_COMMAND),
    _PYTHON.format(package="rudderstack"),
)
SEGMENT_NODE: Final = Sdk(
    *("Segment for Node", "analytics-node-next", False, "[401] Unauthorized"),
    ("node", "-e"),
    _NODE,
)


def has_node() -> bool:
    """Return whether this machine can run the SDK for Node."""
    return all(map(shutil.which, ("node", "npm")))


def install_node_sdk() -> None:
    """Install exactly what the lock file names, unless it is there."""
    stamp, lock = MODULES / ".package-lock.json", FOLDER / "package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return
    npm = shutil.which("npm") or "npm"
    done = subprocess.run(
        [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=FOLDER,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS * 4,
        check=False,
    )
    assert done.returncode == 0, f"{NODE} could not be installed: {done.stderr}"
    stamp.touch()


def finish(process: subprocess.Popen[str]) -> str:
    """Return what a program printed, once it has ended by itself, and well."""
    try:
        printed, told = process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        printed, told = process.communicate()
        told += "\nIt did not end by itself."
    assert process.returncode == 0, told
    return printed


def _environment() -> dict[str, str]:
    """Return this process's, in which no proxy stands between a program and the server."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
    }
    return {**kept, "NODE_PATH": str(MODULES)}
