"""What `manage.py up` stands on: secrets, ports, Valkey's configuration, the box."""

import json
import re
import shlex
import socket
import stat
import subprocess
import sys

import pytest

from integration_project.local import (
    lock,
    ports,
    running,
    secrets_file,
    valkey,
    welcome,
)
from integration_project.local.stack import Ports, list_children
from tests.harness.commands import ROOT

NAMES = {"SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "ALLOWED_HOSTS"}


def test_secrets_are_made_where_none_are_set(tmp_path):
    path = tmp_path / "var" / "secrets.env"
    environment = {}

    secrets_file.load_secrets(path, environment, create=True)

    assert environment.keys() == NAMES
    assert environment["SECRET_KEY"] != environment["FIELD_ENCRYPTION_KEYS"]
    assert min(len(environment[name]) for name in secrets_file.SECRETS) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["secrets.env"]


def test_secrets_stay_what_they_are(tmp_path):
    path, first, second = tmp_path / "secrets.env", {}, {}
    secrets_file.load_secrets(path, first, create=True)

    secrets_file.load_secrets(path, second, create=True)

    assert first == second


def test_other_commands_make_no_secrets(tmp_path):
    environment = {}

    secrets_file.load_secrets(tmp_path / "secrets.env", environment)

    assert environment == {}
    assert not any(tmp_path.iterdir())


def test_what_a_person_has_set_stands(tmp_path):
    path, environment = tmp_path / "secrets.env", {"SECRET_KEY": "mine"}

    secrets_file.load_secrets(path, environment, create=True)

    assert environment == {"SECRET_KEY": "mine"}
    assert not path.exists()


def test_a_taken_port_is_not_free():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]

        assert not ports.take_port(taken)
        assert ports.prefer_port(taken) != taken
    assert ports.prefer_port(taken) == taken


