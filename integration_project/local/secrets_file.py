"""Secrets for a machine whose environment has none: made once, kept under `var/`.

Imports no framework: the settings want these variables, so they are in place before.
"""

import os
import secrets
from collections.abc import Iterator, MutableMapping
from pathlib import Path

from integration_project.environment import fill_in_missing
from integration_project.local import private_file

SECRETS = ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS")
#: Needed beside the secrets, and no secret: what listens here does so on this machine.
HOSTS = ("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
NAMES = (*SECRETS, HOSTS[0])
SECRET_BYTES = 48
_PRIVATE_FOLDER = 0o700
_HEAD = "# Made by `manage.py up`. Who loses these loses every stored passcode.\n"


def load_secrets(
    path: Path, environment: MutableMapping[str, str], *, create: bool = False
) -> None:
    """Fill in the secrets that `environment` lacks from the file at `path`.

    With `create`, a missing file is made, unless the environment brings SECRET_KEY.
    """
    if create and not environment.get("SECRET_KEY") and not path.exists():
        _write(path)
    if path.exists():
        fill_in_missing(environment, _read(path))


def _write(path: Path) -> None:
    """Write the file in one step: half a secret is never there to be read."""
    path.parent.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    made = [(name, secrets.token_urlsafe(SECRET_BYTES)) for name in SECRETS]
    text = "".join(f"{name}={value}\n" for name, value in (*made, HOSTS))
    draft = private_file.draft_private_file(path, f"{_HEAD}{text}")
    try:
        os.link(draft, path)  # unlike a rename, leaves what another process just made
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        name, equals, value = line.partition("=")
        if equals and name in NAMES:
            yield name, value.strip()
