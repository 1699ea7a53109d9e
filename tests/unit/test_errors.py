"""Every error says what happened, what it means and what to do; every status has one."""

import pickle
from pathlib import Path

import pytest

from clevertap_sync.clevertap import errors
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    GatewayError,
    MalformedResponseError,
    NoAnswerError,
    NotSentError,
    RequestRejectedError,
    ServerError,
    TooManyRequestsError,
    WrongAddressError,
    make_error_for_status,
)
from clevertap_sync.clevertap.unknown_causes import (
    CAUSES,
    UnknownCause,
    describe_cause,
)


def _descendants(cls):
    yield cls
    for child in cls.__subclasses__():
        yield from _descendants(child)


EVERY = sorted(set(_descendants(CleverTapError)), key=lambda cls: cls.__name__)

EXPECTED = {
    400: RequestRejectedError,
    401: AuthenticationError,
    403: AuthenticationError,
    408: ServerError,
    409: ServerError,
    413: RequestRejectedError,
    422: RequestRejectedError,
    429: TooManyRequestsError,
    502: GatewayError,
    504: GatewayError,
}


def test_every_status_has_its_error():
    statuses = range(100, 600)
    usual = {s: ServerError if s >= 500 else WrongAddressError for s in statuses}

    errors = [make_error_for_status(s, "words", retry_after=7.0) for s in statuses]

    assert {error.status: type(error) for error in errors} == usual | EXPECTED
    assert {(error.detail, error.retry_after) for error in errors} == {("words", 7.0)}


def test_statuses_that_do_not_exist_have_an_error_too():
    assert type(make_error_for_status(999)) is ServerError
    assert type(make_error_for_status(0)) is WrongAddressError


@pytest.mark.parametrize("cls", EVERY)
def test_every_error_has_a_code_a_meaning_and_a_remedy(cls):
    assert cls.code == cls.code.lower()
    assert len(cls.code) <= 30, "an attempt's outcome has room for no more"
    assert cls.meaning().endswith(".")
    assert cls.remedy.endswith(".")


def test_codes_are_unique():
    assert len({cls.code for cls in EVERY}) == len(EVERY)


@pytest.mark.parametrize("cls", EVERY)
def test_the_map_in_the_modules_docstring_names_every_error(cls):
    assert cls.__name__ in errors.__doc__, (
        f"Give {cls.__name__} its place in the tree at the top of clevertap/errors.py."
    )


def test_only_what_may_have_been_stored_has_an_unknown_outcome():
    unknown = {cls for cls in EVERY if cls.outcome_unknown}

    assert unknown == {NoAnswerError, GatewayError, MalformedResponseError}
    assert {cls for cls in EVERY if cls.unknown_cause} == unknown


def test_every_cause_of_an_unknown_outcome_has_words_and_a_line_in_the_docs():
    documented = Path("docs/troubleshooting.md").read_text()

    assert set(CAUSES) == set(UnknownCause)
    for cause in UnknownCause:
        assert f"| `{cause}` |" in documented
    assert describe_cause("deadline").format_number(1) == "1 deadline"
    assert describe_cause("deadline").format_number(2000) == "2,000 deadlines"
    # What a newer version wrote, after a step back.
    assert describe_cause("other").format_number(1) == "1 of a cause that is not known"


def test_the_text_tells_what_happened_what_was_seen_and_what_to_do():
    error = AuthenticationError("Invalid Credentials", status=401)

    assert str(error) == (
        "CleverTap refuses the account ID, the passcode or the location. "
        "(HTTP 401: Invalid Credentials) "
        "Check account ID, passcode and location in the integration's settings."
    )


def test_the_text_leaves_out_what_was_not_seen():
    assert str(NotSentError()) == f"{NotSentError.meaning()} {NotSentError.remedy}"
    assert "(connection refused)" in str(NotSentError("connection refused"))
    assert "(HTTP 503)" in str(ServerError(status=503))


def test_an_error_survives_pickling():
    error = pickle.loads(  # noqa: S301 - our own
        pickle.dumps(make_error_for_status(429, "slow", retry_after=3.0))
    )

    assert type(error) is TooManyRequestsError
    assert (error.detail, error.status, error.retry_after) == ("slow", 429, 3.0)
