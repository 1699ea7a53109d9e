"""Why tests failed, as the plugin hears it from pytest."""

import os
import subprocess
import sys

from tests.harness import failures
from tests.harness.commands import ROOT
from tests.harness.failures import Failure

TESTS = """
import pytest

@pytest.fixture
def broken():
    raise OSError("no room")

@pytest.mark.xdist_group("a group")
@pytest.mark.parametrize("x", ["a@b"])
def test_red(x):
    assert x == "c", "two\\nlines"

def test_without_its_fixture(broken): ...

def test_green(): ...
"""


def run(folder, text, *options):
    """Run tests in a pytest of their own, and return what the plugin wrote."""
    (folder / "test_planted.py").write_text(text)
    told = folder / "told.jsonl"
    subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", os.devnull),
            *("-p", failures.__name__, "-p", "xdist", "-p", "no:cacheprovider"),
            *(f"--rootdir={folder}", *options, folder / "test_planted.py"),
        ],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            # Others take a second to load, and have no part in it.
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            failures.FAILURES: str(told),
        },
        capture_output=True,
        check=False,
    )
    return sorted(failures.read(told), key=lambda failure: failure.kind)


def test_each_failure_is_told_once_with_its_first_line_wherever_it_ran(tmp_path):
    found = run(tmp_path, TESTS, "-n1", "--dist=loadgroup")

    assert found == [
        Failure(
            "ERROR",
            "test_planted.py::test_without_its_fixture",
            "OSError: no room",
        ),
        Failure("FAILED", "test_planted.py::test_red[a@b]", "AssertionError: two"),
    ]


def test_what_cannot_be_collected_is_told(tmp_path):
    found = run(tmp_path, "import no_such_module")

    assert found == [
        Failure(
            "ERROR",
            "test_planted.py",
            "ModuleNotFoundError: No module named 'no_such_module'",
        )
    ]


def test_nothing_is_told_of_a_run_without_failures(tmp_path):
    assert run(tmp_path, "def test_green(): ...") == []
