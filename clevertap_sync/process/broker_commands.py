"""Commands to the broker by a short way, for what each request sends.

redis-py composes, counts and retries each command anew, which takes longer than the broker.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import redis

#: The command's name and what follows it.
Command = tuple[str | int, ...]
#: What the broker says; an error that it answers is raised by nobody.
CommandAnswer = bytes | int | redis.ResponseError | None


def ask_broker(broker: redis.Redis, *commands: Command) -> Sequence[CommandAnswer]:
    """Send `commands` by one write, and return the answer to each.

    Keeps how they look on the wire, so that what is in them must not be new each time.
    Raises `redis.RedisError` where the broker cannot be reached.
    """
    pool = broker.connection_pool
    # redis-py has no types for a connection's methods.
    connection: Any = pool.get_connection()
    try:
        packed = b"".join(map(_pack, commands))
        connection.send_packed_command([packed], check_health=False)
        return [_read_answer(connection) for _ in commands]
    except BaseException:
        # What is still to be read must not be the answer to another command.
        connection.disconnect()
        raise
    finally:
        pool.release(connection)


def _read_answer(connection: Any) -> CommandAnswer:  # noqa: ANN401 - as redis-py
    try:
        answer: CommandAnswer = connection.read_response()
    except redis.ResponseError as error:
        return error
    return answer


@lru_cache(1_000)
def _pack(command: Command) -> bytes:
    """Return a command as it goes over the wire.

    Reference: https://redis.io/docs/latest/develop/reference/protocol-spec/
    """
    parts = [str(part).encode() for part in command]
    texts = [b"$%d\r\n%b\r\n" % (len(part), part) for part in parts]
    return b"*%d\r\n%b" % (len(parts), b"".join(texts))
