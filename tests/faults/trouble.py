"""Carries schedules out: what each step does to the processes and servers of a ground."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from typing import Any, Final

import psycopg
import redis
from django.test import override_settings

from clevertap_sync.delivery import check_integration, lifecycle, replay
from clevertap_sync.process import clock
from clevertap_sync.reconciliation import orders
from referrals.secret import Secret
from tests.faults.expected import KEY
from tests.faults.ground import HASTY
from tests.faults.network import Network
from tests.faults.scene import Scene
from tests.faults.schedules import NETWORK, Step
from tests.harness.databases import SQLite
from tests.harness.process import Process, wait_until

MOST_WORKERS: Final = 3
TERMINATE: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class Trouble:
    """One schedule on its scene: every step is a method, `heal` takes all of it back."""

    def __init__(self, scene: Scene, network: Network) -> None:
        self.scene = scene
        self._network = network
        self._workers: list[Process] = []
        self._ending: list[Process] = []
        self._forgotten: dict[int, str] = {}
        self._began = time.monotonic()

    def carry_out(self, step: Step) -> None:
        """Do what a step says, and pause."""
        since = time.monotonic() - self._began
        print(f"{since:6.2f} s  {step}")
        getattr(self, step.name)(**step.options)
        time.sleep(step.pause)

    def heal(self) -> None:
        """Mend everything, and see that who was asked to end has ended in order."""
        self._network.heal()
        sandbox = self.scene.sandbox
        sandbox.behave()
        sandbox.release()
        self.thaw_broker()
        self.start_broker()
        self._client().config_set("maxmemory", 0)
        self.correct_passcode()
        self.resume()
        self._network.web()
        self.scene.heal()
        self._network.worker()
        self.scene.wait_until(lambda: not self.scene.backend.has_queued())
        # One that had only just been started did not know yet how to end in order.
        statuses = {worker.wait() for worker in self._ending}
        assert statuses <= {0, -signal.SIGTERM}

    # Workers

    def start_worker(self, **env: str) -> None:
        """Start one more, up to a few."""
        if len(self._alive()) < MOST_WORKERS:
            self._workers.append(self._network.worker(**env))

    def start_doomed_worker(self, order: str) -> None:
        """Start one for which a fault is ordered."""
        self.start_worker(FAILPOINTS=order)

    def kill_worker(self, which: int) -> None:
        """`kill -9` one of those that there are."""
        for worker in self._chosen(which):
            worker.kill()

    def freeze_worker(self, which: int, seconds: float) -> None:
        """Let one stand still for a while."""
        for worker in self._chosen(which):
            with suppress(ProcessLookupError):
                worker.freeze()
                time.sleep(seconds)
                worker.thaw()

    def end_worker(self, which: int) -> None:
        """SIGTERM to the process group of one, as a platform sends it."""
        for worker in self._chosen(which):
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGTERM)
                self._workers.remove(worker)
                self._ending.append(worker)

    def _alive(self) -> list[Process]:
        return [worker for worker in self._workers if worker.returncode is None]

    def _chosen(self, which: int) -> list[Process]:
        alive = self._alive()
        return [alive[which % len(alive)]] if alive else []

    # Web

    def kill_web(self) -> None:
        """`kill -9` the web process, and start another."""
        self._network.web()

    def end_web(self) -> None:
        """SIGTERM to the web's process group, and start another when it has ended."""
        web = self.scene.ground.running_web()
        os.killpg(web.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            wait_until(lambda: web.returncode is not None, 1)
        self._network.web()

    def start_doomed_web(self, order: str) -> None:
        """Start a web process whose workers die again and again, in place of this one."""
        self._network.web(FAILPOINTS=order)

    # The broker

    def flush_broker(self) -> None:
        """Lose every message."""
        with suppress(redis.RedisError):
            self._client().flushall()

    def kill_broker(self) -> None:
        """`kill -9`."""
        self.scene.stack.broker.process.kill()

    def start_broker(self) -> None:
        """Start it, where it does not run."""
        if self.scene.stack.broker.process.returncode is not None:
            self.scene.stack.broker.start()

    def freeze_broker(self) -> None:
        """Let it stand still."""
        if self.scene.stack.broker.process.returncode is None:
            self.scene.stack.broker.process.freeze()

    def thaw_broker(self) -> None:
        """Let it go on."""
        if self.scene.stack.broker.process.returncode is None:
            self.scene.stack.broker.process.thaw()

    def fill_broker(self) -> None:
        """Let it refuse every write."""
        with suppress(redis.RedisError):
            self._client().config_set("maxmemory-policy", "noeviction")
            self._client().config_set("maxmemory", 1)

    def _client(self) -> redis.Redis:
        url = self.scene.stack.broker.url
        return redis.Redis.from_url(
            url, socket_timeout=0.5, single_connection_client=True
        )

    # CleverTap, and the way to every server

    def answer(self, **options: Any) -> None:
        """Let CleverTap answer the next requests so."""
        self.scene.sandbox.answer(**options)

    def misbehave(self, **options: Any) -> None:
        """Let the next requests meet a fault."""
        self.scene.sandbox.fault(**options)

    def disturb(self, where: str, what: str) -> None:
        """Order something of the network."""
        self._network.disturb(where, what, **NETWORK.get(what, {}))

    # The database

    def terminate_connections(self) -> None:
        """End every connection to it but this one."""
        with psycopg.connect(self.scene.stack.database.url, autocommit=True) as own:
            own.execute(TERMINATE)

    def crash_database(self) -> None:
        """Restart it in immediate mode."""
        self.scene.ground.server.crash()

    def lock_database(self, seconds: float) -> None:
        """Hold the one lock that SQLite has."""
        database = self.scene.stack.database
        assert isinstance(database, SQLite)
        with closing(
            sqlite3.connect(database.path, timeout=20, isolation_level=None)
        ) as own:
            own.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            own.execute("ROLLBACK")

    # A person

    def mistype_passcode(self) -> None:
        """Change the settings for the worse."""
        self._set_passcode("wrong")

    def correct_passcode(self) -> None:
        """Change the settings for the better."""
        self._set_passcode(self.scene.sandbox.account().passcode)

    def _set_passcode(self, passcode: str) -> None:
        integration = self.scene.integration
        with self.scene.ground.django():
            integration.passcode = Secret(passcode)
            integration.save(update_fields=["passcode"])
            lifecycle.apply_new_settings(integration)

    def check_connection(self) -> None:
        """Check the connection, as the admin's button does."""
        template = self.scene.sandbox.template
        integration = self.scene.refresh()
        with (
            self.scene.ground.django(),
            override_settings(CLEVERTAP_BASE_URL=template, REDIS_URL=""),
        ):
            check_integration.check_connection(integration)

    def pause(self) -> None:
        """Pause the integration."""
        with self.scene.ground.django():
            lifecycle.pause_integration(self.scene.integration)

    def resume(self) -> None:
        """Go on where it stopped."""
        with self.scene.ground.django():
            lifecycle.enable_integration(self.scene.integration)

    def replay_letters(self) -> None:
        """Order every open dead letter to be sent again."""
        with self.scene.ground.django():
            replay.replay_letters(self.scene.integration)

    def order_comparison(self) -> None:
        """Order a comparison with CleverTap, as the admin's button does."""
        with self.scene.ground.django():
            account = self.scene.integration.account_id
            orders.order_comparison(account, "a schedule", clock.read_now())

    # People, and what becomes known of them. The load sends it.

    def install(self, devices: Iterable[int]) -> None:
        """Let each device report an install."""
        for device in devices:
            self._leave(self.scene.describe_install(f"{device}"))

    def link(self, devices: Iterable[int]) -> None:
        """Let the person of each device sign up on it."""
        for device in devices:
            self._leave(self.scene.describe_link(f"{device}", f"{device}"))

    def dispute(self, device: int) -> None:
        """Let somebody else sign up on a device, and report one more install."""
        self._leave(self.scene.describe_link(f"{device}", f"{device}0"))
        self._leave(self.scene.describe_install(f"{device}"))

    def _leave(self, changes: Mapping[str, Any]) -> None:
        backend = self.scene.backend
        backend.queue_events(backend.events(1, **changes))

    def forget(self, person: int, order: str) -> None:
        """Erase somebody, as far as it goes now; killed where `order` says, if anywhere."""
        address = self.scene.address_of(f"{person}")
        self._forgotten[person] = address
        doom = {"FAILPOINTS": order, "DEBUG": "true"} if order else {}
        self._erase(address, **doom)

    def end_erasures(self) -> None:
        """Carry out to the end what was ordered; what comes of these people then is not sent.

        Nothing may be under way any more: neither here nor at CleverTap.
        """
        for address in self._forgotten.values():
            said = self._erase(address)
            assert '"done"' in said, said
            self.scene.forgotten[address] = time.time()
        for person, address in self._forgotten.items():
            self.scene.install(f"{person}")
            self.scene.send(1, user={"identities": {KEY: address}})

    def _erase(self, address: str, **env: str) -> str:
        done = self.scene.manage(
            *("forget", self.scene.app.slug, "--identity", f"{KEY}={address}"),
            "--json",
            **{**HASTY, **env},
        )
        return f"{done.stdout}{done.stderr}"
