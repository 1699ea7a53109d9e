"""Programs of the product as processes of their own, forked from one that is warm.

Most of what such a process does is to import modules. The settings each imports for
itself, under the environment that it is given.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.harness import commands
from tests.harness.commands import ROOT
from tests.harness.process import Process

MANAGE: Final = "manage.py"


def start(
    folder: Path,
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    cwd: Path = ROOT,
) -> Process:
    """Start a command that has nothing in its environment but `variables`."""
    env = _environment(variables)
    return commands.start_warm(command, env=env, folder=folder, cwd=cwd)


def run(
    folder: Path,
    command: Sequence[str],
    variables: Mapping[str, str],
    *,
    cwd: Path = ROOT,
) -> subprocess.CompletedProcess[str]:
    """Run such a command to its end."""
    env = _environment(variables)
    return commands.run_warm(command, env=env, folder=folder, cwd=cwd)


def run_program(
    folder: Path, source: str, arguments: Sequence[str], variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program of a test's own to its end."""
    (folder / MANAGE).write_text(source, encoding="utf-8")
    return run(folder, [MANAGE, *arguments], variables, cwd=folder)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    return {"DATABASE_URL": "sqlite://:memory:", **variables}
