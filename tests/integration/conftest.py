"""What these tests do once rather than each time, and what SQLite need not show again."""

import functools
from io import BytesIO
from pathlib import Path

import pytest
from django.core.handlers.base import BaseHandler
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import TransactionTestCase
from django.test.client import ClientHandler
from whitenoise.middleware import (  # type: ignore[import-untyped] # it has none
    WhiteNoiseMiddleware,
)

from clevertap_sync.admin.erasures import erasure_admin
from clevertap_sync.alerting import notifiers
from clevertap_sync.clevertap import (
    account_fault_search,
    connection_check as clevertap,
    profile_lookup,
)
from clevertap_sync.delivery.erasure import erasure_orders
from clevertap_sync.delivery.upkeep import pace, retention, tallies
from clevertap_sync.insight import match_rate, user_check
from clevertap_sync.process import slots
from clevertap_sync.sandbox import Sandbox
from integration_project.api_entry import ApiEntry
from integration_project.web.responses import WebAnswer
from referrals import failpoints
from referrals.api.edge import EVENTS_PATH
from tests.harness import postgres
from tests.harness.environment import test_database as database_kind
from tests.harness.process import PATIENCE_SECONDS
from tests.harness.valkey import Valkey

HERE = Path(__file__).parent
#: Written when the database is made, and never by a test.
KEPT = frozenset({"auth_permission", "django_content_type", "django_migrations"})
#: What cannot differ on SQLite: pages, forms, refusals, commands and messages, which ask
#: the database by the ORM alone for what other tests here ask on both, and what asks no
#: database or brings its own. The log, claims and verdicts, retention, erasure, tallies,
#: books, paged and exported lists, figures, health, metrics and migrations run on both,
#: as does whatever commits (`transaction=True`): it is about locks. So does, of a file
#: that is named here, what is marked `both_databases`.
_SAME_SUBJECTS = {
    "admin/": """
        alerts app_form checking erasing history ingest integration_form keys_and_apps
        lifecycle login names_and_kinds page_costs pages people_page preview replay_range
        roles safety seen sending session_end set_up site source_mapping sources
        waits_on_pages
    """,
    "alerting/": """
        failing heartbeats muting sending signature watch
    """,
    "delivery/": """
        bisect canary forget_command hold_cause holds platform_samples replay_command
        restored_backup unknown_outcomes
    """,
    "reconciliation/": """
        planted_causes silent_cases whole_way
    """,
    "reconciliation/comparing/": """
        comparison reconcile_command
    """,
    "hooks/": """
        documented_commands hook_document hook_edge hook_hostile hook_turns segment
        segment_destination send_sample source_findings
    """,
    "": """
        api_dry_run api_edge api_hostile api_pages api_shortcut broker check_clevertap
        code_samples database_pool demo error_pages findings_elsewhere harness
        import_exports keys_of_secrets provision provision_file provision_source
        request_log security_headers
    """,
}
THE_SAME_ON_SQLITE = frozenset(
    f"{folder}test_{subject}.py"
    for folder, subjects in _SAME_SUBJECTS.items()
    for subject in subjects.split()
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Leave to PostgreSQL what SQLite cannot do otherwise, and the thorough tests, too.

    Which database it is and what else makes a test thorough do not meet. Who names the
    tests still gets all of them.
    """
    if database_kind() != "sqlite":
        return
    for item in items:
        if HERE in item.path.parents and _is_seen_on_postgresql(item):
            item.add_marker(pytest.mark.thorough)
            item.add_marker(pytest.mark.exhaustive)


def _is_seen_on_postgresql(item):
    return _is_the_same_on_sqlite(item) or any(item.iter_markers("thorough"))


def _is_the_same_on_sqlite(item):
    marker = item.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction", False)
    is_exempt = commits or item.get_closest_marker("both_databases")
    name = item.path.relative_to(HERE).as_posix()
    return name in THE_SAME_ON_SQLITE and not is_exempt


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings):
    """Let nobody lose patience with the database: it waits for whatever else runs here.

    A server of our own is asked through its socket in the file system: quicker than TCP.
    """
    settings = connections["default"].settings_dict
    options = settings["OPTIONS"]
    if database_kind() == "sqlite":
        options["timeout"] = PATIENCE_SECONDS
        return
    options["options"] = f"-c lock_timeout={PATIENCE_SECONDS:.0f}s"
    if folder := postgres.find_socket_folder():
        settings["HOST"] = str(folder)


@pytest.fixture
def sandbox(settings):
    """A running sandbox that every integration delivers to."""
    with Sandbox() as running:
        settings.CLEVERTAP_BASE_URL = running.template
        yield running


@pytest.fixture(scope="module")
def valkey():
    """A running broker for the tests of a module."""
    valkey = Valkey()
    yield valkey
    valkey.stop()


@pytest.fixture(autouse=True)
def _nothing_of_other_tests():
    """Free the threads that claims of other tests took, and forget the faults they ordered."""
    slots.clear_slots()
    yield
    failpoints.arm_failpoints([])
    slots.clear_slots()


@pytest.fixture(autouse=True)
def _nothing_is_late(settings, monkeypatch):
    """Give minutes to what has seconds. A test of a deadline sets its own."""
    settings.REQUEST_SECONDS = PATIENCE_SECONDS
    settings.LEASE_SECONDS = 3 * PATIENCE_SECONDS
    settings.EMAIL_TIMEOUT = PATIENCE_SECONDS
    monkeypatch.setattr(notifiers, "SECONDS", PATIENCE_SECONDS)
    monkeypatch.setattr(erasure_admin, "DELETION_SECONDS", PATIENCE_SECONDS)
    for module in (profile_lookup, match_rate, user_check):
        monkeypatch.setattr(module, "LOOK_UP_SECONDS", PATIENCE_SECONDS)
    # Nobody waits for upkeep here, so that it needs no rests.
    monkeypatch.setattr(pace, "find_rest", lambda *_: 0.0)
    for work in (
        *(
            clevertap.check_credentials,
            clevertap.check_credentials_everywhere,
            erasure_orders.advance_erasure,
            erasure_orders.advance_all_erasures,
        ),
        *(
            retention.carry_out_retention,
            account_fault_search.find_account_fault,
            tallies.add_up_tallies,
        ),
    ):
        monkeypatch.setitem(work.__kwdefaults__, "seconds", PATIENCE_SECONDS)


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_found_once():
    """Let every test's client have the static files that the first one has found."""
    find, found = WhiteNoiseMiddleware.add_files_from_finders, {}

    def find_once(middleware):
        if not found:
            find(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", find_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def _calls_of_the_api_enter_as_in_production():
    """Let the test client hand calls of the API to what the web process serves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientHandler, "get_response", _answer_by_production)
        yield


def _answer_by_production(handler, request):
    if not hasattr(handler, "api"):
        # Each client has middleware of its own, as Django gives it.
        handler.api = ApiEntry(lambda *_: ())
    if request.method == "POST" and request.path_info == EVENTS_PATH:
        request.environ["wsgi.input"] = BytesIO(request.environ["wsgi.input"].read())
        (found,) = handler.api.answer_together([request.environ])
        if isinstance(found, WebAnswer):
            headers = {name.decode(): value.decode() for name, value in found.headers}
            return HttpResponse(found.body, status=found.status, headers=headers)
    begun = []
    parts = handler.api(request.environ, lambda *head: begun.extend(head))
    if not begun:
        # It is left to Django.
        return BaseHandler.get_response(handler, request)
    status, headers = begun
    number, _, reason = status.partition(" ")
    return HttpResponse(
        b"".join(parts), status=int(number), reason=reason, headers=dict(headers)
    )


@pytest.fixture(scope="session", autouse=True)
def _only_tables_with_rows_are_emptied():
    """Clear after a test that committed what it wrote, and leave the rest as it is.

    Django's way truncates every table, and makes every permission again.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _: _empty())
        yield


def _empty():
    connection = connections["default"]
    tables = [connection.ops.quote_name(name) for name in _list_tables()]
    with transaction.atomic(), connection.cursor() as cursor:
        has_rows = (f"EXISTS (SELECT 1 FROM {name})" for name in tables)
        cursor.execute(f"SELECT {', '.join(has_rows)}")
        for table, filled in zip(tables, cursor.fetchone(), strict=True):
            if filled:
                # Foreign keys are checked at the end of the transaction.
                cursor.execute(f"DELETE FROM {table}")


@functools.cache
def _list_tables():
    """Return the names of the tables that tests write; they are asked for once."""
    names = connections["default"].introspection.django_table_names(only_existing=True)
    return sorted(set(names) - KEPT)
