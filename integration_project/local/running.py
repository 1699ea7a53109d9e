"""What a running `manage.py up` tells its processes, for commands in another terminal.

They work on the same database. Without these settings they would ring no worker, and
would ask the real CleverTap about a demo's account.

Imports no framework: the settings want these variables, so they are in place before.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from integration_project.environment import fill_in_missing
from integration_project.local import lock, private_file

LOCK_FILE, SETTINGS_FILE = "up.lock", "up.json"
#: Where it is set, a command may be about another database than this checkout's own.
_DATABASE = "DATABASE_URL"


@contextlib.contextmanager
def leave_settings(
    folder: Path, values: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[None]:
    """Leave `values` in `folder` for others, where it has the database, until the end."""
    path = folder / SETTINGS_FILE
    path.unlink(missing_ok=True)
    if not environment.get(_DATABASE):
        private_file.write_private_file(path, json.dumps(dict(values)))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def load_running_settings(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Fill in the settings that `environment` lacks from the `up` that runs in `folder`.

    The file of an `up` that was killed is not read: its lock is free.
    """
    if environment.get(_DATABASE) or not lock.is_locked(folder / LOCK_FILE):
        return
    with contextlib.suppress(FileNotFoundError):
        values: dict[str, str] = json.loads((folder / SETTINGS_FILE).read_bytes())
        fill_in_missing(environment, values.items())
