"""The product's command line, run as a person or a platform runs it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.harness.environment import SECRETS
from tests.harness.nursery import nursery
from tests.harness.process import PATIENCE_SECONDS, Process, temporary_folder

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PROGRAMS: Final = Path(sys.executable).parent
#: What runs a command: as a person does, and without what this checkout keeps in `var/`.
MANAGE: Final = (str(ROOT / "manage.py"),)
BARE: Final = ("-m", "django")
#: Where a warm one prints, in the folder that it was given.
OUTPUT: Final = "output"
ERRORS: Final = "errors"
#: All that a process gets from the machine it runs on.
INHERITED: Final = ("HOME", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository, and the programs of the environment that it runs in."""

    root: Path
    programs: Path

    def read_procfile(self) -> dict[str, str]:
        """Return the commands that the platform runs, by the name of their process."""
        lines = (self.root / "Procfile").read_text(encoding="utf-8").splitlines()
        entries = (line.partition(":") for line in lines if line and line[0] != "#")
        return {name.strip(): command.strip() for name, _, command in entries}

    def environment(self) -> dict[str, str]:
        """Return what lets a process find the programs."""
        return {"PATH": f"{self.programs}{os.pathsep}{os.environ.get('PATH', '')}"}


TODAY: Final = Checkout(ROOT, PROGRAMS)


def production(**variables: str) -> dict[str, str]:
    """Return the environment of a process in production, changed by `variables`."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {
        **inherited,
        **SECRETS,
        **TODAY.environment(),
        "ALLOWED_HOSTS": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }


def manage(
    *arguments: str,
    env: Mapping[str, str],
    stdin: str = "",
    check: bool = True,
    seconds: float = PATIENCE_SECONDS,
    program: Sequence[str] = MANAGE,
    warm: bool = False,
    checkout: Checkout = TODAY,
) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end.

    With `check`, a status other than zero raises `RuntimeError` with the output. A `warm`
    one is a fork of a process that has its libraries; `program` is manage.py then, and
    the `checkout` today's.
    """
    if checkout != TODAY:
        env = {**env, **checkout.environment()}
        program = (str(checkout.root / "manage.py"),)
    env = {"DJANGO_SETTINGS_MODULE": "integration_project.settings", **env}
    if warm:
        folder = temporary_folder("command")
        try:
            done = run_warm(
                ["manage.py", *arguments],
                env=env,
                folder=folder,
                stdin=stdin,
                seconds=seconds,
            )
        finally:
            shutil.rmtree(folder)
    else:
        done = subprocess.run(
            [checkout.programs / Path(sys.executable).name, *program, *arguments],
            cwd=checkout.root,
            env=env,
            input=stdin,
            text=True,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    if check and done.returncode:
        message = f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}"
        raise RuntimeError(message)
    return done


def start_warm(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    cwd: Path = ROOT,
    stdin: str = "",
) -> Process:
    """Start a fork of a process that has the libraries; it prints into files in `folder`."""
    read, printed = folder / "input", folder / OUTPUT
    read.write_text(stdin, encoding="utf-8")
    fork = nursery().start(
        command, env=env, cwd=cwd, log=printed, errors=folder / ERRORS, read=read
    )
    return Process(command, log=printed, started=fork)


def run_warm(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    folder: Path,
    cwd: Path = ROOT,
    stdin: str = "",
    seconds: float = PATIENCE_SECONDS,
) -> subprocess.CompletedProcess[str]:
    """Run such a fork to its end, which is `seconds` away at most."""
    process = start_warm(command, env=env, folder=folder, cwd=cwd, stdin=stdin)
    try:
        status = process.wait(seconds)
    finally:
        process.kill()
    said = [(folder / name).read_text("utf-8") for name in (OUTPUT, ERRORS)]
    return subprocess.CompletedProcess(command, status, *said)


def procfile() -> dict[str, str]:
    """Return the commands that the platform runs, by the name of their process."""
    return TODAY.read_procfile()
