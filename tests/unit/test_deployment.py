"""The files by which platforms run the product, and what docs/operations.md says of them."""

import json
import re
import shlex

import pytest
import yaml

from integration_project.databases import read_database_url
from integration_project.web import request_limits
from tests.harness.commands import ROOT
from tests.ops import deployment
from tests.ops.deployment import Unit

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
        "--concurrency=${WORKER_THREADS:-16}",
        "--concurrency=${WORKER_THREADS}",
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


@pytest.mark.parametrize("name", ["web", "worker"])
def test_each_platform_lets_a_process_end_what_it_does(name):
    unit = Unit(f"referrals-{name}.service")

    assert unit.values["TimeoutStopSec"] == [str(GRACE)]
    assert deployment.render_services()[name]["maxShutdownDelaySeconds"] == GRACE
    assert deployment.fly()["kill_timeout"] == GRACE
    assert deployment.fly()["kill_signal"] == "SIGTERM"


@pytest.mark.parametrize("name", ["web", "worker"])
def test_systemd_never_gives_a_process_up(name):
    assert Unit(f"referrals-{name}.service").values["Restart"] == ["always"]
    unit = Unit(f"referrals-{name}.service", "Unit")
    assert unit.values["StartLimitIntervalSec"] == ["0"]


def test_workers_are_the_same_wherever_they_run():
    (unit,) = Unit("referrals-worker.service").values["ExecStart"]
    others = (
        OURS["worker"]["command"][2],
        deployment.render_services()["worker"]["startCommand"],
        shlex.split(deployment.fly()["processes"]["worker"])[2],
        unit,
    )

    expected = flags(PROCFILE["worker"])
    assert [flags(each) for each in others] == [expected] * len(others)
    assert "--pool=threads" in expected


def test_a_release_is_the_same_wherever_there_is_a_shell():
    render = deployment.render_services()["web"]["preDeployCommand"]
    fly = shlex.split(deployment.fly()["deploy"]["release_command"])

    assert render == PROCFILE["release"]
    assert fly == ["sh", "-c", PROCFILE["release"]]
    steps = Unit("referrals-release.service").values["ExecStart"]
    python = "/srv/referrals/.venv/bin/python"
    assert [step.replace(python, "python") for step in steps] == render.split(" && ")


def test_each_platform_asks_whether_the_process_is_alive_and_no_more():
    (check,) = deployment.fly()["http_service"]["checks"]

    assert check["path"] == "/healthz"
    assert deployment.render_services()["web"]["healthCheckPath"] == "/healthz"


def test_what_render_and_fly_refer_to_is_there():
    blueprint = yaml.safe_load(text_of("render.yaml"))
    known = {
        *(each["name"] for each in blueprint["services"]),
        *(each["name"] for each in blueprint["databases"]),
        *(each["name"] for each in blueprint["envVarGroups"]),
    }
    variables = [
        each for service in blueprint["services"] for each in service.get("envVars", ())
    ]
    named = {
        each.get("fromGroup") or each[kind]["name"]
        for each in variables
        for kind in ("fromGroup", "fromDatabase", "fromService")
        if kind in each
    }
    fly = deployment.fly()

    assert named <= known
    assert len(named) == 3
    assert set(fly["http_service"]["processes"]) < set(fly["processes"])
    assert fly["http_service"]["internal_port"] == int(fly["env"]["PORT"])


def test_where_the_web_unit_listens_both_proxies_connect():
    (address,) = Unit("referrals-web.socket", "Socket").values["ListenStream"]

    assert f"server {address};" in text_of("ops/nginx/referrals.conf")
    assert f":{address}}} {{" in text_of("ops/caddy/Caddyfile")


def test_proxies_wait_for_longer_than_the_product_does():
    nginx = text_of("ops/nginx/referrals-proxy.conf")
    caddy = text_of("ops/caddy/Caddyfile")

    waits = [
        *re.findall(r"proxy_read_timeout (\d+)s;", nginx),
        *re.findall(r"response_header_timeout (\d+)s", caddy),
    ]
    assert len(waits) == 2
    assert min(map(int, waits)) > GRACE
    # A body begins when its head has come, and Caddy reckons both together.
    (body,) = re.findall(r"read_body (\d+)s", caddy)
    assert int(body) > request_limits.HEAD_SECONDS + request_limits.BODY_SECONDS


@pytest.mark.parametrize(
    "names",
    [
        deployment.render_group().keys(),
        deployment.fly()["env"].keys(),
        re.findall(
            r"^([A-Z_]+)=", text_of("ops/systemd/referrals.env.example"), re.MULTILINE
        ),
    ],
    ids=["render", "fly", "systemd"],
)
def test_every_variable_that_a_file_sets_is_documented(names):
    page = text_of("docs/reference/environment.md")

    own = set(names) - {"PGPASSWORD", "PORT"}
    assert own
    assert {name for name in own if f"| `{name}` |" not in page} == set()


def test_the_addresses_of_render_and_fly_are_those_behind_two_proxies():
    settings = (deployment.render_group(), deployment.fly()["env"])

    assert [each["TRUSTED_PROXIES"] for each in settings] == ["2", "2"]
    assert [each["SECURE_PROXY"] for each in settings] == ["true", "true"]


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
