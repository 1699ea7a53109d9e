"""Migrations that change rows: what an older database has is right afterwards."""

import importlib

import pytest
from django.apps import apps

from clevertap_sync.models import Integration
from tests.builders import NOON, an_integration

pytestmark = pytest.mark.django_db

FIRST_ENABLED = "clevertap_sync.migrations.0005_first_enabled"


def test_what_has_a_cursor_or_a_start_was_enabled_once():
    an_integration(enabled=False, name="never")
    paused = an_integration(enabled=False, name="paused", cursor=3, tail=3)
    since = an_integration(enabled=False, name="since", deliver_since=NOON)
    migration = importlib.import_module(FIRST_ENABLED)

    migration.mark_those_that_were_enabled(apps, None)

    marked = Integration.objects.filter(first_enabled_at__isnull=False)
    assert set(marked) == {paused, since}
