"""`make planted`: plants every cause, and prints how, when and with which fix it was named.

`make planted ARGS="-k key"`: all arguments are for pytest.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.harness.commands import ROOT
from tests.planted.report import REPORT, table_of


def main(arguments: Sequence[str]) -> int:
    """Run the tests, print the table, and return pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.jsonl"
        path.touch()
        status = subprocess.call(
            [
                *(sys.executable, "-m", "pytest", "tests/planted", "-q"),
                *("-n4", "--dist=loadgroup", *arguments),
            ],
            cwd=ROOT,
            env={**os.environ, REPORT: str(path), "TEST_DATABASE": "postgresql"},
        )
        lines = path.read_text("utf-8").splitlines()
    print(f"\n{table_of(map(json.loads, lines))}")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
