"""A proxy before each server of a ground: before CleverTap, the broker and the database."""

import contextlib
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import urlsplit

from tests.faults.ground import HASTY, Ground
from tests.harness.process import Process
from tests.harness.proxy import Proxy

#: Whose word in the environment leads to which server.
VARIABLES: Final[Mapping[str, str]] = {
    "clevertap": "CLEVERTAP_BASE_URL",
    "broker": "REDIS_URL",
    "database": "DATABASE_URL",
}


class Network:
    """Between a ground's processes and its servers; a context manager.

    SQLite is a file, which no network parts from anybody.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._proxies: dict[str, Proxy] = {}
        #: What leads a process through the proxies.
        self.env: dict[str, str] = {}

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for name, variable in VARIABLES.items():
                url = self._ground.stack.env[variable]
                if port := urlsplit(url).port:
                    self._proxies[name] = stack.enter_context(Proxy(port))
                    self.env[variable] = self._proxies[name].url_of(url)
            self._ends = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def disturb(self, where: str, what: str, **amount: float) -> None:
        """Order something of the proxy before `where`, if there is one."""
        if where in self._proxies:
            getattr(self._proxies[where], what)(**amount)

    def heal(self) -> None:
        """Pass everything on again."""
        for proxy in self._proxies.values():
            proxy.behave()

    def worker(self, **env: str) -> Process:
        """Start a worker that meets its servers through the proxies."""
        return self._ground.worker(**{**HASTY, **self.env, **env})

    def web(self, **env: str) -> Process:
        """Start a web process behind the proxies, in place of the one that runs."""
        return self._ground.web(**self.env, **env)
