"""A broker that is slow, silent or shows its own certificate, as Celery and redis-py meet it."""

import socket
import threading
import time
from contextlib import suppress

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from integration_project.broker import (
    make_celery_tls,
    make_redis_options,
    make_transport_options,
)
from tests.certificates import Authority
from tests.harness.process import PATIENCE_SECONDS, wait_until


class Listener:
    """Accepts connections on 127.0.0.1 and says nothing; with `tls`, shakes hands first.

    It hangs up after that: nobody has to lose patience for the test to go on.
    """

    def __init__(self, tls=None):
        self.handshakes = []
        self.connections = []
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
        for connection in self.connections:
            connection.close()

    def _run(self):
        with suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self.connections.append(connection)
                if self._tls:
                    self._shake(connection)

    def _shake(self, connection):
        connection.settimeout(PATIENCE_SECONDS)
        try:
            self._tls.wrap_socket(connection, server_side=True).close()
        except OSError as error:
            self.handshakes.append(type(error).__name__)
        else:
            self.handshakes.append("done")


def with_redis(url, *, verify=True, **others):
    options = make_redis_options(url, verify=verify) | others
    with redis.Redis.from_url(url, **options) as client:
        client.ping()


def with_celery(url, *, verify=True, **others):
    app = Celery(set_as_current=False)
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.conf.update(
        broker_url=url,
        broker_use_ssl=make_celery_tls(url, verify=verify),
        broker_transport_options=make_transport_options() | others,
    )
    app.send_task("doorbell", ignore_result=True)


#: For what is not about how long a broker may take.
PATIENT = {
    "socket_timeout": PATIENCE_SECONDS,
    "socket_connect_timeout": PATIENCE_SECONDS,
}
BOTH = pytest.mark.parametrize("ring", [with_redis, with_celery])


@BOTH
def test_a_broker_that_says_nothing_costs_half_a_second_once(ring):
    with Listener() as silent:
        began = time.monotonic()
        with pytest.raises((redis.TimeoutError, OperationalError)):
            ring(f"redis://{silent.address}/0")
        waited = time.monotonic() - began
        wait_until(lambda: silent.connections)

    # Once, and no longer than one may wait: how much longer the machine took is its own.
    assert len(silent.connections) == 1
    assert waited > 0.4
    assert make_transport_options()["socket_timeout"] == 0.5
    assert make_redis_options("redis://x", verify=True)["socket_timeout"] == 0.5


@BOTH
def test_a_certificate_that_nobody_vouches_for_is_refused(ring, tmp_path):
    with (
        Listener(Authority(tmp_path).server()) as server,
        pytest.raises((redis.ConnectionError, OperationalError)) as caught,
    ):
        ring(f"rediss://{server.address}/0")

    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value)
    assert server.handshakes == ["SSLError"]


@BOTH
def test_the_same_certificate_is_taken_where_a_person_said_so(ring, tmp_path):
    with (
        Listener(Authority(tmp_path).server()) as server,
        pytest.raises((redis.ConnectionError, OperationalError)),
    ):
        ring(f"rediss://{server.address}/0", verify=False, **PATIENT)

    assert server.handshakes == ["done"]
