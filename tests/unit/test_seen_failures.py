"""Each code that a comparison ends early with has words: what happened, and what to do."""

import pytest

from clevertap_sync.clevertap.errors import AuthenticationError
from clevertap_sync.insight import seen_failures
from clevertap_sync.insight.seen_failures import describe_failure

CODES = [
    value
    for name, value in vars(seen_failures).items()
    if name[0].isupper() and name.isupper() and " " not in value
]


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_words(code):
    assert code not in describe_failure(code)


def test_an_error_of_clevertap_s_has_its_own_words():
    words = describe_failure(AuthenticationError.code)

    assert words == f"{AuthenticationError.meaning()} {AuthenticationError.remedy}"


def test_a_code_of_later_versions_is_named():
    assert describe_failure("eclipse") == "It ended with eclipse."
