"""Each command that a platform's file has is run, as that platform would run it.

What the files have in common is checked without running anything, in
tests/unit/test_deployment.py.
"""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
import requests

from tests.builders import a_sent_event
from tests.harness import commands
from tests.harness.process import (
    PATIENCE_SECONDS,
    Process,
    free_port,
    listening,
)
from tests.harness.stack import Stack
from tests.ops import activated, deployment
from tests.ops.deployment import Unit, shell
from tests.ops.programs import find_program

EVERYWHERE, HERE = "0.0.0.0", "127.0.0.1"
SETTINGS = "DJANGO_SETTINGS_MODULE"
#: A build that takes longer will never end: it installs everything, perhaps among other tests.
HANGS_SECONDS = 600

pytestmark = pytest.mark.xdist_group("deploy_commands")


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    """PostgreSQL, Valkey and the sandbox; the processes come from the files."""
    folder = tmp_path_factory.mktemp("product")
    with Stack("postgresql", folder, WORKER_THREADS="2") as stack:
        stack.provision()
        yield stack


@pytest.fixture
def environment(product):
    """What the platform gives each process, and the variables that Render would make."""
    made = {**deployment.render_group(), "ALLOWED_HOSTS": HERE}
    # The stack's rows are encrypted with a key of its own.
    del made["FIELD_ENCRYPTION_KEYS"]
    return {**product.env, **made}


def run(command, environment, cwd=commands.ROOT):
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=HANGS_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def different(found):
    """Return the commands that differ, by the last platform that has them.

    Those before it have the same words for the same shell; which one runs them, and whether
    it `exec`s, is no difference. The last one has most around them.
    """
    last = {}
    for name, command in found.items():
        last[str(command).replace("exec ", "")] = name
    return {name: found[name] for name in last.values()}


def releases():
    """Return what each platform runs once per release, by platform."""
    fly = shlex.split(deployment.fly()["deploy"]["release_command"])
    return {
        "heroku": [shell(commands.procfile()["release"])],
        "render": [shell(deployment.render_services()["web"]["preDeployCommand"])],
        "fly": [fly],
        "compose": [deployment.compose_command("release")],
        "systemd": Unit("referrals-release.service").commands({}),
    }


def test_each_release_command_finds_nothing_to_mend(environment):
    distinct = different(releases())

    def release(steps):
        return "".join(run(step, environment) for step in steps)

    with ThreadPoolExecutor(2) as platforms:
        said = list(platforms.map(release, distinct.values()))

    assert list(distinct) == ["fly", "compose", "systemd"]
    assert all("Running migrations" in each for each in said)
    assert all("System check identified" in each for each in said)


def test_the_first_login_is_made_by_the_command_of_heroku_and_render(
    environment, product
):
    heroku = deployment.app_json()["scripts"]["postdeploy"]
    web = deployment.render_services()["web"]
    assert web["initialDeployHook"] == heroku
    made = {each["key"]: each for each in web["envVars"] if "key" in each}

    run(
        shell(heroku),
        {
            **environment,
            "DJANGO_SUPERUSER_USERNAME": made["DJANGO_SUPERUSER_USERNAME"]["value"],
            "DJANGO_SUPERUSER_EMAIL": made["DJANGO_SUPERUSER_EMAIL"]["value"],
            "DJANGO_SUPERUSER_PASSWORD": deployment.a_generated_value(),
        },
    )

    users = "SELECT username, is_superuser FROM auth_user"
    assert product.database.rows(users) == [("admin", True)]


def test_render_builds_what_is_in_the_repository_without_any_secret(tmp_path):
    services = deployment.render_services()
    build = services["web"]["buildCommand"]
    assert build.startswith(f"{services['worker']['buildCommand']} && ")
    checkout, environment = tmp_path / "checkout", tmp_path / "environment"
    copy_repository(checkout)
    venv.create(environment)
    found = {name: text for name, text in os.environ.items() if is_of_pip(name)}
    # The pip that is here installs there. What never runs is not compiled.
    found |= {
        "PIP_PYTHON": str(environment / "bin" / "python"),
        "PIP_NO_COMPILE": "1",
        "PATH": f"{environment / 'bin'}:{commands.PROGRAMS}:{os.environ['PATH']}",
    }

    said = run(shell(build), found, cwd=checkout)

    assert "static files copied" in said
    assert (checkout / "staticfiles" / "staticfiles.json").exists()
    assert (environment / "bin" / "gunicorn").exists()


