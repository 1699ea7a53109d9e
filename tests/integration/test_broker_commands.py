"""Commands by the short way, to a real Valkey."""

import os
import threading

import pytest
import redis

from clevertap_sync.process.broker_commands import ask_broker
from clevertap_sync.process.broker_pool import OneConnectionPool
from tests.harness.process import PATIENCE_SECONDS


@pytest.fixture
def broker(valkey):
    """A client with one connection, as the processes have."""
    client = redis.Redis(
        connection_pool=OneConnectionPool.from_url(
            valkey.url, max_connections=1, timeout=PATIENCE_SECONDS
        )
    )
    client.flushall()
    yield client
    client.close()


def test_commands_that_go_together_have_an_answer_each_in_order(broker):
    mark = ("SET", "rung:1", "ü", "NX", "EX", 5)

    assert ask_broker(broker, mark, mark, ("GET", "rung:1"), ("DEL", "rung:1")) == [
        b"OK",
        None,
        "ü".encode(),
        1,
    ]


def test_an_error_is_the_answer_to_its_command_alone(broker):
    refused, said = ask_broker(broker, ("GET",), ("ECHO", "here"))

    assert isinstance(refused, redis.ResponseError)
    assert said == b"here"
    assert ask_broker(broker, ("ECHO", "there")) == [b"there"]


def test_a_connection_that_the_broker_closed_is_opened_anew(broker, valkey):
    ask_broker(broker, ("ECHO", "here"))
    with redis.Redis.from_url(valkey.url) as other:
        other.client_kill_filter(_type="normal", skipme=True)

    assert ask_broker(broker, ("ECHO", "there")) == [b"there"]


def test_an_answer_that_was_not_read_is_not_that_of_the_next_command(broker):
    broker.connection_pool.connection_kwargs["socket_timeout"] = 0.05
    with pytest.raises(redis.TimeoutError):
        ask_broker(broker, ("BLPOP", "nothing", 60), ("ECHO", "here"))

    assert ask_broker(broker, ("ECHO", "there")) == [b"there"]


def test_commands_of_redis_py_share_the_connection(broker):
    ask_broker(broker, ("SET", "rung:1", 1))

    assert broker.get("rung:1") == b"1"
    assert broker.delete("rung:1") == 1
    assert ask_broker(broker, ("GET", "rung:1")) == [None]
    assert ask_broker(broker, ("CLIENT", "ID")) == [broker.client_id()]


def test_many_threads_have_an_answer_each_by_one_connection(broker):
    told = {}

    def tell(number):
        for _ in range(50):
            answers = ask_broker(broker, ("ECHO", number), ("CLIENT", "ID"))
            told.setdefault(number, set()).update(answers)

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    mine = broker.client_id()
    assert told == {number: {b"%d" % number, mine} for number in range(6)}


def test_who_finds_the_connection_taken_waits_and_is_told(broker):
    broker.connection_pool.timeout = 0.01
    taken = broker.connection_pool.get_connection()
    with pytest.raises(redis.ConnectionError, match="No connection available"):
        ask_broker(broker, ("ECHO", "here"))

    broker.connection_pool.release(taken)

    assert ask_broker(broker, ("ECHO", "there")) == [b"there"]


def test_a_forked_child_opens_a_connection_of_its_own(broker):
    mine = broker.connection_pool.get_connection()
    # As a child finds it, whose parent's thread has the connection just now.
    broker.connection_pool.pid = os.getpid() + 1

    assert ask_broker(broker, ("ECHO", "child")) == [b"child"]
    assert broker.connection_pool.get_connection() is not mine
