"""Migrations that change rows: what an older database has is right afterwards."""

import importlib

import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.state import ProjectState

from clevertap_sync.models import Alert, Attempt, Incident, Integration
from referrals import hashing
from tests.builders import NOON, an_integration

pytestmark = pytest.mark.django_db

HOLD_CAUSE = "clevertap_sync.migrations.0008_hold_cause"
CAUSES = "clevertap_sync.migrations.0009_alerts_by_findings"
HASH_KEYS = "referrals.migrations.0007_hash_keys"
FEWER_DOUBTS = "clevertap_sync.migrations.0016_fewer_doubts"
REQUEST_IDS = "referrals.migrations.0008_request_ids_and_expiry"
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


def an_incident(rule, subject, **changes):
    """Write an incident as it was when rules were no codes of findings."""
    alert = Alert.objects.get_or_create(name="A")[0]
    return Incident.objects.create(
        alert=alert, rule=rule, subject=subject, started_at=NOON, **changes
    )


def rules():
    rows = Incident.objects.filter(ended_at=None).order_by("pk")
    return list(rows.values_list("rule", flat=True))


@pytest.mark.parametrize(
    ("rule", "integration", "code"),
    [
        ("held", {"hold_reason": "credentials_refused"}, "credentials_refused"),
        ("held", {"hold_reason": "no_answer"}, "held"),
        ("held", {}, "held"),
        ("lag", {}, "late"),
        ("lag", {"hold_reason": "wrong_address"}, "wrong_address"),
        ("passcode", {"passcode_expires_on": "2020-01-01"}, "passcode_expired"),
        ("passcode", {"passcode_expires_on": "2999-01-01"}, "passcode_expires"),
        ("dead_letters", {}, "dead_letters"),
    ],
)
def test_an_open_incident_goes_on_under_the_code_of_its_finding(
    rule, integration, code
):
    about = an_integration(held_since=NOON, **integration)
    an_incident(rule, f"integration:{about.pk}")
    over = an_incident(rule, "integration:99999", ended_at=NOON)

    importlib.import_module(CAUSES).name_causes(apps, None)

    assert rules() == [code]
    over.refresh_from_db()
    assert over.ended_at == NOON


def test_a_hold_and_the_wait_for_it_go_on_as_one():
    about = an_integration(hold_reason="credentials_refused", held_since=NOON)
    for rule in ("lag", "held"):
        an_incident(rule, f"integration:{about.pk}")
    an_incident("new_name", f"app:{about.app_id}")
    Alert.objects.update(lag_minutes=1)

    importlib.import_module(CAUSES).name_causes(apps, None)

    assert rules() == ["credentials_refused", "new_name"]
    assert Alert.objects.get().lag_minutes == 2


def test_every_hash_stays_what_it_was_before_its_key_was_a_row():
    importlib.import_module(HASH_KEYS).store_keys(apps, None)
    hashing.clear_keys()

    assert hashing.make_identity_hasher(7)("email", "ann@example.com") == (
        "b4725f013bb33e05d3eeecf2dfce8867"
    )
    assert hashing.make_signal_hasher(7)("203.0.113.7") == (
        "8cf9c86ba33fbeb78f7d06aef5cc44dc"
    )
    assert hashing.make_fingerprinter(7)(b"{}") == "6bcf25650f0e258951475250d9e19021"


@pytest.mark.parametrize(
    ("outcome", "detail", "cause"),
    [
        ("gateway_error", "", "gateway"),
        ("malformed_response", "it is too long", "unreadable"),
        ("no_answer", "The worker ended before the answer came.", "worker_killed"),
        ("no_answer", "timed out after 60 s", "deadline"),
        (
            "no_answer",
            "stopped, because this worker is shutting down",
            "worker_stopped",
        ),
        ("no_answer", "the connection was reset", "connection_cut"),
    ],
)
def test_an_older_unknown_outcome_has_the_cause_that_its_text_tells(
    outcome, detail, cause
):
    attempt = Attempt.objects.create(
        integration=an_integration(),
        began_at=NOON,
        outcome=outcome,
        detail=detail,
        outcome_unknown=True,
    )

    importlib.import_module(FEWER_DOUBTS).name_causes(apps, None)

    attempt.refresh_from_db()
    assert attempt.unknown_cause == cause


def test_a_column_is_added_to_the_log_without_a_copy_of_it():
    log = importlib.import_module(REQUEST_IDS).Migration.operations[1]
    state = ProjectState.from_apps(apps)

    # Not entered: SQLite's does not begin within a test's transaction.
    editor = connection.schema_editor(collect_sql=True)
    editor.deferred_sql = []

    log.database_forwards("referrals", editor, state, state)

    (statement,) = editor.collected_sql
    assert statement.startswith(
        'ALTER TABLE "referrals_referralevent" ADD COLUMN "request_id" '
    )
    assert "DEFAULT '' NOT NULL" in statement
