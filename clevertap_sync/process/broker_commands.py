"""Commands to the broker by a short way, for what each request sends.

redis-py composes, counts and retries each command anew, and reads each answer through a dozen
functions, which takes longer than the broker.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import redis

from clevertap_sync.process.broker_answers import CommandAnswer, read_answers

#: The command's name and what follows it.
Command = tuple[str | int, ...]

_MOST_BYTES = 65_536


def ask_broker(broker: redis.Redis, *commands: Command) -> Sequence[CommandAnswer]:
    """Send `commands` by one write, and return the answer to each.

    Keeps how they look on the wire, so that what is in them must not be new each time.
    Raises `redis.RedisError` where the broker cannot be reached.
    """
    pool = broker.connection_pool
    # redis-py has no types for a connection's methods.
    connection: Any = pool.get_connection()
    try:
        connection.send_packed_command([_pack(commands)], check_health=False)
        return _read_answers(connection, len(commands))
    except BaseException:
        # What is still to be read must not be the answer to another command.
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _read_answers(connection: Any, number: int) -> Sequence[CommandAnswer]:  # noqa: ANN401 - as redis-py
    receive = connection._sock.recv  # noqa: SLF001 - redis-py has no name for it
    read, answers = b"", None
    try:
        while answers is None:
            part = receive(_MOST_BYTES)
            if not part:
                msg = "Connection closed by server."
                raise redis.ConnectionError(msg)
            read += part
            answers = read_answers(read, number)
    except TimeoutError as error:
        msg = "Timeout reading from socket"
        raise redis.TimeoutError(msg) from error
    except OSError as error:
        msg = f"Error while reading from socket: {error.args}"
        raise redis.ConnectionError(msg) from error
    return answers


@lru_cache(1_000)
def _pack(commands: tuple[Command, ...]) -> bytes:
    """Return commands as they go over the wire.

    Reference: https://redis.io/docs/latest/develop/reference/protocol-spec/
    """
    return b"".join(map(_pack_one, commands))


def _pack_one(command: Command) -> bytes:
    parts = [str(part).encode() for part in command]
    texts = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"*%d\r\n%b" % (len(parts), b"".join(texts))
