"""`manage.py up`: everything on one machine, and nothing left behind."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.harness.commands import ROOT
from tests.harness.process import Process, free_port, temporary_folder, wait_until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)

PARTS = ("clevertap_sync", "integration_project", "referrals")
FILES = ("manage.py", "gunicorn.conf.py")
STARTS_WITHIN = 90
ENDS_WITHIN = 30


class Checkout:
    """A copy of the project with a `var` of its own, in a folder with a space."""

    def __init__(self):
        self.folder = temporary_folder("up") / "my checkout"
        for name in PARTS:
            shutil.copytree(
                ROOT / name,
                self.folder / name,
                ignore=shutil.ignore_patterns("__pycache__"),
            )
        for name in FILES:
            shutil.copy(ROOT / name, self.folder / name)
        self.runs = 0

    def up(self, *arguments, **environment):
        """Start `manage.py up` with next to nothing in its environment."""
        self.runs += 1
        return Process(
            [sys.executable, self.folder / "manage.py", "up", *arguments],
            log=self.folder / f"up-{self.runs}.log",
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.folder.parent),
                **environment,
            },
            cwd=self.folder,
        )

    def started(self, *arguments, **environment):
        process = self.up(*arguments, **environment)
        return process.wait_until_ready(
            lambda: "Ctrl-C stops everything." in process.log, STARTS_WITHIN
        )


@pytest.fixture
def checkout():
    return Checkout()


@pytest.fixture(scope="module")
def demo():
    process = Checkout().started("--demo", PORT=str(free_port()))
    yield process
    process.stop(seconds=ENDS_WITHIN)


def parents():
    """Return the parent of every process of this machine."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found[int(path.parent.name)] = int(fields[1])
    return found


def descendants(pid):
    """Return the processes that `pid` started, and those that they started."""
    found, of = set(), parents()
    while more := {p for p, parent in of.items() if parent in {pid, *found}} - found:
        found |= more
    return found


def child(process, word):
    """Return the process with `word` in its command line that `up` itself started."""
    of = parents()
    for pid in descendants(process.pid):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if of.get(pid) == process.pid and word.encode() in command:
            return pid
    return None


def shown(process, label):
    return re.search(rf"│  {label} +(\S.*?) *│", process.log)[1]


def test_the_printed_line_delivers_an_event_by_copy_and_paste(demo):
    line = next(x for x in demo.log.splitlines() if x.startswith("curl "))
    sandbox = shown(demo, "Sandbox").split()[0]

    answer = subprocess.run(  # noqa: S602 - as a person does
        line, shell=True, capture_output=True, text=True, check=True
    )

    assert '"accepted":1' in answer.stdout

    def delivered():
        records = requests.get(f"{sandbox}_sandbox/records", timeout=5).json()[
            "records"
        ]
        return [
            each["record"]["evtName"]
            for each in records
            if each["record"].get("identity") in {"ann@example.com", "bob@example.com"}
            and each["record"]["evtData"] == {"Channel": "whatsapp", "Status": "valid"}
            and each["record"]["evtName"].endswith("App Install")
        ]

    wait_until(
        lambda: {"Referred App Install", "Generated App Install"} <= {*delivered()}
    )


def test_the_printed_login_opens_the_admin(demo):
    address = shown(demo, "Admin")
    username, password = shown(demo, "Login").split("  /  ")
    browser = requests.Session()
    page = browser.get(f"{address}login/", timeout=10)
    form = {
        "csrfmiddlewaretoken": re.search(
            r'csrfmiddlewaretoken" value="(\w+)"', page.text
        )[1],
        "username": username,
        "password": password,
        "next": "/admin/",
    }

    answer = browser.post(f"{address}login/", data=form, timeout=10)

    assert (answer.status_code, answer.url) == (200, address)


