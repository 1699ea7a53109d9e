"""Commands by the short way, to a real Valkey."""

import pytest
import redis

from clevertap_sync.process.broker_commands import ask_broker
from tests.harness.process import PATIENCE_SECONDS


@pytest.fixture
def broker(valkey):
    """A client with one connection, as the processes have."""
    client = redis.Redis(
        connection_pool=redis.BlockingConnectionPool.from_url(
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
