"""The processes of the product on one machine, each with its command and variables."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from integration_project.local.ports import HOST
from integration_project.local.valkey import Valkey
from integration_project.supervisor import Child

# What the others need to finish their work is stopped last.
_FRONT, _BACK = 0, 1
#: Shorter than the supervisor's patience: a slow request is cut by its own server.
WEB_GRACE_SECONDS = 20


@dataclass(frozen=True)
class Ports:
    """Where the servers listen. The sandbox has one in a demo only."""

    web: int
    sandbox: int | None = None

    @property
    def web_url(self) -> str:
        """The address that people and backends use."""
        return f"http://{HOST}:{self.web}"

    @property
    def sandbox_url(self) -> str:
        """The sandbox's own address."""
        return f"http://{HOST}:{self.sandbox}"


def list_children(
    ports: Ports,
    *,
    valkey: Valkey | None,
    worker_threads: int,
    feeder: Mapping[str, str] | None = None,
) -> list[Child]:
    """Return every process, in the order of their names on the screen.

    `feeder` has the variables of a demo's feeder, with its key and secrets.
    """
    variables = _environment(ports, valkey)
    found = [_web(ports, variables), _worker(worker_threads, variables)]
    if ports.sandbox is not None:
        found.append(_sandbox(ports.sandbox))
        found.append(_feeder(ports, feeder or {}))
    if valkey:
        found.append(Child("valkey", valkey.command, stage=_BACK))
    return found


def list_shared_settings(ports: Ports, valkey: Valkey | None) -> dict[str, str]:
    """Return the variables that web, worker and commands in other terminals share."""
    variables = {}
    if valkey:
        variables["REDIS_URL"] = valkey.url
    if ports.sandbox is not None:
        variables["CLEVERTAP_BASE_URL"] = f"{ports.sandbox_url}/{{location}}"
    return variables


def _environment(ports: Ports, valkey: Valkey | None) -> dict[str, str]:
    return list_shared_settings(ports, valkey) | {
        "PORT": str(ports.web),
        "PYTHONUNBUFFERED": "1",
        # A person reads this, although the children write into a pipe.
        "LOG_FORMAT": os.environ.get("LOG_FORMAT") or "terminal",
    }


def _web(ports: Ports, variables: dict[str, str]) -> Child:
    """Return the web server; the rest stands in gunicorn.conf.py."""
    options = (
        *("--bind", f"{HOST}:{ports.web}"),
        *("--graceful-timeout", str(WEB_GRACE_SECONDS)),
    )
    return Child("web", _python("-m", "gunicorn", *options), variables, _FRONT)


def _worker(threads: int, variables: dict[str, str]) -> Child:
    return Child(
        "worker",
        _python(
            *("-m", "celery", "--quiet", "--app", "integration_project", "worker"),
            *("--pool", "threads", "--concurrency", str(threads), "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
        ),
        variables,
        _FRONT,
    )


def _sandbox(port: int) -> Child:
    return Child(
        "sandbox",
        _python("-m", "clevertap_sync.sandbox", "--port", str(port)),
        {"PYTHONUNBUFFERED": "1"},
        _BACK,
    )


def _feeder(ports: Ports, variables: Mapping[str, str]) -> Child:
    variables = {
        **variables,
        "DEMO_API_URL": ports.web_url,
        "DEMO_SANDBOX_URL": ports.sandbox_url,
        "PYTHONUNBUFFERED": "1",
    }
    return Child("demo", _python("-m", "integration_project.demo"), variables, _FRONT)


def _python(*words: str) -> tuple[str, ...]:
    return (sys.executable, *words)