def test_a_command_in_another_terminal_asks_the_demos_sandbox(demo):
    folder = demo.log_path.parent
    sandbox = shown(demo, "Sandbox").split()[0]
    asked = f"{sandbox}_sandbox/requests"

    def dry_runs():
        found = requests.get(asked, timeout=5).json()["requests"]
        return sum(each["dry_run"] for each in found)

    before = dry_runs()

    done = subprocess.run(
        [sys.executable, folder / "manage.py", "check_clevertap"],
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "accepts the account ID and the passcode" in done.stdout
    assert dry_runs() == before + 1


def test_a_killed_child_comes_back(demo):
    killed = child(demo, "celery")

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: child(demo, "celery") not in {None, killed})
    assert "worker was ended by SIGKILL; starting it again in 0.5 s" in demo.log


def test_a_killed_guard_is_replaced(demo):
    killed = next(
        pid
        for pid in descendants(demo.pid)
        if b"guard_script" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )

    os.kill(killed, signal.SIGKILL)

    def guards():
        return {
            pid
            for pid in descendants(demo.pid)
            if b"guard_script" in Path(f"/proc/{pid}/cmdline").read_bytes()
        }

    wait_until(lambda: guards() and killed not in guards())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_everything_with_status_zero(checkout, number):
    process = checkout.started(PORT=str(free_port()))
    everything = descendants(process.pid)

    process.send(number)

    assert process.wait(ENDS_WITHIN) == 0
    assert len(everything) >= 4  # web and its workers, worker, guard, perhaps valkey
    assert not everything & parents().keys()
    assert process.log.rstrip().endswith("Everything is stopped.")


def test_nothing_outlives_a_killed_supervisor(checkout):
    process = checkout.started(PORT=str(free_port()))
    everything = descendants(process.pid)

    os.kill(process.pid, signal.SIGKILL)

    wait_until(lambda: not everything & parents().keys(), ENDS_WITHIN)
    assert len(everything) >= 4


def test_secrets_are_private_and_never_printed(demo):
    var = demo.log_path.parent / "var"
    made = (var / "secrets.env").read_text()

    secrets = re.findall(r"^(?:SECRET_KEY|FIELD\w+)=(\S+)", made, re.MULTILINE)
    broker = re.findall(
        r"^requirepass (\S+)", _text(var / "valkey" / "valkey.conf"), re.MULTILINE
    )

    assert len(secrets) == 2
    assert not any(secret in demo.log for secret in [*secrets, *broker])
    for name in ("secrets.env", "demo.json", "up.json"):
        assert stat.S_IMODE((var / name).stat().st_mode) == 0o600


def _text(path):
    return path.read_text() if path.exists() else ""


def test_a_port_that_was_asked_for_and_is_taken_is_refused(checkout):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        process = checkout.up(PORT=str(port))
        status = process.wait(STARTS_WITHIN)

    assert status == 1
    assert f"Port {port} is taken by another program." in process.log


def test_the_usual_port_is_left_to_whom_it_belongs(checkout):
    try:
        server = socket.create_server(("127.0.0.1", 8000))
    except OSError:
        server = None  # taken already, which is as well

    process = checkout.started()
    chosen = re.search(r"Port 8000 is taken, so this uses (\d+)\.", process.log)[1]
    answer = requests.get(f"http://127.0.0.1:{chosen}/healthz", timeout=5)
    process.stop(seconds=ENDS_WITHIN)

    if server:
        server.close()
    assert answer.status_code == 200


def test_a_second_one_in_the_same_checkout_is_refused(checkout):
    first = checkout.started(PORT=str(free_port()))

    second = checkout.up(PORT=str(free_port()))

    assert second.wait(STARTS_WITHIN) == 1
    assert "This checkout is up already." in second.log
    assert first.stop(seconds=ENDS_WITHIN) == 0


def test_a_database_that_does_not_answer_is_named_without_its_password(checkout):
    url = f"postgresql://somebody:planted-password@127.0.0.1:{free_port()}/none"

    process = checkout.up(PORT=str(free_port()), DATABASE_URL=url)

    assert process.wait(STARTS_WITHIN) == 1
    assert "The database cannot be used: " in process.log
    assert "Traceback" not in process.log
    assert "planted-password" not in process.log
