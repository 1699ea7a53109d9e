"""Asks for known vulnerabilities of every pinned package: `make audit`.

Apart from `make check`, since its answer changes while the code does not. Arguments go to
pip-audit, such as `-s osv` for another service, or `--ignore-vuln ID` for what does not
concern us. A package that the service does not know is a failure, never a pass.
"""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from scripts.check_repository import ROOT

#: The first has what production installs, too.
FILES: Final = (
    "requirements-dev.txt",
    "requirements-audit.txt",
    "requirements-docs.txt",
)


def main(arguments: Sequence[str]) -> int:
    """Ask about each file, also where another one failed, and return the exit status."""
    return max(ask_about(name, arguments) for name in FILES)


def ask_about(name: str, arguments: Sequence[str]) -> int:
    """Print what is known of a file's packages; return 0 where that is nothing."""
    sys.stdout.write(f"== {name}\n")
    sys.stdout.flush()
    command = (
        str(Path(sys.executable).with_name("pip-audit")),
        *("--strict", "--require-hashes", "--disable-pip", "--progress-spinner", "off"),
        *("-r", name, *arguments),
    )
    return subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - ours


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