def copy_repository(folder):
    """Copy the files that git keeps: the build writes, and others use this checkout."""
    listed = run(["git", "ls-files", "-z"], {"PATH": os.environ["PATH"]})
    for name in filter(None, listed.split("\0")):
        if (commands.ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(commands.ROOT / name, folder / name)


def is_of_pip(name):
    """Return whether a variable says where pip finds packages, and whom it trusts."""
    return name.startswith("PIP_") or name.endswith(("_CERT", "_CERT_FILE", "_proxy"))


def webs():
    """Return each platform's web command, by platform."""
    return {
        "heroku": shell(commands.procfile()["web"]),
        "render": shell(deployment.render_services()["web"]["startCommand"]),
        "fly": shlex.split(deployment.fly()["processes"]["web"]),
        "docker": deployment.image_command(),
    }


def test_each_web_command_serves_and_ends_when_it_is_told(environment, tmp_path):
    distinct = different(webs())
    ports = [free_port() for _ in distinct]
    with running(distinct, tmp_path, environment, ports) as processes:
        for process, port in zip(processes, ports, strict=True):
            process.wait_until_ready(listening(port))
            url = f"http://{HERE}:{port}/healthz"
            alive = requests.get(url, timeout=PATIENCE_SECONDS).json()
            assert alive == {"status": "alive"}
        ends = [process.stop(signal.SIGTERM) for process in processes]

    assert list(distinct) == ["fly", "docker"]
    assert ends == [0, 0]


@contextmanager
def running(found, folder, environment, ports):
    """Run a process for each command, each with a port of its own in its environment."""
    processes = [
        Process(
            [word.replace(EVERYWHERE, HERE) for word in command],
            log=folder / f"{name}.log",
            env={**environment, "PORT": str(port)},
            cwd=commands.ROOT,
        )
        for (name, command), port in zip(found.items(), ports, strict=True)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def workers(environment):
    """Return each platform's worker command, by platform."""
    return {
        "heroku": shell(commands.procfile()["worker"]),
        "render": shell(deployment.render_services()["worker"]["startCommand"]),
        "fly": shlex.split(deployment.fly()["processes"]["worker"]),
        "compose": deployment.compose_command("worker"),
        "systemd": Unit("referrals-worker.service").commands(environment)[0],
    }


def test_each_worker_command_works_and_ends_when_it_is_told(environment, tmp_path):
    distinct = different(workers(environment))
    ports = [free_port() for _ in distinct]
    with running(distinct, tmp_path, environment, ports) as processes:
        for process in processes:
            process.wait_until_ready(lambda process=process: "ready." in process.log)
        ends = [process.stop(signal.SIGTERM) for process in processes]

    assert list(distinct) == ["compose", "systemd"]
    assert ends == [0, 0]


class Activation:
    """A socket and the web unit's command, which gets it from systemd."""

    def __init__(self, environment, folder: Path):
        self.socket = socket.create_server((HERE, 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(folder / "notify"))
        self.notify.settimeout(PATIENCE_SECONDS)
        self._environment = {**environment, "NOTIFY_SOCKET": str(folder / "notify")}
        self._log = folder / "web.log"

    def start(self):
        """Start the unit, and return once it has told systemd that it is ready."""
        (command,) = Unit("referrals-web.service").commands(self._environment)
        fd = self.socket.fileno()
        words = [sys.executable, activated.__file__, str(fd), *command]
        with self._log.open("ab") as log:
            started = subprocess.Popen(
                words,
                pass_fds=(fd,),
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=commands.ROOT,
                start_new_session=True,
            )
        process = Process(words, log=self._log, started=started)
        told = self.notify.recv(4096).decode()
        assert told.startswith("READY=1\n")
        return process


@contextmanager
def activation(environment, folder):
    made = Activation(environment, folder)
    with made.socket, made.notify:
        yield made


def test_while_the_web_unit_restarts_callers_wait_and_none_is_turned_away(
    environment, product, tmp_path
):
    # What its own socket listens on is what the proxies' files name.
    assert Unit("referrals-web.socket", "Socket").values["ListenStream"] == [
        "127.0.0.1:8000"
    ]
    assert Unit("referrals-web.service").values["Type"] == ["notify"]

    def send(number):
        """Send an event, and do not wait for the answer."""
        connection = HTTPConnection(HERE, web.port, timeout=PATIENCE_SECONDS)
        connection.request(
            "POST",
            "/v1/events",
            json.dumps(a_sent_event(id=f"restart-{number}")),
            {
                "Authorization": f"Bearer {product.keys['shop']}",
                "Content-Type": "application/json",
                "X-Forwarded-Proto": "https",
                "Connection": "close",
            },
        )
        return connection

    with activation(environment, tmp_path) as web:
        first = web.start()
        statuses = [send(0).getresponse().status]
        ended = first.stop(signal.SIGTERM)
        # Nobody is there now. They are in the socket's queue.
        waiting = [send(number) for number in range(1, 9)]
        second = web.start()
        statuses += [each.getresponse().status for each in waiting]
        second.stop()

    assert (ended, statuses) == (0, [202] * 9)
    counted = "SELECT count(*) FROM referrals_referralevent WHERE key LIKE 'restart-%'"
    assert product.database.rows(counted) == [(9,)]


def test_systemd_finds_no_fault_with_the_units(tmp_path):
    names = deployment.write_units(tmp_path)

    done = subprocess.run(
        [find_program("systemd-analyze"), "verify", *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert len(names) == 5


@pytest.mark.parametrize("name", ["web", "worker", "release"])
def test_a_unit_may_do_little(tmp_path, name):
    deployment.write_units(tmp_path)

    # By systemd's own measure from 0 to 10: 9.6 is a unit without any of this.
    done = subprocess.run(
        [
            *(find_program("systemd-analyze"), "security", "--offline=true"),
            *("--threshold=20", "--no-pager", f"./referrals-{name}.service"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_the_command_for_people_has_the_rights_and_variables_of_the_units():
    script = deployment.text_of("ops/systemd/referrals-manage")
    assert os.access(deployment.UNITS / "referrals-manage", os.X_OK)
    run(["sh", "-n", str(deployment.UNITS / "referrals-manage")], dict(os.environ))

    (unit,) = (Unit("referrals-release.service"),)
    values = {key: found[0] for key, found in unit.values.items()}
    assert f"--uid={values['User']} --gid={values['Group']} " in script
    assert f"--working-directory={values['WorkingDirectory']} " in script
    for key in ("EnvironmentFile", "StateDirectory"):
        assert f"--property={key}={values[key]} " in script
    assert values["ExecStart"].split()[0] in script
