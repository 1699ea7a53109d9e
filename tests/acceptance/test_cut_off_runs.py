"""A test run that is cut off leaves no process and no file, however it is cut off."""

import signal
import sys
from pathlib import Path

import pytest

from tests.acceptance.endless import COPIED
from tests.harness.commands import ROOT
from tests.harness.databases import SQLite
from tests.harness.descent import are_gone, command_of, descendants, pids
from tests.harness.process import Process, temporary_folder, wait_until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)

ENDLESS = "tests/acceptance/endless.py"
#: As a script's `&` starts it: with SIGINT ignored.
IN_THE_BACKGROUND = 'trap \'\' INT; exec "$0" -m tests.harness.run "$@"'
#: Two of pytest's processes, of which one has nothing to do, stand for however many.
FEW = "-n2"
#: How many processes of each kind there are then, at least. Web and worker are forks of
#: the warm process, and called as it is.
EVERYTHING = {"postgres": 1, "valkey": 1, "warm_process": 4, "reaper": 2, "pytest": 1}


def has_everything(pid):
    commands = [b" ".join(command_of(each)) for each in {pid, *pids(descendants(pid))}]
    return all(
        sum(word.encode() in command for command in commands) >= count
        for word, count in EVERYTHING.items()
    )


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.thorough),
        # The run hears both of them in the same way.
        pytest.param(
            signal.SIGTERM, marks=[pytest.mark.thorough, pytest.mark.exhaustive]
        ),
    ],
)
def test_a_run_that_is_cut_off_leaves_no_process_and_no_file(tmp_path, number):
    folder = temporary_folder("cut-off")
    folder.chmod(0o755)  # PostgreSQL runs as nobody where root runs the tests
    run = Process(
        ["/bin/sh", "-c", IN_THE_BACKGROUND, sys.executable, ENDLESS, FEW],
        log=tmp_path / "log",
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "TMPDIR": str(folder),
            "TEST_RESULTS": str(tmp_path / "results"),
            # To migrate takes longer than all the rest, and is not what this is about.
            COPIED: str(SQLite(tmp_path / "db.sqlite3").path),
        },
        cwd=ROOT,
    )
    # Beside all other tests, even to start takes its time.
    run.wait_until_ready(lambda: has_everything(run.pid), seconds=600)
    everything = descendants(run.pid)

    run.send(number)
    status = run.wait()

    wait_until(lambda: are_gone(everything))
    wait_until(lambda: not list(folder.iterdir()))
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    # What was printed so far is kept, for who wants to know what it was about.
    [output] = (tmp_path / "results" / "output").iterdir()
    assert "test session starts" in output.read_text()
