"""Runs child processes until a signal asks it to stop, and leaves none behind.

Knows nothing of the product. Read `loop` first, then `process`, `output`, and `process_guard` with
its two scripts. The loop is one thread; every child is a session of its
own, so that a Ctrl-C in the terminal reaches the supervisor alone, and the children
are stopped in order. A guard process ends them where the supervisor cannot.
"""

from integration_project.supervisor.loop import Announcement, Supervisor
from integration_project.supervisor.output import Output
from integration_project.supervisor.process import Child

__all__ = ["Announcement", "Child", "Output", "Supervisor"]
