"""How the web processes are kept. gunicorn reads this file by itself.

What callers may take of them is in integration_project/web/request_limits.py.

Importing the settings here makes a process whose environment is incomplete end with a
sentence, instead of restarting its workers for ever.
Reference: https://docs.gunicorn.org/en/stable/settings.html
"""

import os
from pathlib import Path
from typing import Any

from integration_project import settings
from integration_project.environment import Environment
from integration_project.web.server_size import read_server_size

_env = Environment(os.environ)

wsgi_app = "integration_project.wsgi"
# This machine only. The Procfile and the Dockerfile say `--bind 0.0.0.0:$PORT`.
bind = f"127.0.0.1:{settings.PORT}"

worker_class = "integration_project.web.worker.Worker"
workers, threads = read_server_size(_env)
_env.refuse()

# Longer than any router keeps a connection, which would otherwise send a request into
# one that is just being closed. Heroku's keeps it for 90 seconds.
# Reference: https://devcenter.heroku.com/articles/http-routing#keepalives
keepalive = 100
# A worker that is silent for this long is frozen. Requests end by the database's limits.
timeout = 60
# Heroku kills 30 seconds after SIGTERM.
graceful_timeout = 25
# The heartbeat's file must not wait for a disk.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - gunicorn makes a file of its own there

# Our own log line knows the route and leaves the caller out.
accesslog = None
logconfig_dict = settings.LOGGING
# Nothing listens that the platform did not ask for.
control_socket_disable = True


def post_worker_init(worker: Any) -> None:
    """Let each web process be seen, look out for a worker that is gone, and know all sources."""
    from clevertap_sync.alerting.web_lookout import Lookout, look_if_no_worker_does
    from clevertap_sync.models import ProcessSeen
    from clevertap_sync.process import process_presence
    from referrals.hooks.known_sources import AHEAD_SECONDS, remember_sources
    from referrals.ingest import background

    worker.lookouts = [
        Lookout(look_if_no_worker_does),
        # In a thread: a process serves pages and pings while its database is away.
        Lookout(remember_sources, first=0, every=AHEAD_SECONDS, name="source reader"),
    ]
    for lookout in worker.lookouts:
        lookout.start()
    # Also one that nobody asks for anything, or that is a fork of one that has the program.
    process_presence.show_as(ProcessSeen.Kind.WEB)
    background.write_soon()


def worker_exit(server: Any, worker: Any) -> None:
    """Stop them before the process ends. One that never served has none."""
    for lookout in getattr(worker, "lookouts", ()):
        lookout.stop()
