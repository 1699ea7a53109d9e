"""The release that runs in production: its own files, in its own environment."""

import fcntl
import hashlib
import io
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from typing import Final

from tests.harness.commands import ROOT, TODAY, Checkout
from tests.harness.process import temporary_folder

RELEASE: Final = Path(__file__).with_name("RELEASE")
REQUIREMENTS: Final = "requirements.txt"
#: Environments of releases whose requirements are not today's. `make clean` removes them.
ENVIRONMENTS: Final = ROOT / ".venv-releases"
INSTALLED: Final = ".installed"


def read_release() -> str:
    """Return the commit of the release that runs in production."""
    return RELEASE.read_text(encoding="utf-8").strip()


def check_out_release() -> Checkout:
    """Return the release's own files, and the environment that its requirements ask for.

    That is today's where the requirements are the same, to the byte.
    """
    root = temporary_folder("release")
    with zipfile.ZipFile(io.BytesIO(_archive(read_release()))) as files:
        files.extractall(root)
    requirements = root / REQUIREMENTS
    if has_requirements_of_today(root):
        return Checkout(root, TODAY.programs)
    return Checkout(root, make_environment(requirements) / "bin")


def has_requirements_of_today(root: Path) -> bool:
    """Say whether the release runs on just the packages that today's runs on."""
    return (root / REQUIREMENTS).read_bytes() == (ROOT / REQUIREMENTS).read_bytes()


def make_environment(requirements: Path) -> Path:
    """Return an environment with these requirements, made once for each content."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = (
        ENVIRONMENTS / f"{sys.version_info.major}.{sys.version_info.minor}-{digest}"
    )
    ENVIRONMENTS.mkdir(exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / INSTALLED).exists():
            _install(folder, requirements)
    return folder


def _install(folder: Path, requirements: Path) -> None:
    venv.create(folder, clear=True, with_pip=True)
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    done = subprocess.run(
        [folder / "bin/python", *install, "--require-hashes", "-r", requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        message = f"The release's requirements cannot be installed:\n{done.stderr}"
        raise RuntimeError(message)
    (folder / INSTALLED).touch()


def _archive(commit: str) -> bytes:
    done = subprocess.run(
        ["git", "archive", "--format=zip", commit],  # noqa: S607 - whichever git made this clone
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        message = (
            f"The release {commit[:10]}, which {RELEASE.name} names, is not in this "
            "clone. A shallow one lacks it: run `git fetch --unshallow`, or clone the "
            "repository whole."
        )
        raise RuntimeError(message)
    return done.stdout
