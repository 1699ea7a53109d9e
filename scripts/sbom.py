"""Writes the bill of materials of what production installs: `make sbom`.

CycloneDX 1.6, of an environment that has requirements.txt alone, so that nothing of the
tests is in it. The same files give the same bytes on the same kind of machine.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from scripts.check_repository import ROOT, read_requirements

OUTPUT: Final = ROOT / "sbom.cdx.json"
NAME: Final = "referral-events"
SOURCE: Final = ROOT / "requirements.in"


def main(environment: str) -> int:
    """Write the bill of what is installed in `environment`, and say where it is."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "pyproject.toml")
        project.write_text(describe_project(read_commit()), encoding="utf-8")
        run(
            str(Path(sys.executable).with_name("cyclonedx-py")),
            *("environment", environment, "--pyproject", str(project)),
            *("--mc-type", "application", "--spec-version", "1.6"),
            *("--output-reproducible", "--output-file", str(OUTPUT)),
        )
    sys.stdout.write(f"{OUTPUT.name}: what production installs, for CycloneDX 1.6.\n")
    return 0


def describe_project(commit: str) -> str:
    """Return what stands at the root of the bill: this product, and what it asks for."""
    needed = "".join(f"  '{each}',\n" for each in read_requirements(SOURCE))
    return (
        f'[project]\nname = "{NAME}"\nversion = "0+{commit}"\n'
        f"dependencies = [\n{needed}]\n"
    )


def read_commit() -> str:
    """Return the commit that is checked out; "unknown" where there is no git, as in an image."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        return "unknown"
    return run(git, "rev-parse", "--short=12", "HEAD").strip()


def run(*command: str) -> str:
    """Run a command of ours in the repository, and return what it printed."""
    done = subprocess.run(  # noqa: S603 - nothing of it comes from outside
        command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE
    )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
