"""How many web processes and threads there are, as the environment says it.

`gunicorn.conf.py` starts them, and the doctor reckons with them.
"""

from typing import NamedTuple

from integration_project.environment import Environment


class ServerSize(NamedTuple):
    """The web processes, and the threads of each."""

    processes: int
    threads: int


def read_server_size(env: Environment) -> ServerSize:
    """Return the size that the environment asks for; its problems are noted there."""
    return ServerSize(
        env.whole("WEB_CONCURRENCY", 2, least=1, most=64),
        env.whole("WEB_THREADS", 8, least=1, most=256),
    )
