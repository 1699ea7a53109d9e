"""What a request to CleverTap came to, in the words of the metric."""

import inspect

import pytest

from clevertap_sync.clevertap import errors
from clevertap_sync.clevertap.errors import CleverTapError
from clevertap_sync.clevertap.outcomes import sort_outcome

SORTS = {
    errors.CredentialsError: None,
    errors.NoPasscodeError: None,
    errors.UnreadablePasscodeError: None,
    errors.NotSentError: "failed",
    errors.NoAnswerError: "unknown",
    errors.AuthenticationError: "refused",
    errors.WrongAddressError: "refused",
    errors.RequestRejectedError: "refused",
    errors.TooManyRequestsError: "refused",
    errors.ServerError: "failed",
    errors.GatewayError: "unknown",
    errors.MalformedResponseError: "unknown",
}
#: What others are kinds of, and nobody raises.
ABSTRACT = {errors.CleverTapError, errors.TransportError, errors.ResponseError}


def test_a_request_without_an_error_is_ok():
    assert sort_outcome(None) == "ok"


@pytest.mark.parametrize("kind", SORTS, ids=lambda kind: kind.__name__)
def test_each_error_has_one_sort(kind):
    assert sort_outcome(kind()) == SORTS[kind]


def test_no_error_is_forgotten():
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    found = {each for each in classes if issubclass(each, CleverTapError)}

    assert found == SORTS.keys() | ABSTRACT
