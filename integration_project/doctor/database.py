"""The database: whether it is fit, and safe, and has connections left."""

from collections.abc import Iterator

from django.db import connection

from integration_project.doctor.check import Check
from integration_project.doctor.connections import examine_connections
from integration_project.doctor.database_file import examine_file
from integration_project.doctor.database_server import examine_server
from integration_project.doctor.database_upkeep import examine_upkeep


def examine_database() -> Iterator[Check]:
    """Look at the database that this process uses, by its kind."""
    if connection.vendor == "postgresql":
        yield from examine_server()
        yield from examine_connections()
        yield from examine_upkeep()
    else:
        yield from examine_file()
