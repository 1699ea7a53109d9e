"""The settings of a test run, in place before Django loads them.

`tests/conftest.py` calls `prepare` first of all. TEST_DATABASE chooses the database of the
tests that need one: `sqlite` (the default) or `postgresql`, which is started here unless
TEST_DATABASE_URL names a server.
"""

import os
from typing import Final, Literal

from tests.harness import postgres
from tests.harness.process import shared_folder, temporary_folder

Kind = Literal["sqlite", "postgresql"]
SECRETS: Final = {
    "SECRET_KEY": "tests-sign-with-this-key-and-nobody-else-ever-does-so",
    "FIELD_ENCRYPTION_KEYS": "tests-encrypt-with-this-key-and-nobody-else-ever-does",
}
# What a developer's shell may hold, and no test may hear of.
FOREIGN: Final = (
    *("CLEVERTAP_BASE_URL", "CUSTOM_NAMES_LIMIT", "DEFAULT_FROM_EMAIL", "EMAIL_URL"),
    "FAILPOINTS",
    *(
        "ERASURE_WAIT_SECONDS",
        "FIRST_HOLD_SECONDS",
        "LEASE_SECONDS",
        "LOG_FORMAT",
        "LOG_LEVEL",
    ),
    *(
        "LONGEST_HOLD_SECONDS",
        "METRICS_TOKEN",
        "PORT",
        "PUBLIC_URL",
        "REDIS_TLS_VERIFY",
    ),
    *("REDIS_URL", "REQUEST_SECONDS", "RETENTION_DAYS", "SECURE_PROXY", "SENTRY_DSN"),
    *("SENTRY_ENVIRONMENT", "SWEEP_SECONDS", "WORKER_THREADS"),
)


def test_database() -> Kind:
    """Return the kind of database that this pytest tests on."""
    match os.environ.get("TEST_DATABASE", "sqlite"):
        case "sqlite":
            return "sqlite"
        case "postgresql":
            return "postgresql"
        case other:
            message = f"TEST_DATABASE is {other!r}: use sqlite or postgresql."
            raise RuntimeError(message)


def database_url() -> str:
    """Return the URL that the settings get. pytest-django makes `test_…` beside it."""
    if test_database() == "postgresql":
        return postgres.server().url_of("referrals")
    return f"sqlite:///{temporary_folder('sqlite') / 'db.sqlite3'}"


def prepare() -> None:
    """Set what the settings read from the environment."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        return  # it inherited everything, and has its settings already
    shared_folder()
    for name in FOREIGN:
        os.environ.pop(name, None)
    os.environ.update(
        SECRETS,
        DJANGO_SETTINGS_MODULE="integration_project.settings",
        DATABASE_URL=database_url(),
        # pytest holds its one connection from test to test; a pool would hide that.
        DATABASE_POOL="0",
        DEBUG="0",
        ALLOWED_HOSTS="127.0.0.1,localhost,testserver",
    )
