"""Migrations that change rows: what an older database has is right afterwards."""

import importlib

import pytest
from django.apps import apps

from clevertap_sync.models import Integration
from tests.builders import NOON, an_integration

pytestmark = pytest.mark.django_db

HOLD_CAUSE = "clevertap_sync.migrations.0008_hold_cause"
FIRST_ENABLED = "clevertap_sync.migrations.0005_first_enabled"


def test_what_has_a_cursor_or_a_start_was_enabled_once():
    an_integration(enabled=False, name="never")
    paused = an_integration(enabled=False, name="paused", cursor=3, tail=3)
    since = an_integration(enabled=False, name="since", deliver_since=NOON)
    migration = importlib.import_module(FIRST_ENABLED)

    migration.mark_those_that_were_enabled(apps, None)

    marked = Integration.objects.filter(first_enabled_at__isnull=False)
    assert set(marked) == {paused, since}


def test_what_older_rows_were_accepted_with_is_not_taken_for_what_they_have():
    integration = an_integration()
    migration = importlib.import_module(HOLD_CAUSE)

    migration.begin_to_remember(apps, None)

    integration.refresh_from_db()
    assert integration.credentials_since is not None
