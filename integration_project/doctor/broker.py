"""The broker: whether it answers, its room, and what waits there.

It is a doorbell, and losing it costs seconds. But what waits in the spool, and in the queue
where events come by the Celery task, lies there and nowhere else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Any, Final, Self

import redis
from django.conf import settings

from clevertap_sync.process import doorbell
from integration_project.doctor.check import Area, Check, State, Values
from integration_project.doctor.spool import examine_spool
from referrals.hooks.spool import SpoolAwayError
from referrals.words import format_count

#: From so much of the room on it is a warning.
FULL_SHARE: Final = 0.8
#: Rings are short-lived: so many messages wait only where nobody takes them.
MANY_MESSAGES: Final = 1_000
_MEGABYTE: Final = 1_000_000

_check = partial(Check, area=Area.BROKER)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerFacts:
    """What the broker says of itself; None and empty where it does not tell."""

    seconds: float
    name: str = ""
    version: str = ""
    used_bytes: int | None = None
    #: 0: as much as there is.
    most_bytes: int | None = None
    policy: str = ""
    clients: int | None = None
    most_clients: int | None = None
    keeps_on_disk: bool | None = None
    messages: int | None = None

    @classmethod
    def from_info(
        cls, seconds: float, info: Mapping[str, Any], messages: int | None
    ) -> Self:
        """Return what Redis' command INFO says. What is no number there is unknown."""
        keeps = _read_number(info, "aof_enabled")
        name = "Valkey" if "valkey_version" in info else "Redis"
        return cls(
            seconds=seconds,
            name=name,
            version=str(info.get(f"{name.lower()}_version", ""))[:20],
            used_bytes=_read_number(info, "used_memory"),
            most_bytes=_read_number(info, "maxmemory"),
            policy=str(info.get("maxmemory_policy", ""))[:40],
            clients=_read_number(info, "connected_clients"),
            most_clients=_read_number(info, "maxclients"),
            keeps_on_disk=None if keeps is None else bool(keeps),
            messages=messages,
        )


def examine_broker() -> Iterator[Check]:
    """Ask the broker, and look into the spool. It needs no database."""
    if not settings.REDIS_URL:
        yield _check(
            code="broker_unset",
            state=State.INFO,
            sentence=f"REDIS_URL is not set: workers look for new events every "
            f"{settings.SWEEP_SECONDS:g} s, a restored backup is not noticed, and what "
            "platforms send only once is lost while the database is away.",
            remedy="For delivery within a second, and a spool, set REDIS_URL.",
        )
        return
    try:
        facts = _read_broker(doorbell.open_broker())
    except (redis.RedisError, OSError) as error:
        yield _report_away(type(error).__name__)
        return
    yield from judge_broker(facts)
    try:
        yield examine_spool()
    except SpoolAwayError as error:
        yield _report_away(str(error))


def judge_broker(facts: BrokerFacts) -> Iterator[Check]:
    """Yield the checks of a broker that answers."""
    yield _check(
        code="broker_answers",
        state=State.OK,
        sentence=f"{' '.join(filter(None, (facts.name or 'The broker', facts.version)))} "
        f"answers within {facts.seconds * 1000:.1f} ms.",
        values={"answer_seconds": facts.seconds, "version": facts.version},
    )
    if facts.most_bytes is not None:
        yield _judge_memory(facts)
    if facts.clients is not None and facts.most_clients:
        yield _judge_connections(facts.clients, facts.most_clients)
    if facts.keeps_on_disk is not None:
        yield _judge_disk(keeps=facts.keeps_on_disk)
    if facts.messages is not None:
        yield _judge_queue(facts.messages)


def _read_broker(broker: redis.Redis) -> BrokerFacts:
    began = monotonic()
    broker.ping()
    seconds = monotonic() - began
    # A hosted one may refuse what is not needed to ring.
    try:
        info = broker.info()
    except redis.ResponseError:
        info = {}
    try:
        messages = broker.llen(settings.CELERY_TASK_DEFAULT_QUEUE)
    except redis.ResponseError:
        messages = None
    return BrokerFacts.from_info(seconds, info, messages)


def _report_away(error: str) -> Check:
    return _check(
        code="broker_away",
        state=State.WARNING,
        sentence=f"The broker does not answer ({error}). No event is lost that comes by HTTP: "
        f"workers look for new ones every {settings.SWEEP_SECONDS:g} s. What platforms send "
        "only once has nowhere to wait should the database be away too.",
        remedy="Check the server, REDIS_URL, its password and its certificate.",
        values={"error": error},
    )


def _judge_memory(facts: BrokerFacts) -> Check:
    used, most = facts.used_bytes or 0, facts.most_bytes or 0
    values: Values = {"used_bytes": used, "limit_bytes": most, "policy": facts.policy}
    if not most:
        return _check(
            code="broker_memory",
            state=State.OK,
            sentence=f"It holds {used / _MEGABYTE:.1f} MB, and has no limit of its own.",
            values=values,
        )
    share = f"It holds {used / _MEGABYTE:.1f} of {most / _MEGABYTE:.1f} MB"
    if used > FULL_SHARE * most:
        return _check(
            code="broker_full_soon",
            state=State.WARNING,
            sentence=f"{share}. When it is full it takes no ring and no call.",
            remedy="Find out what else fills it, or give it more memory.",
            values=values,
        )
    if facts.policy not in {"", "noeviction"}:
        return _check(
            code="broker_evicts",
            state=State.WARNING,
            sentence=f"{share}, and when it is full it throws away what is in it "
            f"({facts.policy}): the spool too.",
            remedy="Set maxmemory-policy to noeviction.",
            values=values,
        )
    return _check(
        code="broker_memory", state=State.OK, sentence=f"{share}.", values=values
    )


def _judge_connections(clients: int, most: int) -> Check:
    is_short = clients > FULL_SHARE * most
    return _check(
        code="broker_connections_short" if is_short else "broker_connections",
        state=State.WARNING if is_short else State.OK,
        sentence=f"{clients} of {format_count(most, 'connection')} are in use.",
        remedy="Reckon how many are needed, or take a larger plan." if is_short else "",
        values={"connections": clients, "connection_limit": most},
    )


def _judge_disk(*, keeps: bool) -> Check:
    if keeps:
        return _check(
            code="broker_keeps",
            state=State.OK,
            sentence="It keeps what it has on disk (appendonly).",
        )
    return _check(
        code="broker_forgets",
        state=State.INFO,
        sentence="It keeps nothing on disk at once: what waits in its spool and its queue is "
        "lost where it restarts.",
        remedy="If that matters to you, set appendonly to yes.",
    )


def _judge_queue(messages: int) -> Check:
    is_long = messages > MANY_MESSAGES
    return _check(
        code="queue_long" if is_long else "queue",
        state=State.WARNING if is_long else State.OK,
        sentence=f"{format_count(messages, 'message')} in the workers' queue.",
        remedy="See whether a worker is at work, and hears the same broker."
        if is_long
        else "",
        values={"messages": messages},
    )


def _read_number(info: Mapping[str, Any], name: str) -> int | None:
    value = info.get(name)
    return value if isinstance(value, int) else None
