"""`manage.py up`: the whole product on this machine, until Ctrl-C."""

import os
from collections.abc import Iterator

from django.conf import settings
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connections

from integration_project.demo import setup as demo_setup
from integration_project.local import lock, ports, running, valkey, welcome
from integration_project.local.readiness import is_answered
from integration_project.local.stack import Ports, list_children, list_shared_settings
from integration_project.supervisor import Announcement, Output, Supervisor

SANDBOX_PORT = 9100


class Command(BaseCommand):
    """Prepare the database, then run web, worker and what else is missing."""

    help = (
        "Runs the whole product on this machine: the web server, a worker and, where "
        "REDIS_URL is not set, a Valkey server. Restarts what dies; Ctrl-C stops all."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare what the command line says."""
        parser.add_argument(
            "--demo",
            action="store_true",
            help="add a stand-in for CleverTap, a demo app and sample events",
        )

    def handle(self, *, demo: bool, **_: object) -> None:
        """Hold the lock of this checkout while everything runs."""
        settings.VAR_DIR.mkdir(mode=0o700, exist_ok=True)
        try:
            with lock.hold_lock(settings.VAR_DIR / running.LOCK_FILE):
                self._run(demo=demo)
        except lock.RunningAlreadyError as error:
            message = "This checkout is up already. Stop that one first (Ctrl-C there)."
            raise CommandError(message) from error

    def _run(self, *, demo: bool) -> None:
        where = self._ports(demo=demo)
        self._prepare_database()
        access = (
            demo_setup.prepare_demo(settings.VAR_DIR / "demo.json") if demo else None
        )
        broker = self._valkey()
        _close_database()
        processes = list_children(
            where,
            valkey=broker,
            worker_threads=settings.WORKER_THREADS,
            feeder=access.list_variables() if access else None,
        )
        output = Output([child.name for child in processes])
        announcement = Announcement(
            is_ready=lambda: all(is_answered(url) for url in _addresses(where)),
            text=_welcome(where, access, colour=output.colour),
        )
        with running.leave_settings(
            settings.VAR_DIR, list_shared_settings(where, broker), os.environ
        ):
            Supervisor(processes, output, announcement).run()
        self._say("Everything is stopped.")

    def _say(self, text: str) -> None:
        """Print a line now, also where the output is a file: children's lines follow."""
        self.stdout.write(text)
        self.stdout.flush()

    def _ports(self, *, demo: bool) -> Ports:
        """Return free ports; a port that PORT names is taken, or the command refuses."""
        web = settings.PORT
        if not ports.take_port(web):
            if os.environ.get("PORT"):
                message = (
                    f"Port {web} is taken by another program. Stop that one, or set PORT "
                    "to another number."
                )
                raise CommandError(message)
            web = ports.find_free_port()
            self._say(f"Port {settings.PORT} is taken, so this uses {web}.")
        return Ports(web, ports.prefer_port(SANDBOX_PORT) if demo else None)

    def _prepare_database(self) -> None:
        self._say("Preparing the database …")
        try:
            call_command("migrate", verbosity=0, interactive=False)
        except OperationalError as error:
            message = (
                f"The database cannot be used: {str(error).strip()}. Check DATABASE_URL "
                "and that the server runs, then start again."
            )
            raise CommandError(message) from error
        if hasattr(staticfiles_storage, "manifest_name"):
            call_command("collectstatic", verbosity=0, interactive=False)

    def _valkey(self) -> valkey.Valkey | None:
        if settings.REDIS_URL:
            return None
        program = valkey.find_program()
        if program is None:
            self._say(
                "There is no Valkey for this machine, and REDIS_URL is not set: events are "
                f"delivered every {settings.SWEEP_SECONDS:g} seconds instead of at once."
            )
            return None
        return valkey.prepare_valkey(program, settings.VAR_DIR / "valkey")


def _close_database() -> None:
    """Give up our own connections: only the children use the database from here on."""
    for connection in connections.all(initialized_only=True):
        connection.close()
        close_pool = getattr(connection, "close_pool", None)  # PostgreSQL has one
        if close_pool:
            close_pool()


def _addresses(where: Ports) -> Iterator[str]:
    yield f"{where.web_url}/healthz"
    if where.sandbox is not None:
        yield f"{where.sandbox_url}/_sandbox/state"


def _welcome(
    where: Ports, access: demo_setup.DemoAccess | None, *, colour: bool
) -> str:
    rows = [("Admin", f"{where.web_url}/admin/"), ("API", f"{where.web_url}/docs")]
    if access is None:
        rows.append(("Login", "python manage.py createsuperuser"))
        return welcome.draw_box("Everything runs.", rows, _STOP, colour=colour)
    password = access.password or "the password that you chose"
    rows[1:1] = [("Login", f"{access.username}  /  {password}")]
    rows += [
        ("API key", access.api_key),
        ("Sandbox", f"{where.sandbox_url}/   what CleverTap would have received"),
    ]
    return "\n".join(
        (
            welcome.draw_box(
                "Everything runs: the Demo Shop is open.", rows, _STOP, colour=colour
            ),
            "",
            "Send an event of your own:",
            "",
            welcome.make_one_line_curl(where.web_url, access.api_key),
        )
    )


_STOP = "Ctrl-C stops everything."
