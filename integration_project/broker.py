"""How Redis is reached: by Celery's broker, and by our own connections, alike.

By default Celery accepts any certificate of a `rediss://` address, and redis-py refuses
a self-signed one. Both get the same options here.
"""

from typing import Any, Final

from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

from integration_project.addresses import read_address
from integration_project.environment import UnusableError

# Long enough for a broker in another zone, short enough for a request to wait for.
_TIMEOUTS: Final = {
    "socket_timeout": 0.5,
    "socket_connect_timeout": 0.5,
    "socket_keepalive": True,
}


def check_broker(url: str) -> str:
    """Return `url` if a broker can be there. Raises `UnusableError` otherwise."""
    address = read_address(url, schemes=("rediss", "redis"))
    if not address.host:
        raise UnusableError(because="it names no host")
    number = address.path.strip("/")
    if number and not (number.isascii() and number.isdigit()):
        raise UnusableError(because="its path is not the number of a database")
    try:
        parse_url(url)  # type: ignore[no-untyped-call] # redis-py has no types there
    except ValueError:
        raise UnusableError(
            because="its query has a value that cannot be used"
        ) from None
    return url


def is_encrypted(url: str) -> bool:
    """Say whether connections to `url` use TLS."""
    return url.startswith("rediss://")


def make_redis_options(url: str, *, verify: bool) -> dict[str, Any]:
    """Return the keywords for `redis.Redis.from_url(url, **…)`.

    No command is tried twice: every caller can go on without Redis, and redis-py's
    default retries add several seconds to each timeout.
    """
    options = _TIMEOUTS | {"retry": Retry(NoBackoff(), 0)}
    return options | (_certificates(verify=verify) if is_encrypted(url) else {})


def make_celery_tls(url: str, *, verify: bool) -> dict[str, Any] | None:
    """Return Celery's `broker_use_ssl`."""
    return _certificates(verify=verify) if is_encrypted(url) else None


def make_transport_options() -> dict[str, Any]:
    """Return Celery's `broker_transport_options`.

    A publisher connects once, without the two seconds that Celery waits before a second
    try. The worker's own connection has another setting, which tries for ever.
    """
    return _TIMEOUTS | {"max_retries": 0}


def _certificates(*, verify: bool) -> dict[str, Any]:
    return {
        "ssl_cert_reqs": "required" if verify else "none",
        "ssl_check_hostname": verify,
    }
