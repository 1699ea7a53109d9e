"""What follows after a failure, for every error and however often it failed."""

from typing import Final

import pytest
from hypothesis import given, strategies as st

from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    CredentialsError,
    GatewayError,
    MalformedResponseError,
    NoAnswerError,
    NoPasscodeError,
    NotSentError,
    RequestRejectedError,
    ResponseError,
    ServerError,
    TooManyRequestsError,
    TransportError,
    UnreadablePasscodeError,
    WrongAddressError,
    make_error_for_status,
)
from clevertap_sync.clevertap.retry import (
    SHORTEST_HOLD_SECONDS,
    Bisect,
    HalveLimit,
    Hold,
    choose_backoff,
    decide_after_failure,
)

FIRST: Final = 1.0
LONGEST: Final = 300.0


def _decide(error, *, failures=1, jitter=0.5, first_hold=FIRST, longest_hold=LONGEST):
    return decide_after_failure(
        error,
        failures=failures,
        jitter=jitter,
        first_hold=first_hold,
        longest_hold=longest_hold,
    )


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_is_never_accepted_is_bisected(status):
    assert _decide(make_error_for_status(status)) == Bisect()


@pytest.mark.parametrize("status", [301, 302, 307, 308, 401, 403, 404, 405, 410, 204])
def test_a_fault_of_the_account_holds_long_and_until_a_probe_is_well(status):
    error = make_error_for_status(status)

    assert _decide(error, failures=1, jitter=0.0) == Hold(300.0, error.code, probe=True)
    assert _decide(error, failures=9, jitter=0.5) == Hold(285.0, error.code, probe=True)


@pytest.mark.parametrize(
    "error",
    [
        NotSentError(),
        ServerError(status=500),
        make_error_for_status(503),
        make_error_for_status(408),
        make_error_for_status(409),
    ],
)
def test_a_passing_fault_holds_with_backoff_and_without_a_probe(error):
    assert _decide(error, failures=1, jitter=0.5) == Hold(0.5, error.code)
    assert _decide(error, failures=5, jitter=0.5) == Hold(8.0, error.code)
    assert _decide(error, failures=50, jitter=0.5) == Hold(150.0, error.code)


@pytest.mark.parametrize(
    "error",
    [NoAnswerError(), GatewayError(status=502), MalformedResponseError(status=200)],
)
def test_an_unknown_outcome_holds_with_backoff_until_a_probe_is_well(error):
    assert _decide(error, failures=3, jitter=0.5) == Hold(2.0, error.code, probe=True)


def test_too_many_requests_halve_the_limit_and_hold_only_who_has_one_left():
    decision = _decide(TooManyRequestsError(status=429), failures=4, jitter=0.5)

    assert decision == HalveLimit(delay=None, at_one=4.0)
    assert decision.reason == "too_many_requests"


def test_too_many_requests_hold_for_as_long_as_clevertap_asks():
    error = TooManyRequestsError(status=429, retry_after=17.0)

    assert _decide(error).delay == 17.0


@pytest.mark.parametrize("status", [503, 502, 401, 302])
def test_retry_after_is_the_least_that_is_waited(status):
    asked_little = make_error_for_status(status, retry_after=0.2)
    asked_much = make_error_for_status(status, retry_after=3600.0)

    assert _decide(asked_much).delay == 3600.0
    assert _decide(asked_little) == _decide(make_error_for_status(status))


def _leaves(cls):
    children = cls.__subclasses__()
    return [leaf for child in children for leaf in _leaves(child)] or [cls]


@pytest.mark.parametrize("cls", [*_leaves(CleverTapError), ServerError, TransportError])
def test_every_error_has_a_decision_that_carries_its_code(cls):
    decision = _decide(cls())

    if cls is RequestRejectedError:
        assert decision == Bisect()
    else:
        assert decision.reason == cls.code


@pytest.mark.parametrize("cls", _leaves(CleverTapError))
def test_a_probe_comes_first_exactly_where_only_a_probe_can_tell(cls):
    decision = _decide(cls())

    wait = (AuthenticationError, CredentialsError, WrongAddressError)
    expected = cls.outcome_unknown or issubclass(cls, wait)
    assert getattr(decision, "probe", False) is expected


def test_backoff_doubles_up_to_the_longest_hold():
    delays = [choose_backoff(n, 1.0, FIRST, LONGEST) for n in range(1, 12)]

    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(
    failures=st.integers(-5, 10**6),
    jitter=st.floats(0, 1, exclude_max=True),
    first=st.floats(0.01, 60),
    factor=st.floats(1, 1000),
)
def test_backoff_stays_between_its_floor_and_the_longest_hold(
    failures, jitter, first, factor
):
    longest = first * factor

    delay = choose_backoff(failures, jitter, first, longest)

    assert min(SHORTEST_HOLD_SECONDS, longest) <= delay <= longest


@given(
    failures=st.integers(1, 10**6),
    jitters=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
)
def test_backoff_never_falls_with_more_failures_or_more_jitter(failures, jitters):
    low, high = sorted(jitters)

    assert choose_backoff(failures, low, FIRST, LONGEST) <= choose_backoff(
        failures + 1, low, FIRST, LONGEST
    )
    assert choose_backoff(failures, low, FIRST, LONGEST) <= choose_backoff(
        failures, high, FIRST, LONGEST
    )


def test_backoff_spreads_over_the_whole_range():
    delays = [choose_backoff(9, n / 10, FIRST, LONGEST) for n in range(10)]

    assert delays[0] == SHORTEST_HOLD_SECONDS
    assert delays[1:] == pytest.approx([25.6 * n for n in range(1, 10)])


def test_a_million_failures_do_not_overflow():
    assert choose_backoff(10**6, 0.5, FIRST, LONGEST) == 150.0


@given(
    status=st.integers(100, 599),
    jitter=st.floats(0, 1, exclude_max=True),
    failures=st.integers(1, 10**6),
)
def test_no_hold_without_retry_after_is_longer_than_the_longest(
    status, jitter, failures
):
    decision = _decide(make_error_for_status(status), failures=failures, jitter=jitter)

    if isinstance(decision, Hold):
        assert 0 < decision.delay <= LONGEST


def concrete_errors(root=CleverTapError):
    """Yield every error that is raised, and not only a ground of others."""
    for error in root.__subclasses__():
        if error not in (TransportError, ResponseError, CredentialsError):
            yield error
        yield from concrete_errors(error)


#: What follows after the first failure, with chance in the middle.
FOLLOWS: dict[type[CleverTapError], object] = {
    RequestRejectedError: Bisect(),
    TooManyRequestsError: HalveLimit(at_one=0.5),
    **dict.fromkeys((NoPasscodeError, UnreadablePasscodeError), (285.0, True)),
    **dict.fromkeys((AuthenticationError, WrongAddressError), (285.0, True)),
    **dict.fromkeys((NotSentError, ServerError), (0.5, False)),
    **dict.fromkeys((NoAnswerError, GatewayError, MalformedResponseError), (0.5, True)),
}


@pytest.mark.parametrize("error", list(concrete_errors()), ids=lambda error: error.code)
def test_what_follows_is_decided_for_every_error(error):
    assert error in FOLLOWS, (
        f"Say in FOLLOWS here what follows after {error.__name__}, and see that "
        "clevertap/retry.py does it."
    )
    decision = _decide(
        error(status=500) if issubclass(error, ResponseError) else error()
    )

    told = FOLLOWS[error]
    expected = Hold(told[0], error.code, probe=told[1]) if type(told) is tuple else told
    assert decision == expected
