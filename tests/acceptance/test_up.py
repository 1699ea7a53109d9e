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
from urllib.parse import urlsplit

import pytest
import requests

from tests.harness.commands import ROOT
from tests.harness.databases import SQLite
from tests.harness.descent import are_gone, command_of, descendants, parents, pids
from tests.harness.environment import SECRETS
from tests.harness.process import (
    PATIENCE_SECONDS,
    Process,
    free_port,
    temporary_folder,
    wait_until,
)

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks for processes in /proc"
)

PARTS = ("clevertap_sync", "integration_project", "referrals")
FILES = ("manage.py", "gunicorn.conf.py")
#: The ports that it takes where nobody asks for others, and where the code names them.
USUAL = {
    "integration_project/settings.py": 'env.whole("PORT", 8000,',
    "integration_project/management/commands/up.py": "SANDBOX_PORT = 9100",
}


class Checkout:
    """A copy of the project with a `var` of its own, in a folder with a space.

    Its usual ports are its own, too: others may come and go on those of this machine.
    """

    def __init__(self):
        self.folder = temporary_folder("up") / "my checkout"
        for name in PARTS:
            shutil.copytree(
                ROOT / name,
                self.folder / name,
                # Other processes write bytecode meanwhile, first under such names.
                ignore=shutil.ignore_patterns("*.pyc.*"),
            )
        for name in FILES:
            shutil.copy(ROOT / name, self.folder / name)
        self.usual_port, self.usual_sandbox_port = map(self._rename_port, USUAL.items())
        self.runs = 0

    def _rename_port(self, place):
        name, words = place
        path, usual, port = self.folder / name, re.search(r"\d+", words)[0], free_port()
        before = path.read_text()
        assert before.count(words) == 1
        path.write_text(before.replace(words, words.replace(usual, str(port))))
        return port

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

    def as_left_by_another_run(self):
        """Have secrets and a database already: to migrate one takes longer than the rest."""
        var = self.folder / "var"
        var.mkdir()
        SQLite(var / "db.sqlite3")
        kept = {**SECRETS, "ALLOWED_HOSTS": "127.0.0.1"}
        lines = (f"{name}={value}\n" for name, value in kept.items())
        (var / "secrets.env").write_text("".join(lines))
        return self

    def started(self, *arguments, **environment):
        process = self.up(*arguments, **environment)
        return process.wait_until_ready(
            lambda: "Ctrl-C stops everything." in process.log
        )


@pytest.fixture
def checkout():
    return Checkout()


class Demo:
    """One that runs beside another program on the usual port, started when needed."""

    def __init__(self):
        self.checkout = Checkout()
        self._neighbour = socket.create_server(("127.0.0.1", self.checkout.usual_port))
        self._process = None

    def running(self):
        """Return its process, a new one where a test has ended the last."""
        if self._process is None or self._process.returncode is not None:
            self._process = self.checkout.started("--demo")
        return self._process

    def close(self):
        if self._process:
            self._process.stop()
        self._neighbour.close()


@pytest.fixture(scope="module")
def shop():
    shop = Demo()
    yield shop
    shop.close()


@pytest.fixture
def demo(shop):
    return shop.running()


def shares_the_demo(test):
    """Keep a test where the others are that use the one demo."""
    return pytest.mark.xdist_group("demo")(test)


def child(process, word):
    """Return the process with `word` in its command line that `up` itself started."""
    for running, parent in parents().items():
        if parent == process.pid and word.encode() in command_of(running.pid):
            return running.pid
    return None


def guards(process):
    """Return the processes that end everything where `up` itself cannot."""
    return {
        pid
        for pid in pids(descendants(process.pid))
        if any(b"guard_script" in word for word in command_of(pid))
    }


def shown(process, label):
    return re.search(rf"│  {label} +(\S.*?) *│", process.log)[1]


@shares_the_demo
def test_the_printed_line_delivers_an_event_by_copy_and_paste(demo):
    line = next(x for x in demo.log.splitlines() if x.startswith("curl "))
    sandbox = shown(demo, "Sandbox").split()[0]

    answer = subprocess.run(  # noqa: S602 - as a person does
        line, shell=True, capture_output=True, text=True, check=True
    )

    assert '"accepted":1' in answer.stdout

    def delivered():
        records = requests.get(
            f"{sandbox}_sandbox/records", timeout=PATIENCE_SECONDS
        ).json()["records"]
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


