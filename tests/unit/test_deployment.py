"""The files by which platforms run the product, and what docs/operations.md says of them."""

import json
import re
import shlex

import pytest
import yaml

from integration_project.databases import read_database_url
from referrals.api.stream import MAX_BODY_BYTES
from tests.documented import block
from tests.harness.commands import ROOT

SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
OURS = {name: SERVICES[name] for name in ("release", "web", "worker")}
PROCFILE = dict(
    line.split(": ", 1) for line in (ROOT / "Procfile").read_text("utf-8").splitlines()
)
#: How long a process may take to end, in seconds.
GRACE = 30


def text_of(name):
    return (ROOT / name).read_text("utf-8")


def flags(command):
    """Return what `command` gives Celery's worker, but for how many threads it has."""
    words = shlex.split(command.replace("$$", "$"))
    return {word for word in words if word.startswith("--")} - {
        "--concurrency=${WORKER_THREADS:-16}"
    }


def test_every_file_that_names_a_python_names_the_same():
    version = text_of(".python-version").strip()
    images = re.findall(r"^FROM python:(\S+)-slim", text_of("Dockerfile"), re.MULTILINE)

    assert set(images) == {version}
    assert f"python{version}" in text_of("scripts/venv.sh")


def test_compose_names_a_database_that_speaks_no_tls():
    addresses = {service["environment"]["DATABASE_URL"] for service in OURS.values()}

    assert len(addresses) == 1
    found = read_database_url(addresses.pop(), pool=6)
    assert found["HOST"] in SERVICES
    assert found["OPTIONS"]["sslmode"] == "disable"


@pytest.mark.parametrize("name", ["web", "worker"])
def test_compose_lets_a_process_end_what_it_does(name):
    assert OURS[name]["stop_grace_period"] == f"{GRACE}s"


def test_a_unit_lets_a_process_end_what_it_does():
    assert f"TimeoutStopSec={GRACE}\n" in block("operations", "ini")


def test_workers_are_the_same_wherever_they_run():
    (unit,) = re.findall("^ExecStart=(.*)$", block("operations", "ini"), re.MULTILINE)

    expected = flags(PROCFILE["worker"])
    assert flags(OURS["worker"]["command"][2]) == expected
    assert flags(unit) == expected
    assert "--pool=threads" in expected


def test_nginx_lets_through_what_the_api_takes():
    (megabytes,) = re.findall(
        r"client_max_body_size (\d+)m;", block("operations", "nginx")
    )

    assert int(megabytes) * 1024 * 1024 > MAX_BODY_BYTES


def test_every_variable_of_app_json_is_one_that_is_documented():
    variables = json.loads(text_of("app.json"))["env"]

    page = text_of("docs/reference/environment.md")
    own = {name for name in variables if not name.startswith("DJANGO_SUPERUSER_")}
    assert own
    assert {name for name in own if f"| `{name}` |" not in page} == set()


def test_the_page_lists_every_system_check_of_ours():
    ours = r"(?:clevertap_sync|referrals)\.[EW]\d{3}"
    documented = re.findall(
        rf"^\| `({ours})` \|", text_of("docs/operations.md"), re.MULTILINE
    )
    sources = (text_of("clevertap_sync/checks.py"), text_of("referrals/checks.py"))
    written = {
        found for text in sources for found in re.findall(rf'id="({ours})"', text)
    }

    assert sorted(documented) == sorted(written)
