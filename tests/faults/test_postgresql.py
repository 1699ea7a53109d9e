"""PostgreSQL restarted, cut off, exhausted: what was answered is kept, and nothing else."""

import threading
import time
from contextlib import ExitStack
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.faults.ground import HASTY
from tests.faults.test_kills import is_stopped
from tests.harness.proxy import Proxy

APPLICATION = "the test itself"


@pytest.mark.scenario("PostgreSQL restarted in immediate mode under load, three times")
def test_a_crash_of_the_database_loses_nothing(postgresql, server):
    scene = postgresql
    # What it cannot settle while the database is away is due again when its lease ends.
    scene.new_worker(**HASTY)
    with scene.load(threads=3):
        for _ in range(3):
            before = scene.backend.statuses[202]
            scene.wait_until(lambda n=before: scene.backend.statuses[202] > n + 5)
            server.crash()
        scene.heal()
        before = scene.backend.statuses[202]
        scene.wait_until(lambda: scene.backend.statuses[202] > before)

    scene.settle_and_check()


@pytest.mark.scenario("PostgreSQL's connections terminated every 100 ms for 3 s")
def test_terminated_connections_lose_nothing(postgresql):
    scene = postgresql
    scene.new_worker(**HASTY)
    with scene.load(threads=3), terminated_every(0.1, scene.stack.database.url):
        time.sleep(3)

    scene.heal()

    scene.settle_and_check()


@pytest.mark.scenario("PostgreSQL out of connections: ingest answers 503")
def test_exhausted_connections_are_a_503_and_never_a_202(postgresql, server):
    scene = postgresql
    # Nobody else may hold a connection, and give it back.
    scene.ground.end_web()
    scene.ground.rest()
    with ExitStack() as hoard:
        hoard_connections(hoard, server.url)
        scene.ground.web()
        statuses = [
            scene.backend.post(scene.stack.web_url, scene.backend.events(3))
            for _ in range(3)
        ]
        worker = scene.worker()
        time.sleep(1)

    scene.heal()
    scene.send(50)

    scene.settle()
    found = scene.check()
    assert statuses == [503, 503, 503]
    assert worker.returncode is None
    assert len(found.log) == 50


@pytest.mark.scenario(
    "worker cut off from PostgreSQL for longer than its lease, then back"
)
def test_a_worker_that_was_cut_off_changes_nothing_when_it_is_back(postgresql):
    scene = postgresql
    url = scene.stack.database.url
    scene.send(700)
    with Proxy(urlsplit(url).port) as proxy:
        scene.sandbox.fault(only="uploads", times=2, hold="after_storing")
        scene.new_worker(DATABASE_URL=proxy.url_of(url))
        scene.wait_until(lambda: scene.sandbox.state()["records_accepted"] >= 1000)
        proxy.black_hole()
        scene.sandbox.release()
        scene.sandbox.behave()
        # Another takes over what the cut-off one had, once the lease has ended.
        scene.ground.expire_leases()
        other = scene.worker()
        scene.settle()
        other.kill()

        scene.heal()
        proxy.behave()
        scene.send(100)

        scene.settle_and_check()


@pytest.mark.scenario(
    "web frozen between lock and commit: other requests get 503, then go on"
)
def test_a_frozen_web_process_stops_ingest_for_seconds_only(postgresql):
    scene = postgresql
    scene.web()
    url = scene.stack.web_url
    scene.worker()
    frozen = scene.ground.another_web(FAILPOINTS="append.written=freeze")
    events = scene.backend.events(5)
    stuck = threading.Thread(
        target=scene.backend.post, args=(scene.stack.web_url, events)
    )
    stuck.start()
    try:
        scene.wait_until(lambda: any(map(is_stopped, frozen.children())))
        scene.stack.web_url = url
        more = scene.backend.events(5)
        first = scene.backend.post(url, more)
        scene.wait_until(lambda: scene.backend.post(url, more) == 202)
    finally:
        frozen.kill()
        stuck.join()

    scene.heal()

    scene.settle_and_check()
    assert first == 503


@pytest.mark.scenario("network to PostgreSQL resets every connection of web and worker")
def test_a_network_that_resets_loses_nothing(postgresql):
    scene = postgresql
    url = scene.stack.database.url
    with Proxy(urlsplit(url).port) as proxy:
        scene.ground.web(DATABASE_URL=proxy.url_of(url))
        scene.new_worker(DATABASE_URL=proxy.url_of(url), **HASTY)
        with scene.load(threads=3):
            for _ in range(6):
                time.sleep(0.3)
                proxy.reset()
                time.sleep(0.05)
                proxy.behave()
            scene.heal()

        scene.settle()
        scene.check()
        scene.ground.rest()
        scene.ground.end_web()


class terminated_every:  # noqa: N801 - reads as what it does
    """Ends every connection to the database but its own, again and again."""

    def __init__(self, seconds, url):
        self.seconds, self.url = seconds, url
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def run(self):
        with psycopg.connect(
            self.url, autocommit=True, application_name=APPLICATION
        ) as own:
            while not self.over.wait(self.seconds):
                own.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
                    "AND application_name <> %s",
                    [APPLICATION],
                )


def hoard_connections(hoard, url):
    """Open connections until there are no more."""
    try:
        while True:
            hoard.enter_context(psycopg.connect(url))
    except psycopg.OperationalError:
        return