@shares_the_demo
def test_the_printed_login_opens_the_admin(demo):
    address = shown(demo, "Admin")
    username, password = shown(demo, "Login").split("  /  ")
    browser = requests.Session()
    page = browser.get(f"{address}login/", timeout=PATIENCE_SECONDS)
    form = {
        "csrfmiddlewaretoken": re.search(
            r'csrfmiddlewaretoken" value="(\w+)"', page.text
        )[1],
        "username": username,
        "password": password,
        "next": "/admin/",
    }

    answer = browser.post(f"{address}login/", data=form, timeout=PATIENCE_SECONDS)

    assert (answer.status_code, answer.url) == (200, address)


@shares_the_demo
def test_a_command_in_another_terminal_asks_the_demos_sandbox(demo):
    folder = demo.log_path.parent
    sandbox = shown(demo, "Sandbox").split()[0]
    asked = f"{sandbox}_sandbox/requests"

    def dry_runs():
        found = requests.get(asked, timeout=PATIENCE_SECONDS).json()["requests"]
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


@shares_the_demo
def test_a_killed_child_comes_back(demo):
    killed = child(demo, "celery")
    assert killed

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: child(demo, "celery") not in {None, killed})
    assert "worker was ended by SIGKILL; starting it again in 0.5 s" in demo.log


@shares_the_demo
def test_a_killed_guard_is_replaced(demo):
    [killed] = guards(demo)

    os.kill(killed, signal.SIGKILL)

    wait_until(lambda: guards(demo) and killed not in guards(demo))


def test_ctrl_c_ends_everything_with_status_zero(checkout):
    process = checkout.as_left_by_another_run().started(PORT=str(free_port()))

    check_end_by(signal.SIGINT, process, least=4)


def check_end_by(number, process, *, least):
    everything = descendants(process.pid)

    process.send(number)

    assert process.wait() == 0
    assert len(everything) >= least
    wait_until(lambda: are_gone(everything))
    assert process.log.rstrip().endswith("Everything is stopped.")


def test_nothing_outlives_a_killed_supervisor(checkout):
    process = checkout.as_left_by_another_run().started(PORT=str(free_port()))
    everything = descendants(process.pid)

    os.kill(process.pid, signal.SIGKILL)

    wait_until(lambda: are_gone(everything))
    assert len(everything) >= 4


@shares_the_demo
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
        status = process.wait()

    assert status == 1
    assert f"Port {port} is taken by another program." in process.log


@shares_the_demo
def test_the_usual_port_is_left_to_whom_it_belongs(shop, demo):
    told = rf"Port {shop.checkout.usual_port} is taken, so this uses (\d+)\."
    chosen = re.search(told, demo.log)[1]

    assert shown(demo, "Admin") == f"http://127.0.0.1:{chosen}/admin/"
    assert is_served(chosen)


@shares_the_demo
def test_a_second_one_in_the_same_checkout_is_refused(shop, demo):
    second = shop.checkout.up(PORT=str(free_port()))

    assert second.wait() == 1
    assert "This checkout is up already." in second.log
    assert demo.returncode is None
    assert is_served(urlsplit(shown(demo, "Admin")).port)


def is_served(port):
    url = f"http://127.0.0.1:{port}/healthz"
    return requests.get(url, timeout=PATIENCE_SECONDS).status_code == 200


def test_a_database_that_does_not_answer_is_named_without_its_password(checkout):
    url = f"postgresql://somebody:planted-password@127.0.0.1:{free_port()}/none"

    process = checkout.up(PORT=str(free_port()), DATABASE_URL=url)

    assert process.wait() == 1
    assert "The database cannot be used: " in process.log
    assert "Traceback" not in process.log
    assert "planted-password" not in process.log


@shares_the_demo
def test_sigterm_ends_everything_with_status_zero(demo):
    """The last of those that use the demo, for which it would be started again."""
    # Web and its workers, worker, guard, sandbox, feeder, perhaps valkey.
    check_end_by(signal.SIGTERM, demo, least=6)
