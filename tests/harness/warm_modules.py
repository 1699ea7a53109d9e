"""Imports, once for all forks of a warm process, what Django's set-up imports, and all of ours.

These modules are most of what a start still takes. A module is the
same in every process as long as its import reads nothing of the environment. So it
meets settings here that have no values but CONSTANT, and a database without a vendor: one
that asks for more ends the warm process. A fork reads its own settings, and sets Django up by itself; it only finds
the modules imported.
"""

import importlib
import json
import os
import pkgutil
import sys
import traceback
from types import SimpleNamespace
from typing import Any, Final, NoReturn

import django
from django.apps import AppConfig, apps
from django.conf import settings
from django.db import connections
from django.utils.functional import empty

#: What a fork has to import by itself: the one reads the environment, and the other sets
#: Django up.
UNIMPORTED: Final = {"integration_project.settings", "integration_project.wsgi"}
#: What else none has to have: what only `migrate` imports, and what is run as a program.
UNNEEDED: Final = {"__main__", "migrations"}
OURS: Final = ("referrals", "clevertap_sync", "integration_project")
#: Enough of an environment for Django to be set up, once, in a fork that ends then.
SAMPLE: Final = {
    "DJANGO_SETTINGS_MODULE": "integration_project.settings",
    "SECRET_KEY": "a-sample-that-signs-nothing-and-is-forgotten-at-once",
    "FIELD_ENCRYPTION_KEYS": "a-sample-that-encrypts-nothing-and-is-forgotten-at-once",
    "DATABASE_URL": "sqlite:////nowhere/db.sqlite3",
    "ALLOWED_HOSTS": "127.0.0.1",
}
#: What importing models and admin asks for, and no environment changes, but for DEBUG, for
#: which Django's signals ask, to be stricter with receivers.
CONSTANT: Final = (
    *("ABSOLUTE_URL_OVERRIDES", "AUTH_USER_MODEL", "DEBUG", "DEFAULT_AUTO_FIELD"),
    *("DEFAULT_INDEX_TABLESPACE", "DEFAULT_TABLESPACE", "INSTALLED_APPS"),
    *("LANGUAGE_CODE", "LOCALE_PATHS", "USE_I18N"),
)


def import_modules() -> dict[str, str]:
    """Import all that a process of ours may have, after `django.setup()` and its checks.

    Returns the variables that modules set where the environment has none, which a fork
    has to do again. Raises `AttributeError` where one asks for a setting that is not
    CONSTANT, or for the database's vendor.
    """
    names, constant = _look_at_set_up()
    os.environ.clear()
    # Models ask a database how long a table's name may be, and this one has no limit.
    none = {"default": {"ENGINE": "tests.harness.no_database"}}
    settings.configure(SimpleNamespace(**constant, DATABASES=none))
    _import_models(constant["INSTALLED_APPS"])
    for name in names:
        importlib.import_module(name)
    _forget_set_up()
    return dict(os.environ)


def _look_at_set_up() -> tuple[list[str], dict[str, Any]]:
    """Set Django up in a fork; return the modules that this imported, and CONSTANT."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _tell_what_is_there(writing)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    if status:
        message = "Django could not be set up, as is written above."
        raise RuntimeError(message)
    names, constant = json.loads(said)
    return names, constant


def _tell_what_is_there(writing: int) -> NoReturn:
    status = 1
    try:
        with os.fdopen(writing, "w") as pipe:
            json.dump(_set_up(), pipe)
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def _set_up() -> tuple[list[str], dict[str, Any]]:
    os.environ.clear()
    os.environ.update(SAMPLE)
    before = set(sys.modules)
    django.setup()
    from integration_project.celery import app

    # It runs the system checks, which import what answers requests.
    app.loader.import_default_modules()
    _import_ours()
    names = [name for name in sys.modules if name not in before | UNIMPORTED]
    return names, {name: getattr(settings, name) for name in CONSTANT}


def _import_ours() -> None:
    for name in OURS:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not UNNEEDED & set(module.name.split(".")) | UNIMPORTED & {module.name}:
                importlib.import_module(module.name)


def _import_models(entries: list[str]) -> None:
    """Do of `apps.populate` what imports, and leave the apps' `ready` to the forks."""
    for entry in entries:
        app = AppConfig.create(entry)
        apps.app_configs[app.label] = app
        app.apps = apps
    apps.apps_ready = True
    for app in list(apps.app_configs.values()):
        app.import_models()
    apps.models_ready = True


def _forget_set_up() -> None:
    """Let a fork read its settings, connect to its database and set its apps up."""
    settings._wrapped = empty
    del connections["default"]
    del connections.settings
    connections._settings = None  # type: ignore[attr-defined]
    apps.app_configs.clear()
    apps.apps_ready = apps.models_ready = False
    apps.clear_cache()
