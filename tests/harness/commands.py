"""The product's command line, run as a person or a platform runs it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.harness.environment import SECRETS
from tests.harness.nursery import nursery
from tests.harness.process import Process, temporary_folder

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PROGRAMS: Final = Path(sys.executable).parent
#: What runs a command: as a person does, and without what this checkout keeps in `var/`.
MANAGE: Final = (str(ROOT / "manage.py"),)
BARE: Final = ("-m", "django")
#: All that a process gets from the machine it runs on.
INHERITED: Final = ("HOME", "LANG", "TMPDIR")


def production(**variables: str) -> dict[str, str]:
    """Return the environment of a process in production, changed by `variables`."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {
        **inherited,
        **SECRETS,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', '')}",
        "ALLOWED_HOSTS": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }


def manage(
    *arguments: str,
    env: Mapping[str, str],
    stdin: str = "",
    check: bool = True,
    seconds: float = 120,
    program: Sequence[str] = MANAGE,
    warm: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end.

    With `check`, a status other than zero raises `RuntimeError` with the output. A `warm`
    one is a fork of a process that has its libraries; `program` is manage.py then.
    """
    env = {"DJANGO_SETTINGS_MODULE": "integration_project.settings", **env}
    if warm:
        done = _fork(arguments, env, stdin, seconds)
    else:
        done = subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=ROOT,
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


def _fork(
    arguments: Sequence[str], env: Mapping[str, str], stdin: str, seconds: float
) -> subprocess.CompletedProcess[str]:
    command = ["manage.py", *arguments]
    folder = temporary_folder("command")
    read, printed, errors = (folder / name for name in ("input", "output", "errors"))
    read.write_text(stdin, encoding="utf-8")
    fork = nursery().start(
        command, env=env, cwd=ROOT, log=printed, errors=errors, read=read
    )
    process = Process(command, log=printed, started=fork)
    try:
        status = process.wait(seconds)
        said = printed.read_text("utf-8"), errors.read_text("utf-8")
        return subprocess.CompletedProcess(command, status, *said)
    finally:
        process.kill()
        shutil.rmtree(folder)


def procfile() -> dict[str, str]:
    """Return the commands that the platform runs, by the name of their process."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    entries = (line.partition(":") for line in lines if line and line[0] != "#")
    return {name.strip(): command.strip() for name, _, command in entries}
