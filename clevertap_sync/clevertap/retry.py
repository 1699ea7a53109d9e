"""What follows after a request failed: a pure function from error to decision.

It returns delays, not instants: the database's clock makes them one.

Pure: imports no framework. Chance comes in as an argument.
"""

from dataclasses import dataclass

from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    CredentialsError,
    RequestRejectedError,
    TooManyRequestsError,
    WrongAddressError,
)

SHORTEST_HOLD_SECONDS = 0.1
# 2 ** 64 seconds are longer than anything; a float holds them easily.
_MOST_DOUBLINGS = 64
_SPREAD = 0.1


@dataclass(frozen=True, slots=True)
class Hold:
    """Stop the integration's delivery for `delay` seconds.

    With `probe`, the next upload waits until a dry run of a made-up record succeeds:
    the fault will not heal by itself, or the last upload's outcome is unknown and the
    same records must not be sent over and over.
    """

    delay: float
    reason: str
    probe: bool = False


@dataclass(frozen=True, slots=True)
class HalveLimit:
    """Halve how many of the account's uploads may be in flight.

    `delay` is the hold in seconds that CleverTap asked for, None where it asked for
    none. An account that has nothing left to halve is held for `at_one` seconds.
    """

    delay: float | None = None
    at_one: float = SHORTEST_HOLD_SECONDS
    reason: str = TooManyRequestsError.code


@dataclass(frozen=True, slots=True)
class Bisect:
    """Split the upload until the record that CleverTap refuses stands alone."""


def decide_after_failure(
    error: CleverTapError,
    *,
    failures: int,
    jitter: float,
    first_hold: float,
    longest_hold: float,
) -> Hold | HalveLimit | Bisect:
    """Return what follows after `failures` consecutive failures ended in `error`.

    `jitter` in [0, 1) spreads integrations that failed together. What CleverTap
    asks for by Retry-After is the least that an integration is held.
    """
    wait = choose_backoff(failures, jitter, first_hold, longest_hold)
    match error:
        case RequestRejectedError():
            return Bisect()
        case TooManyRequestsError():
            return HalveLimit(delay=error.retry_after, at_one=wait)
        case AuthenticationError() | CredentialsError() | WrongAddressError():
            delay = longest_hold * (1 - _SPREAD * jitter)
            return _hold(error, delay, probe=True)
    return _hold(error, wait, probe=error.outcome_unknown)


def _hold(error: CleverTapError, delay: float, *, probe: bool) -> Hold:
    return Hold(max(delay, error.retry_after or 0.0), error.code, probe=probe)


def choose_backoff(
    failures: int, jitter: float, first_hold: float, longest_hold: float
) -> float:
    """Return a delay in seconds, anywhere below the doubled one ("full jitter").

    Reference: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
    ceiling = min(longest_hold, first_hold * 2.0**doublings)
    return max(ceiling * jitter, min(SHORTEST_HOLD_SECONDS, longest_hold))
