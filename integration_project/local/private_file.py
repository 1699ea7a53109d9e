"""Files that only this user may read, and that are whole from the moment they are there.

Imports no framework: secrets are written and read before the settings.
"""

import os
from pathlib import Path
from typing import Final

_PRIVATE: Final = 0o600


def write_private_file(path: Path, text: str) -> None:
    """Write `text` to a file at `path`, in one step; replaces a file that is there."""
    draft_private_file(path, text).replace(path)


def draft_private_file(path: Path, text: str) -> Path:
    """Return a finished file beside `path`, for a caller with its own way to put it there."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return draft
