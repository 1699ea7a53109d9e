"""An app that waits for IDs from before sign-up, and a CleverTap to deliver to."""

import pytest

from clevertap_sync.sandbox import Sandbox


@pytest.fixture
def sandbox(settings):
    """A running sandbox that every integration delivers to, without holds that end by time."""
    settings.FIRST_HOLD_SECONDS = settings.LONGEST_HOLD_SECONDS = 1_000_000
    with Sandbox() as running:
        settings.CLEVERTAP_BASE_URL = running.template
        yield running
