"""What docs/operations.md tells an operator to type for a backup, and to restore it."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.documented import page

#: Before each block: which of them it is.
MARK: Final = re.compile(r"<!-- (\S+) -->\n+```\n(.*?)```", re.DOTALL)


def read_commands(name: str) -> str:
    """Return the block of docs/operations.md that is marked with `name`."""
    found: dict[str, str] = dict(MARK.findall(page("operations")))
    return found[name]


def run_commands(name: str, *, folder: Path, env: Mapping[str, str]) -> str:
    """Type the marked block into a shell, in `folder`, and return it. All have to succeed."""
    commands = read_commands(name)
    done = subprocess.run(
        ["sh", "-eu", "-c", commands],  # noqa: S607 - the operator's shell
        cwd=folder,
        env=dict(env),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return commands
