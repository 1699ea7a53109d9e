"""The product's command line, run as a person or a platform runs it."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.harness.environment import SECRETS

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
) -> subprocess.CompletedProcess[str]:
    """Run a management command to its end.

    With `check`, a status other than zero raises `RuntimeError` with the output.
    """
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "integration_project.settings", **env},
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


def procfile() -> dict[str, str]:
    """Return the commands that the platform runs, by the name of their process."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    entries = (line.partition(":") for line in lines if line and line[0] != "#")
    return {name.strip(): command.strip() for name, _, command in entries}
