"""What the tests stand on ends with them, and says why when it does not start."""

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.harness import commands, databases, nursery, process, warm_process
from tests.harness.commands import ROOT
from tests.harness.descent import are_gone, parents
from tests.integration.conftest import HERE, THE_SAME_ON_SQLITE

KILLED_RUN = """
import os, signal
from tests.harness import postgres, valkey

server, broker = postgres.PostgreSQL(), valkey.Valkey()
print(server.port, broker.port, server.folder, broker.folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_test_run_that_is_killed_leaves_no_server_and_no_file():
    run = subprocess.run(
        [sys.executable, "-c", KILLED_RUN],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    *ports, data, dump = run.stdout.split()
    process.wait_until(lambda: not Path(data).exists() and not Path(dump).exists())
    assert [process.listening(int(port))() for port in ports] == [False, False]


def test_a_process_that_ends_too_early_fails_with_what_it_printed(tmp_path):
    failing = process.Process(
        [sys.executable, "-c", "raise SystemExit('no such thing')"],
        log=tmp_path / "log",
    )

    with pytest.raises(RuntimeError, match="has ended; its output:\nno such thing"):
        failing.wait_until_ready(lambda: False)


def test_a_process_that_ignores_sigterm_is_killed(tmp_path):
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); time.sleep(600)"
    )
    deaf = process.Process([sys.executable, "-c", program], log=tmp_path / "log")
    deaf.wait_until_ready(lambda: "deaf" in deaf.log)

    assert deaf.stop(seconds=0.2) == -9


def test_databases_of_one_server_do_not_share_their_rows():
    first, second = databases.PostgreSQL(), databases.PostgreSQL()

    with psycopg.connect(first.url, autocommit=True) as connection:
        connection.execute("DELETE FROM django_migrations")

    assert first.rows("SELECT count(*) FROM django_migrations") == [(0,)]
    assert second.rows("SELECT count(*) FROM django_migrations") != [(0,)]
    first.drop()
    second.drop()


WHAT_IS_SET_UP = """
import json
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.checks.registry import registry
from django.db import connection
from django.db.models import signals
from integration_project.celery import app

app.loader.import_default_modules()
print(json.dumps({
    "settings": {n: getattr(settings, n) for n in dir(settings) if n.isupper()},
    "database": [connection.vendor, str(connection.settings_dict["NAME"])],
    "models": [model._meta.label for model in apps.get_models()],
    "admin": [model._meta.label for model in admin.site._registry],
    "checks": sorted(check.__name__ for check in registry.registered_checks),
    "receivers": len(signals.post_migrate.receivers),
    "tasks": sorted(app.tasks),
    "broker": app.conf.broker_url,
}, default=lambda each: sorted(each) if isinstance(each, frozenset) else str(type(each))))
"""


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": "sqlite:////nowhere/one.sqlite3", "CUSTOM_NAMES_LIMIT": "7"},
        {
            "DATABASE_URL": "postgres://nobody@127.0.0.1:9/two",
            "REDIS_URL": "redis://127.0.0.1:9/3",
            "DEBUG": "1",
        },
    ],
    ids=["one", "another"],
)
def test_a_warm_process_is_set_up_as_a_cold_one_is(variables):
    env = commands.production(**variables)

    warm, cold = (
        commands.manage(
            *("shell", "--no-imports", "-c", WHAT_IS_SET_UP), env=env, warm=is_warm
        )
        for is_warm in (True, False)
    )

    assert json.loads(warm.stdout) == json.loads(cold.stdout)


SLEEP = "import time; time.sleep(600)"


def test_what_a_process_had_forked_ends_with_it_and_what_others_had_does_not(tmp_path):
    ours, another = nursery.connect(), nursery.connect()
    kept, ending = (
        each.start(
            ["manage.py", "shell", "--no-imports", "-c", SLEEP],
            env=commands.production(),
            cwd=ROOT,
            log=tmp_path / "log",
        )
        for each in (ours, another)
    )

    running = {each.pid: each for each in parents()}

    another.close()

    process.wait_until(lambda: are_gone({running[ending.pid]}))
    assert kept.returncode is None
    ours.close()
    process.wait_until(lambda: are_gone({running[kept.pid]}))


def test_a_warm_process_that_does_not_start_says_where_it_is_written_why(monkeypatch):
    folder = process.temporary_folder("shared")
    monkeypatch.setenv(process.SHARED, str(folder))
    monkeypatch.setattr(warm_process, "__name__", "tests.harness.nobody")

    with pytest.raises(RuntimeError, match="has ended, as is written above"):
        nursery.connect()


def test_who_has_no_warm_process_any_more_is_told_so(tmp_path):
    ours = nursery.connect()
    ours.close()

    with pytest.raises(RuntimeError, match="connection to the warm process has ended"):
        ours.start(["manage.py", "check"], env={}, cwd=ROOT, log=tmp_path / "log")


def test_what_is_left_to_postgresql_is_there():
    missing = {name for name in THE_SAME_ON_SQLITE if not (HERE / name).is_file()}

    assert not missing
