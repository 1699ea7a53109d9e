"""`make audit` against a service that knows of something, and what `make sbom` writes."""

import fcntl
import json
import os
import subprocess
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from scripts.check_repository import ROOT, read_pins, read_requirements
from tests.ops.programs import find_program

# All need the same installation: where one waits for it, the others could do nothing else.
pytestmark = pytest.mark.xdist_group("dependencies")


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Return a function that runs a verb of the Makefile, with its tools installed."""

    def run(*arguments):
        return subprocess.run(
            [find_program("make"), *arguments],
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
        )

    # Another run of the tests may install them, too.
    with (ROOT / "requirements-audit.txt").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        installed = run(
            ".venv-audit/.requirements-audit", ".venv-shipped/.requirements"
        )
    assert installed.returncode == os.EX_OK, installed.stderr
    return run


@contextmanager
def a_service_that_knows(vulnerable=""):
    """Answer as OSV does: that one package is vulnerable. Yields arguments and what was asked."""
    asked = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(
                json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            )
            package = {"name": vulnerable, "ecosystem": "PyPI"}
            events = [{"introduced": "0"}, {"fixed": "99"}]
            found = {
                "id": "PLANTED-1",
                "published": "2026-01-01T00:00:00Z",
                "modified": "2026-01-01T00:00:00Z",
                "summary": "planted",
                "affected": [
                    {
                        "package": package,
                        "ranges": [{"type": "ECOSYSTEM", "events": events}],
                    }
                ],
            }
            is_it = asked[-1]["package"]["name"] == vulnerable
            body = json.dumps({"vulns": [found]} if is_it else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield (
                f"-s osv --osv-url http://127.0.0.1:{server.server_port}/v1/query",
                asked,
            )
        finally:
            server.shutdown()
            thread.join()


def test_an_audit_asks_about_everything_that_is_pinned_and_names_what_is_known(make):
    with a_service_that_knows(vulnerable="whitenoise") as (service, asked):
        found = make("audit", f"ARGS={service}")
        ignored = make("audit", f"ARGS={service} --ignore-vuln PLANTED-1")

    assert "PLANTED-1" in found.stdout
    assert "whitenoise" in found.stdout
    assert (found.returncode != 0, ignored.returncode) == (True, 0)
    pinned = {
        (name, str(version))
        for file in ROOT.glob("requirements*.txt")
        for name, version in read_pins(file).items()
    }
    about = {(each["package"]["name"], each["version"]) for each in asked}
    assert about == pinned


def test_an_audit_that_nobody_answers_is_no_pass(make):
    with a_service_that_knows() as (service, _):
        pass

    assert make("audit", f"ARGS={service}").returncode != 0


def test_the_bill_of_materials_has_what_production_installs_and_nothing_else(make):
    bill = ROOT / "sbom.cdx.json"
    assert make("sbom").returncode == 0
    first = bill.read_bytes()
    assert make("sbom").returncode == 0

    assert bill.read_bytes() == first
    told = json.loads(first)
    components = {each["purl"]: each for each in told["components"]}
    pins = read_pins(ROOT / "requirements.txt")
    assert {purl.lower().replace("_", "-") for purl in components} == {
        f"pkg:pypi/{name}@{version}" for name, version in pins.items()
    }
    assert all(each["licenses"] for each in components.values())
    root = told["metadata"]["component"]
    graph = {each["ref"]: each.get("dependsOn", []) for each in told["dependencies"]}
    assert len(graph[root["bom-ref"]]) == len(
        list(read_requirements(ROOT / "requirements.in"))
    )
    assert str(ROOT).encode() not in first
