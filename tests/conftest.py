"""What every test has: settings, a database when it asks for one, hypothesis."""

import contextlib
import functools
import gc
import importlib
import os
import uuid
from pathlib import Path

import django
import pytest
from django.conf import settings as django_settings
from django.db import connections
from hypothesis import HealthCheck, settings

from tests.harness import databases, environment, postgres

#: Set on a test that failed.
FAILED = pytest.StashKey[bool]()

# Before the test modules, which import models: Django reads its settings once.
environment.prepare()
django.setup()

from referrals import hashing  # noqa: E402 - it imports models

# All that is there now stays, so nobody has to look through it again and again: a tenth
# of the whole time.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 10, 100)
# A password's hash is slow on purpose, and no test of ours is about how slow it is.
django_settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests hash without having migrated: with the keys that the migration would make.
HASH_KEYS_AS_ROWS = importlib.import_module("referrals.migrations.0007_hash_keys")
HASH_KEYS = {
    purpose: HASH_KEYS_AS_ROWS.derive_key(
        environment.SECRETS["FIELD_ENCRYPTION_KEYS"], purpose
    )
    for purpose in HASH_KEYS_AS_ROWS.PURPOSES
}
hashing.remember_keys(HASH_KEYS)
FUNCTIONS = (
    "referrals.migrations.0010_append_function",
    "clevertap_sync.migrations.0018_delivery_functions",
    "clevertap_sync.migrations.0020_full_upload_functions",
    "clevertap_sync.migrations.0021_taking_functions",
)
#: For a table. `autovacuum_enabled` is what `doctor` looks at.
NO_AUTOVACUUM = ", ".join(
    f"autovacuum_{kind}_threshold = {2**31 - 1}"
    for kind in ("analyze", "vacuum", "vacuum_insert")
)
# What came in is counted in memory until a test has it written.
django_settings.INGEST_FLUSH_SECONDS = 0

# How long an example takes says something about the machine.
settings.register_profile(
    "dev", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix):
    """Keep SQLite in a file: threads of a test then have connections of their own."""
    database = connections["default"].settings_dict
    if database["ENGINE"].endswith("sqlite3"):
        worker = os.environ.get("PYTEST_XDIST_WORKER", "test")
        path = Path(database["NAME"]).with_name(f"{worker}.sqlite3")
        database["TEST"]["NAME"] = str(path)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Make the database's functions: tests make their tables without migrations.

    PostgreSQL analyzes no table by itself: what a test reads, and by which index, would be
    planned by what other tests had there when it did.
    """
    with django_db_blocker.unblock(), connections["default"].schema_editor() as editor:
        for name in FUNCTIONS:
            made = importlib.import_module(name)
            made.drop_function(None, editor)
            made.make_function(None, editor)
        if editor.connection.vendor == "postgresql":
            for table in editor.connection.introspection.table_names():
                editor.execute(f"ALTER TABLE {table} SET ({NO_AUTOVACUUM})")


@pytest.fixture(scope="session")
def postgresql_server():
    """A running PostgreSQL in which a test may create databases of its own."""
    return postgres.server()


@pytest.fixture(autouse=True)
def _no_hints():
    """Let no test know what another left: its database gives the same IDs again."""
    for forget in _list_what_forgets():
        forget()


@functools.cache
def _list_what_forgets():
    """Return what clears each memory of this process; they are looked up once."""
    from clevertap_sync.delivery import at_once, paces
    from clevertap_sync.delivery.sql import open_floor
    from clevertap_sync.process import (
        delivery_times,
        duration_counts,
        kept_rings,
        people_wakeups,
        process_presence,
    )
    from referrals.hooks import (
        capture,
        drain,
        known_sources,
        last_calls,
        outage,
        segment_sources,
        spool,
        spool_losses,
    )
    from referrals.ingest import background
    from referrals.log import names

    return (
        at_once.forget_deliveries,
        paces.forget_paces,
        open_floor.clear_floors,
        kept_rings.forget_connection,
        kept_rings.trust_messages,
        people_wakeups.clear_wakeups,
        duration_counts.clear_durations,
        delivery_times.clear_deliveries,
        process_presence.clear_presence,
        known_sources.clear_known_sources,
        segment_sources.clear_chosen_sources,
        outage.database.note_success,
        drain.clear_aside,
        spool.clear_silence,
        spool_losses.clear_losses,
        capture.clear_captures,
        background.clear_counts,
        last_calls.clear_last_calls,
        names.clear_numbers,
    )


@pytest.fixture
def make_stack(request, tmp_path):
    """Return what starts the product's real processes; see `tests.harness.stack`.

    `make_stack("postgresql", SWEEP_SECONDS="60")`. They end with the test, and a test
    that fails shows what they printed.
    """
    from tests.harness.stack import Stack

    made: list[Stack] = []
    with contextlib.ExitStack() as stacks:

        def make(kind, **options):
            folder = tmp_path / f"stack-{uuid.uuid4().hex[:6]}"
            folder.mkdir()
            stack = stacks.enter_context(Stack(kind, folder, **options))
            made.append(stack)
            return stack

        yield make
        if request.node.stash.get(FAILED, False):
            for stack in made:
                print(stack.logs())


@pytest.fixture(params=databases.KINDS)
def stack(request, make_stack):
    """The product's real processes, once on each database."""
    return make_stack(request.param)


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Look for no garbage among modules and tests: all of them stay until the end.

    It took a quarter of the time in which each process collects.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Let xdist keep together the tests of an `xdist_group`, which it reads in their names.

    It writes them where pytest 9.2 does not look any more, and then groups nothing.
    Reference: https://github.com/pytest-dev/pytest-xdist/issues/1386
    """
    if not getattr(config.option, "loadgroup", False):
        return
    for item in items:
        group = item.get_closest_marker("xdist_group")
        if group and "@" not in item.nodeid.rpartition("]")[2]:
            name = f"{item.nodeid}@{group.args[0]}"
            item._id = type(item.id).parse(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Let fixtures know, when they end, whether their test failed."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report
