"""A test run that is cut off leaves no process and no file, however it is cut off."""

import signal
import sys
from pathlib import Path

import pytest

from tests.harness.commands import ROOT
from tests.harness.process import Process, wait_until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"
)

#: One that holds up CleverTap's answers for good, with every kind of process around it.
SCENARIO = (
    "tests/faults/test_account.py::test_an_account_that_hangs_stops_no_other[sqlite]"
)
#: How many processes of each kind there are then, at least. Web and worker are forks of
#: the nursery, and called as it is.
EVERYTHING = {"postgres": 1, "valkey": 1, "nursery": 4, "reaper": 2, "pytest": 1}


def commands_of(folder):
    """Return the command lines of the processes whose temporary files are in `folder`."""
    found, mark = [], f"TMPDIR={folder}".encode()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (path / "environ").read_bytes().split(b"\0"):
                words = (path / "cmdline").read_bytes().replace(b"\0", b" ")
                found.append(f"{path.name} {words.decode(errors='replace')}")
        except OSError:
            continue
    return found


def has_everything(commands):
    return all(
        sum(word in command for command in commands) >= count
        for word, count in EVERYTHING.items()
    )


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.thorough),
    ],
)
def test_a_run_that_is_cut_off_leaves_no_process_and_no_file(tmp_path, number):
    folder = tmp_path / "t"
    folder.mkdir(mode=0o755)
    for above in (tmp_path, *tmp_path.parents[:-2]):
        above.chmod(0o755)  # PostgreSQL runs as nobody where root runs the tests
    run = Process(
        [sys.executable, "-m", "tests.harness.run", SCENARIO],
        log=tmp_path / "log",
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "TMPDIR": str(folder),
            "TEST_RESULTS": str(tmp_path / "results"),
        },
        cwd=ROOT,
    )
    run.wait_until_ready(lambda: has_everything(commands_of(folder)))

    run.send(number)
    status = run.wait()

    wait_until(lambda: not commands_of(folder))
    wait_until(lambda: not list(folder.iterdir()))
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    # What was printed so far is kept, for who wants to know what it was about.
    [output] = (tmp_path / "results" / "output").iterdir()
    assert "tests/faults" in output.read_text() or number == signal.SIGKILL
