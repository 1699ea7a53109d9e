"""`make run` on machines that lack something: what `scripts/venv.sh` tells a person."""

import shutil
import subprocess
import sys

import pytest

from tests.harness.commands import ROOT

TOO_OLD = """#!/bin/sh
[ "$1" = --version ] && echo "Python 3.9.2" && exit 0
exit 1
"""
TOO_NEW = """#!/bin/sh
[ "$1" = --version ] && echo "Python 3.15.0" && exit 0
exit 1
"""
# A command of pyenv where .python-version names what it does not have.
HIDDEN = """#!/bin/sh
echo "pyenv: version \\`3.13' is not installed (set by .python-version)" >&2
exit 1
"""
WITHOUT_VENV = """#!/bin/sh
case "$2" in
  *ensurepip*) exit 1 ;;
  *print*) echo 3.12 ;;
esac
exit 0
"""
# A real one, but for what takes it seconds: the pip that it puts into a venv only answers.
HERE = f"""#!/bin/sh
set -eu
[ "$*" = "-m venv .venv" ] || exec "{sys.executable}" "$@"
"{sys.executable}" "$@" --without-pip
for packages in .venv/lib/python3.*/site-packages; do : > "$packages/pip.py"; done
"""


class Machine:
    """A checkout with the script alone, and a PATH on which only a few programs are."""

    def __init__(self, folder):
        self.script = folder / "a checkout" / "scripts" / "venv.sh"
        self.script.parent.mkdir(parents=True)
        for name in ("venv.sh", "pythons.sh"):
            shutil.copy(ROOT / "scripts" / name, self.script.parent)
        self.venv = folder / "a checkout" / ".venv"
        self.programs = folder / "bin"
        self.system = folder / "system's own" / "bin"
        self.pyenv = folder / "pyenv"
        for programs in (self.programs, self.system):
            programs.mkdir(parents=True)
        for name in ("dirname", "rm"):
            (self.programs / name).symlink_to(shutil.which(name))

    def install(self, folder, **pythons):
        folder.mkdir(parents=True, exist_ok=True)
        for name, program in pythons.items():
            path = folder / name.replace("_", ".")
            path.write_text(program)
            path.chmod(0o755)

    def run(self, **pythons):
        self.install(self.programs, **pythons)
        return subprocess.run(
            ["/bin/sh", self.script],
            env={
                "PATH": f"{self.programs}:{self.system}",
                "PYENV_ROOT": str(self.pyenv),
            },
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_no_python_is_said(machine):
    done = machine.run()

    assert done.returncode == 1
    assert "Python 3.11 to 3.14 is needed; found: no Python 3." in done.stderr


def test_an_old_python_is_named(machine):
    done = machine.run(python3=TOO_OLD)

    assert done.returncode == 1
    assert "Python 3.11 to 3.14 is needed; found: Python 3.9.2." in done.stderr


def test_a_python_without_wheels_is_named(machine):
    done = machine.run(python3=TOO_NEW)

    assert done.returncode == 1
    assert "Python 3.11 to 3.14 is needed; found: Python 3.15.0." in done.stderr


def test_what_pyenv_hides_is_passed_over_for_the_system_s(machine):
    machine.install(machine.system, python3=TOO_OLD, python3_11=HERE)

    done = machine.run(python3_11=HIDDEN, python3=HIDDEN)

    assert (done.returncode, done.stderr) == (0, "")
    assert (machine.venv / "bin" / "python").exists()


def test_what_pyenv_hides_is_found_where_pyenv_keeps_it(machine):
    machine.install(machine.pyenv / "versions" / "3.12.1" / "bin", python3_12=HERE)

    done = machine.run(python3_12=HIDDEN, python3=HIDDEN)

    assert (done.returncode, done.stderr) == (0, "")
    assert (machine.venv / "bin" / "python").exists()


def test_a_missing_venv_module_is_named_with_its_package(machine):
    done = machine.run(python3=WITHOUT_VENV)

    assert done.returncode == 1
    assert "apt install python3.12-venv" in done.stderr


def test_a_half_made_venv_is_made_anew_with_the_first_python_that_works(machine):
    machine.venv.mkdir()
    (machine.venv / ".installing").touch()
    (machine.venv / "half-installed").touch()

    first = machine.run(python3_13=TOO_OLD, python3=HERE)
    second = machine.run()

    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.startswith("Making .venv with Python 3.")
    assert not (machine.venv / "half-installed").exists()
    assert (machine.venv / "bin" / "python").exists()
    assert (second.returncode, second.stdout) == (0, "")
