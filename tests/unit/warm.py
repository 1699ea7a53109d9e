"""Programs of the product as processes of their own, forked from one that is warm.

Most of what such a process does is to import libraries. The settings, and all that is
ours, each imports for itself, under the environment that it is given.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.harness.commands import ROOT
from tests.harness.nursery import nursery
from tests.harness.process import Process

#: Where a process prints, in the folder that it was given.
OUTPUT: Final = "output"
ERRORS: Final = "errors"
MANAGE: Final = "manage.py"


def start(
    folder: Path,
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    cwd: Path = ROOT,
) -> Process:
    """Start a command that has nothing in its environment but `variables`."""
    output = folder / OUTPUT
    environment = {"DATABASE_URL": "sqlite://:memory:", **variables}
    fork = nursery().start(
        command, env=environment, cwd=cwd, log=output, errors=folder / ERRORS
    )
    return Process(command, log=output, started=fork)


def run(
    folder: Path,
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    cwd: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """Run such a command to its end."""
    status = start(folder, command, variables, cwd=cwd).wait()
    said = [(folder / name).read_text("utf-8") for name in (OUTPUT, ERRORS)]
    return subprocess.CompletedProcess(command, status, *said)


def run_program(
    folder: Path, source: str, arguments: Sequence[str], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program of a test's own to its end."""
    (folder / MANAGE).write_text(source, encoding="utf-8")
    return run(folder, [MANAGE, *arguments], variables, cwd=folder)
