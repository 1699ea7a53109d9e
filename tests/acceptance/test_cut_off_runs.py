"""A test run that is cut off leaves no process and no file, however it is cut off."""

import signal
import sys
from pathlib import Path

import pytest

from tests.harness.commands import ROOT
from tests.harness.process import Process, temporary_folder, wait_until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)

ENDLESS = "tests/acceptance/endless.py"
#: As a script's `&` starts it: with SIGINT ignored.
IN_THE_BACKGROUND = 'trap \'\' INT; exec "$0" -m tests.harness.run "$1"'
#: How many processes of each kind there are then, at least. Web and worker are forks of
#: the nursery, and called as it is.
EVERYTHING = {"postgres": 1, "valkey": 1, "nursery": 4, "reaper": 2, "pytest": 1}


def processes():
    """Return (parent, command line) of each process of this machine by (ID, start)."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            command = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if fields[0] != "Z":
            found[int(path.name), fields[19]] = (int(fields[1]), command)
    return found


def family(pid):
    """Return the command lines of a process and its descendants by (ID, start)."""
    everybody, found = processes(), {}
    ids = {pid}
    while more := {
        each: command
        for each, (parent, command) in everybody.items()
        if each not in found and (each[0] in ids or parent in ids)
    }:
        found |= more
        ids |= {number for number, _ in more}
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
    folder = temporary_folder("cut-off")
    folder.chmod(0o755)  # PostgreSQL runs as nobody where root runs the tests
    run = Process(
        ["/bin/sh", "-c", IN_THE_BACKGROUND, sys.executable, ENDLESS],
        log=tmp_path / "log",
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "TMPDIR": str(folder),
            "TEST_RESULTS": str(tmp_path / "results"),
        },
        cwd=ROOT,
    )
    run.wait_until_ready(lambda: has_everything(family(run.pid).values()))
    everything = family(run.pid)

    run.send(number)
    status = run.wait()

    wait_until(lambda: not processes().keys() & everything)
    wait_until(lambda: not list(folder.iterdir()))
    assert status == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    # What was printed so far is kept, for who wants to know what it was about.
    [output] = (tmp_path / "results" / "output").iterdir()
    assert "test session starts" in output.read_text()
