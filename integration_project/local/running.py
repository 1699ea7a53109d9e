"""What a running `manage.py up` tells its processes, for commands in another terminal.

They work on the same database. Without this they would ring nobody, and ask CleverTap
itself about a demo's account.

Imports no framework: the settings want these variables, so they are in place before.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path

from integration_project.local import lock

LOCK, TOLD = "up.lock", "up.json"
#: Where it is set, a command may be about another database than this checkout's own.
_DATABASE = "DATABASE_URL"
_PRIVATE_FILE = 0o600


@contextlib.contextmanager
def told(
    folder: Path, values: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[None]:
    """Leave `values` in `folder` for others, where it has the database, until the end."""
    path = folder / TOLD
    path.unlink(missing_ok=True)
    if not environment.get(_DATABASE):
        _write(path, values)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def load(folder: Path, environment: MutableMapping[str, str]) -> None:
    """Fill in what `environment` lacks of what the `up` that runs in `folder` told.

    What one that was killed left behind is about nothing any more.
    """
    if environment.get(_DATABASE) or not lock.is_held(folder / LOCK):
        return
    with contextlib.suppress(FileNotFoundError):
        values: dict[str, str] = json.loads((folder / TOLD).read_bytes())
        for name, value in values.items():
            if not environment.get(name):
                environment[name] = value


def _write(path: Path, values: Mapping[str, str]) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(dict(values), file)
    draft.replace(path)