OTHER = """
import sys
from integration_project.local import ports
print(ports.prefer_port(int(sys.argv[1])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")
def test_a_port_whose_server_has_not_started_yet_is_not_chosen_by_another(tmp_path):
    ours = ports.find_free_port()

    done = subprocess.run(
        [sys.executable, "-c", OTHER, str(ours)],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(done.stdout) != ours
    # It is ours still, and again.
    assert ports.take_port(ours)


def test_valkey_is_found_without_importing_its_package():
    program = valkey.find_program()

    assert program is None or program.name == "valkey-server"
    assert valkey.PACKAGE not in sys.modules


def test_valkeys_configuration_is_private_durable_and_quoted(tmp_path):
    folder = tmp_path / 'a "quoted" folder'

    prepared = valkey.prepare_valkey(tmp_path / "valkey-server", folder)

    path = folder / "valkey.conf"
    lines = path.read_text().splitlines()
    password = next(line.split()[1] for line in lines if line.startswith("requirepass"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {"bind 127.0.0.1", "appendonly yes", "maxmemory-policy noeviction"} <= {
        *lines
    }
    assert f'dir "{tmp_path}/a \\"quoted\\" folder"' in lines
    assert re.fullmatch(rf"redis://:{password}@127\.0\.0\.1:\d+/0", prepared.url)
    assert prepared.command == (str(tmp_path / "valkey-server"), str(path))
    assert password not in " ".join(prepared.command)


def test_a_second_holder_of_the_lock_is_refused(tmp_path):
    path = tmp_path / "up.lock"

    with (
        lock.hold_lock(path),
        pytest.raises(lock.RunningAlreadyError),
        lock.hold_lock(path),
    ):
        pass
    with lock.hold_lock(path):
        pass


TOLD = {"REDIS_URL": "redis://:x@127.0.0.1:1/0", "CLEVERTAP_BASE_URL": "http://y"}


def test_a_command_belongs_to_the_stack_that_runs_beside_it(tmp_path):
    environment = {}

    with (
        lock.hold_lock(tmp_path / running.LOCK_FILE),
        running.leave_settings(tmp_path, TOLD, {}),
    ):
        running.load_running_settings(tmp_path, environment)
        mode = (tmp_path / running.SETTINGS_FILE).stat().st_mode

    assert environment == TOLD
    assert stat.S_IMODE(mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == [running.LOCK_FILE]


def test_what_a_command_has_of_its_own_stands(tmp_path):
    environment = {"REDIS_URL": "redis://mine", "CLEVERTAP_BASE_URL": ""}

    with (
        lock.hold_lock(tmp_path / running.LOCK_FILE),
        running.leave_settings(tmp_path, TOLD, {}),
    ):
        running.load_running_settings(tmp_path, environment)

    assert environment == {**TOLD, "REDIS_URL": "redis://mine"}


def test_a_stack_that_was_killed_tells_nothing(tmp_path):
    (tmp_path / running.LOCK_FILE).touch()
    (tmp_path / running.SETTINGS_FILE).write_text(json.dumps(TOLD))
    environment = {}

    running.load_running_settings(tmp_path, environment)

    assert environment == {}


@pytest.mark.parametrize("whose", ["stack", "command"])
def test_a_database_of_somebodys_own_is_not_the_checkouts(tmp_path, whose):
    own = {"DATABASE_URL": "sqlite:////another"}
    stack, command = (own, {}) if whose == "stack" else ({}, dict(own))
    before = dict(command)

    with (
        lock.hold_lock(tmp_path / running.LOCK_FILE),
        running.leave_settings(tmp_path, TOLD, stack),
    ):
        running.load_running_settings(tmp_path, command)

    assert command == before


def test_only_a_demo_sends_anything_to_the_sandbox():
    plain = list_children(Ports(8000), valkey=None, worker_threads=3)
    demo = list_children(
        Ports(8000, 9100),
        valkey=None,
        worker_threads=3,
        feeder={"DEMO_API_KEY": "rk_x"},
    )

    assert [child.name for child in plain] == ["web", "worker"]
    assert [child.name for child in demo] == ["web", "worker", "sandbox", "demo"]
    assert "CLEVERTAP_BASE_URL" not in plain[1].environment
    told = {child.environment.get("CLEVERTAP_BASE_URL") for child in demo[:2]}
    assert told == {"http://127.0.0.1:9100/{location}"}
    assert not any("rk_x" in word for child in demo for word in child.command)
    assert demo[3].environment["DEMO_API_KEY"] == "rk_x"


def test_everything_listens_on_this_machine_only():
    demo = list_children(Ports(8000, 9100), valkey=None, worker_threads=3)

    assert "127.0.0.1:8000" in demo[0].command
    addresses = re.findall(
        r"\d+\.\d+\.\d+\.\d+", str([child.command for child in demo])
    )
    assert {*addresses} == {"127.0.0.1"}


def test_the_curl_line_is_one_event_under_a_new_id():
    line = welcome.make_one_line_curl("http://127.0.0.1:8000", "rk_x")

    echoed = subprocess.run(
        ["/bin/sh", "-c", line.replace("curl", "printf '%s\\n'", 1)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()

    event = json.loads(echoed[-1])
    assert "\n" not in line
    assert "Authorization: Bearer rk_x" in shlex.split(line)
    assert re.fullmatch(r"hello-\d{10}", event["id"])
    assert event["type"] == "app_install"


@pytest.mark.parametrize("colour", [True, False])
def test_every_line_of_the_box_is_as_wide(colour):
    rows = [("Admin", "http://127.0.0.1:8000/admin/"), ("API key", "rk_x")]

    box = welcome.draw_box("Everything runs.", rows, "Ctrl-C stops it.", colour=colour)

    bare = re.sub(r"\x1b\[\d+m", "", box)
    assert len({len(line) for line in bare.splitlines()}) == 1
    assert ("\x1b" in box) is colour
    assert "│  API key   rk_x" in bare
