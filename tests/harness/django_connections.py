"""Connections of Django's to a database that is not the tests' own."""

from collections.abc import Mapping
from typing import Any

from django.db import connections
from django.db.utils import load_backend


def make_connection(database: Mapping[str, Any], *, alias: str = "default") -> Any:
    """Return a connection by settings of `read_database_url`, made when first needed.

    What they leave out is as in `DATABASES`. It is not in `django.db.connections`.
    """
    values = connections.configure_settings({"default": {**database}})["default"]
    return load_backend(values["ENGINE"]).DatabaseWrapper(values, alias)
