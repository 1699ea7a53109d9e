"""The supervisor, with small real processes: restarts, order, patience, output."""

import os
import signal
import sys
import textwrap
import time
from pathlib import Path

import pytest

from integration_project.supervisor.process import choose_restart_delay, describe_end
from tests.harness.commands import ROOT
from tests.harness.process import Process, wait_until

#: Of these supervisors: what a person takes for one Ctrl-C, and the first pause.
SAME_SIGNAL_SECONDS = 0.1
FIRST_BACKOFF_SECONDS = 0.05


@pytest.fixture
def supervise(tmp_path):
    """Run a supervisor of Python children, given as {name: (stage, program)}."""

    def start(children, grace=600.0):
        program = tmp_path / "supervise.py"
        program.write_text(
            textwrap.dedent(
                f"""
                import sys
                from types import ModuleType
                # The supervisor alone: what it lies in brings Celery and Django.
                around = sys.modules["integration_project"] = ModuleType("around")
                around.__path__ = [{str(ROOT / "integration_project")!r}]
                from integration_project.supervisor import loop, process
                from integration_project.supervisor import Child, Output, Supervisor
                loop.SAME_SIGNAL_SECONDS = {SAME_SIGNAL_SECONDS}
                process.FIRST_BACKOFF_SECONDS = {FIRST_BACKOFF_SECONDS}
                python = (sys.executable, "-I", "-S", "-u", "-c")
                children = [
                    Child(name, (*python, source), stage=stage)
                    for name, (stage, source) in {children!r}.items()
                ]
                output = Output([child.name for child in children])
                Supervisor(children, output, grace={grace}).run()
                output.say("all gone")
                """
            )
        )
        return Process(
            [sys.executable, program],
            log=tmp_path / "log",
            env={"PATH": os.environ["PATH"]},
        )

    return start


def says(process, text):
    wait_until(lambda: text in process.log)


def is_alive(pid):
    """Return whether a process runs; one that nobody has asked for since its end does not."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def printed_pid(process, word):
    says(process, f"{word}=")
    return int(process.log.rpartition(f"{word}=")[2].split()[0])


SLEEPS = "import os, time; print(f'pid={os.getpid()}'); time.sleep(600)"
IGNORES_SIGTERM = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print(f'deaf={os.getpid()}'); time.sleep(600)"
)
# A server's own worker, which keeps running when its master is killed.
HAS_A_CHILD = (
    "import os, time; pid = os.fork(); "
    "os.write(1, b'grandchild=%d\\n' % pid if pid else b'child is up\\n'); "
    "time.sleep(600)"
)


def test_every_line_bears_its_childs_name(supervise):
    process = supervise(
        {
            "one": (0, "import os, time; os.write(1, b'a\\nb\\n'); time.sleep(600)"),
            "twenty": (0, "import os, time; os.write(1, b'c\\nd'); time.sleep(600)"),
        }
    )
    says(process, "│ b")
    says(process, "│ c")

    process.stop()

    assert "one    │ a\none    │ b\n" in process.log
    assert "twenty │ c\n" in process.log
    assert "twenty │ d\n" in process.log


def test_a_child_that_ends_starts_again_after_a_growing_pause(supervise):
    process = supervise({"brief": (0, "import sys; print('here'); sys.exit(3)")})

    says(process, "brief ended with exit code 3; starting it again in 0.2 s")
    process.stop()

    said = [line for line in process.log.splitlines() if "again in" in line]
    pauses = [line.rpartition("in ")[2] for line in said]
    assert pauses[:3] == ["0.05 s", "0.1 s", "0.2 s"]


def test_a_killed_childs_own_children_do_not_keep_its_place(supervise):
    process = supervise({"server": (0, HAS_A_CHILD)})
    says(process, "child is up")
    grandchild = printed_pid(process, "grandchild")
    master = os.getpgid(grandchild)

    os.kill(master, signal.SIGKILL)

    says(process, "server was ended by SIGKILL")
    wait_until(lambda: not is_alive(grandchild))
    process.stop()


def test_sigterm_ends_all_with_status_zero(supervise):
    process = supervise({"one": (0, SLEEPS), "two": (0, SLEEPS)})
    wait_until(lambda: process.log.count("pid=") == 2)

    status = process.stop()

    assert status == 0
    assert process.log.endswith("all gone\n")


def test_a_later_stage_ends_after_the_earlier_ones(supervise):
    slow = (
        "import signal, sys, time\n"
        "def leave(*_): time.sleep(0.3); print('front left'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, leave); print('front up'); time.sleep(600)"
    )
    back = (
        "import signal, sys, time\n"
        "def leave(*_): print('back left'); sys.exit()\n"
        "signal.signal(signal.SIGTERM, leave); print('back up'); time.sleep(600)"
    )
    process = supervise({"back": (1, back), "front": (0, slow)})
    says(process, "front up")
    says(process, "back up")

    process.stop()

    assert process.log.index("front left") < process.log.index("back left")


def test_a_child_that_does_not_listen_is_killed_after_the_grace(supervise):
    process = supervise({"deaf": (0, IGNORES_SIGTERM)}, grace=0.2)
    deaf = printed_pid(process, "deaf")

    status = process.stop()

    assert status == 0
    assert not is_alive(deaf)
    assert "ending at once: deaf" in process.log


def test_a_second_ctrl_c_does_not_wait_for_the_grace(supervise):
    process = supervise({"deaf": (0, IGNORES_SIGTERM)})
    deaf = printed_pid(process, "deaf")
    process.send(signal.SIGINT)
    says(process, "stopping; Ctrl-C again stops at once")
    time.sleep(SAME_SIGNAL_SECONDS + 0.1)
    assert is_alive(deaf)

    process.send(signal.SIGINT)

    assert process.wait() == 0
    assert not is_alive(deaf)


def test_no_child_outlives_a_killed_supervisor(supervise):
    process = supervise({"server": (0, HAS_A_CHILD), "two": (1, SLEEPS)})
    left = {printed_pid(process, "grandchild"), printed_pid(process, "pid")}

    os.kill(process.pid, signal.SIGKILL)

    wait_until(lambda: not any(map(is_alive, left)))


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.5), (2, 1), (3, 2), (6, 16), (7, 30), (10_000, 30)]
)
def test_the_pause_doubles_up_to_half_a_minute(failures, seconds):
    assert choose_restart_delay(failures) == seconds


@pytest.mark.parametrize(
    ("returncode", "text"),
    [
        (0, "ended with exit code 0"),
        (2, "ended with exit code 2"),
        (-9, "was ended by SIGKILL"),
    ],
)
def test_an_end_is_told_in_words(returncode, text):
    assert describe_end(returncode) == text
