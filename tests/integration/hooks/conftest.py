"""The app whose sources platforms call."""

import pytest

from tests import builders


@pytest.fixture
def app():
    return builders.an_app("shop")
