"""Runs child processes until it is told to stop, and leaves none behind.

Knows nothing of what it runs. The loop is one thread; every child is a session of its
own, so that a Ctrl-C in the terminal reaches the supervisor alone, and the children
are stopped in order. A guard process ends them where the supervisor cannot.
"""

from integration_project.supervisor.loop import Announcement, Supervisor
from integration_project.supervisor.output import Output
from integration_project.supervisor.process import Child

__all__ = ["Announcement", "Child", "Output", "Supervisor"]
