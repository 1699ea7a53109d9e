"""Streams of a command that are closed, or whose reader goes away."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from integration_project import streams

with streams.guard_streams():
    for number in range(int(sys.argv[1])):
        print("x" * 1000)
    sys.exit(int(sys.argv[2]))
"""


def run(shell, *arguments):
    """Return the exit status and what came on standard output and standard error."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(
        [
            "/bin/bash",
            "-c",
            f'"$@" {shell}; exit "${{PIPESTATUS[0]}}"',
            "bash",
            *command,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("shell", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("status", ["0", "3"])
def test_a_command_whose_streams_are_closed_does_its_work(shell, status):
    code, _, errors = run(shell, "1", status)

    assert (code, errors) == (int(status), "")


def test_a_command_whose_reader_goes_away_says_so_once():
    # More than a pipe and a buffer take.
    code, _, errors = run("| true", "1000", "0")

    assert code == 141
    assert errors.startswith("What read the output has gone away")
    assert len(errors.splitlines()) == 1


def test_a_command_whose_output_finds_no_room_says_so_once():
    code, _, errors = run(">/dev/full", "1", "0")

    assert code == 1
    assert errors.startswith("There is no space left where the output goes")
    assert len(errors.splitlines()) == 1


def test_a_command_whose_output_is_read_says_nothing_of_it():
    assert run("| wc -l", "10", "3") == (3, "10\n", "")
