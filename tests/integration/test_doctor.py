"""`manage.py doctor` and the page Machinery, beside a database that is well, sick or away."""

import json
import socket
import threading
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
import redis
from django.core.management import call_command
from django.db import connection, transaction

from clevertap_sync.clevertap.hold_reasons import RESTORED_BACKUP
from clevertap_sync.delivery import lifecycle
from clevertap_sync.insight.findings.installation import KINDS
from clevertap_sync.models import (
    Alert,
    AlertMedium,
    Mute,
    Notice,
    ProcessSeen,
    WorkerSeen,
)
from clevertap_sync.process import clock, doorbell, worker_presence
from clevertap_sync.worker.restored_backup import compare_cursors
from integration_project.doctor import examination
from integration_project.doctor.check import Area, State
from integration_project.doctor.examination import examine
from integration_project.doctor.reporting import AREAS
from referrals import history
from referrals.keys import create_key
from referrals.secret import Secret
from tests.builders import a_source, an_api_key, an_app, an_integration
from tests.harness.process import free_port
from tests.harness.valkey import Valkey
from tests.integration.admin.conftest import admin, staff, text_of  # noqa: F401 - fixtures

PASSCODE = "canary-passcode"


@pytest.fixture
def shop(db):
    """An installation that is well: an app, a key, an integration, and who does the work."""
    app = an_app("shop", name="Shop")
    an_api_key(app)
    worker_presence.record_presence("host:1")
    a_process("host:1", ProcessSeen.Kind.WORKER)
    a_process("host:2", ProcessSeen.Kind.WEB)
    return an_integration(app, passcode=Secret(PASSCODE))


def a_process(name, kind, **changes):
    now = clock.read_now()
    row = {
        "release": "v1",
        "started_at": now,
        "seen_at": now,
        "clock_offset_seconds": 0.0,
        "resident_bytes": 80_000_000,
        "cpu_seconds": 12.0,
        "threads": 9,
        "open_files": 30,
    }
    return ProcessSeen.objects.create(name=name, kind=kind, **{**row, **changes})


def found(area, code):
    """Return the checks of one code, as a fresh examination finds them."""
    return [
        check for check in examine().checks if (check.area, check.code) == (area, code)
    ]


def states(area):
    return {check.code: check.state for check in examine().checks if check.area is area}


@pytest.mark.usefixtures("shop")
def test_a_sound_installation_is_well_in_every_area(capsys):
    # The server of these tests is one that a crash may damage, and the doctor says so.
    with suppress(SystemExit):
        call_command("doctor", "--json")

    shown = json.loads(capsys.readouterr().out)
    by_area = {}
    for check in shown["checks"]:
        by_area.setdefault(check["area"], []).append(check)
    assert list(by_area) == [area.value for area in Area if area.value in by_area]
    for area in (*("broker", "processes", "keys"), *("alerts", "backup", "delivery")):
        assert {check["state"] for check in by_area[area]} <= {"ok", "info"}, area
    (delivery,) = by_area["delivery"]
    assert delivery["sentence"] == (
        "Shop → DEM-EU1-0001 (Europe): 0 records delivered, nothing waits in the log, and "
        "the books balance."
    )


def test_a_name_gives_the_terminal_no_orders(shop, capsys):
    shop.app.name = "Shop\x1b]0;owned\x07\x9b2J\r\N{RIGHT-TO-LEFT OVERRIDE}"
    shop.app.save()

    with suppress(SystemExit):
        call_command("doctor", no_color=True)

    printed = capsys.readouterr().out
    assert "Shop" in printed
    assert printed.replace("\n", "").isprintable()


def test_a_key_that_lets_no_backend_in_is_not_counted_among_those_that_do(shop):
    tracking = a_source(shop.app, platform="segment")
    create_key(shop.app, tracking_source=tracking)
    an_api_key(an_app("old", archived_at=clock.read_now()))

    (check,) = [each for each in examine().checks if each.code == "api_keys"]
    assert check.values == {"working": 1}


@pytest.mark.usefixtures("shop")
def test_what_is_an_error_ends_with_1_and_says_what_to_do(capsys):
    WorkerSeen.objects.all().delete()

    with pytest.raises(SystemExit) as end:
        call_command("doctor")

    assert end.value.code == 1
    told = capsys.readouterr().out
    assert "  error    No worker has ever been seen: " in told
    assert "→ Start a worker: the line worker of the Procfile." in told


@pytest.mark.usefixtures("shop")
def test_a_missing_table_is_told_as_migrations_to_apply(monkeypatch):
    def ask():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM nothing_like_that")
        yield

    monkeypatch.setitem(examination._AREAS, Area.KEYS, ask)

    (check,) = [each for each in examine().checks if each.code == "not_examined"]

    assert check.sentence.startswith(
        "This could not be looked at: the database lacks a table or a column ("
    )
    assert check.remedy == "Apply the migrations: run `python manage.py migrate`."


@pytest.mark.usefixtures("shop")
def test_an_area_that_fails_is_told_by_its_type_and_stops_no_other(monkeypatch):
    def fail():
        message = f"with {PASSCODE}"
        raise RuntimeError(message)
        yield

    monkeypatch.setitem(examination._AREAS, Area.KEYS, fail)

    (check,) = [each for each in examine().checks if each.area is Area.KEYS]

    assert (check.code, check.state) == ("not_examined", State.UNKNOWN)
    assert check.sentence == "This could not be looked at: it failed with RuntimeError."
    assert states(Area.DELIVERY)["balanced"] is State.OK


def test_without_the_database_broker_and_settings_are_still_looked_at(monkeypatch):
    def away():
        return "OperationalError"

    monkeypatch.setattr(examination, "_find_database_fault", away)

    found = examine()

    assert found.checks[0].code == "database_away"
    assert found.checks[0].values == {"error": "OperationalError"}
    unseen = {each.area for each in found.checks if each.state is State.UNKNOWN}
    assert unseen == set(Area) - {Area.DATABASE, Area.BROKER, Area.SETTINGS}
    assert {"broker_unset", "settings_changed"} <= {each.code for each in found.checks}


@pytest.mark.parametrize(
    ("broker", "becomes"),
    [("", "is lost"), ("redis://127.0.0.1:1/0", "waits in the spool")],
)
def test_what_becomes_of_calls_is_said_as_it_is_while_the_database_is_away(
    settings, broker, becomes
):
    settings.REDIS_URL = broker

    told = examination._report_database_away("OperationalError").sentence

    assert told.endswith(f"; what platforms send only once {becomes}.")


def test_a_database_that_nobody_runs_is_away(django_db_blocker):
    settings = connection.settings_dict
    kept = dict(settings)
    connection.close()
    settings.update(NAME="/nonexistent/folder/db", HOST="/nonexistent/folder")
    try:
        with django_db_blocker.unblock():
            fault = examination._find_database_fault()
    finally:
        connection.close()
        settings.update(kept)

    assert fault in {"OperationalError", "OperationalError: SQLITE_CANTOPEN"}


@contextmanager
def silent_server():
    """Let one caller in who speaks PostgreSQL's protocol, answer no question, and yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def serve():
        caller, _ = listener.accept()
        with caller:
            # By its version, 3.0, a start-up message differs from one that asks for encryption.
            while caller.recv(4_096)[4:8] != b"\0\3\0\0":
                caller.sendall(b"N")
            caller.sendall(b"R\0\0\0\x08\0\0\0\0" + b"Z\0\0\0\x05I")
            is_over.wait()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with listener:
        yield listener.getsockname()[1]
        is_over.set()
        thread.join()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a file is never silent")
def test_a_database_that_takes_a_question_and_is_silent_is_away(
    django_db_blocker, monkeypatch
):
    monkeypatch.setattr(examination, "SILENCE_SECONDS", 0.5)
    settings = connection.settings_dict
    kept = dict(settings)
    connection.close()
    try:
        with django_db_blocker.unblock(), silent_server() as port:
            settings.update(HOST="127.0.0.1", PORT=port)
            fault = examination._find_database_fault()
    finally:
        connection.close()
        settings.update(kept)

    assert fault == "silent"


@pytest.mark.usefixtures("shop")
def test_a_broker_that_is_away_is_a_warning_and_names_no_address(settings):
    doorbell.open_broker.cache_clear()
    settings.REDIS_URL = f"redis://:{PASSCODE}@127.0.0.1:{free_port()}/0"
    try:
        found = examine()
    finally:
        doorbell.open_broker.cache_clear()

    told = {each.code: each for each in found.checks}
    assert told["broker_away"].state is State.WARNING
    assert told["broker_away"].values == {"error": "ConnectionError"}
    assert told["restore_unknown"].state is State.WARNING
    assert PASSCODE not in str(found)


class TestBroker:
    @pytest.fixture(autouse=True)
    def client(self, settings):
        valkey = Valkey()
        settings.REDIS_URL = valkey.url
        doorbell.open_broker.cache_clear()
        with redis.Redis.from_url(valkey.url) as client:
            yield client
        doorbell.open_broker().close()
        doorbell.open_broker.cache_clear()
        valkey.stop()

    def test_it_is_looked_into_and_what_a_restored_backup_is_told_by(
        self, client, shop
    ):
        shop.cursor = 9
        shop.save()
        compare_cursors()
        client.rpush("referrals", *(["x"] * 3))
        well = states(Area.BROKER)
        (queue,) = found(Area.BROKER, "queue")
        noticed = states(Area.BACKUP)
        shop.cursor = 4
        shop.save()

        (behind,) = found(Area.BACKUP, "behind_memory")
        client.set("referrals", "no list")

        assert well == {
            "broker_answers": State.OK,
            "broker_memory": State.OK,
            "broker_connections": State.OK,
            "broker_forgets": State.INFO,
            "queue": State.OK,
            "spool_empty": State.OK,
        }
        assert queue.values == {"messages": 3}
        assert noticed == {"restore_noticed": State.OK}
        assert behind.values == {"cursor": 4, "remembered": 9}
        assert "queue" not in states(Area.BROKER)


@pytest.mark.usefixtures("shop")
def test_a_secret_that_no_key_decrypts_is_named_and_not_shown(settings):
    settings.FIELD_ENCRYPTION_KEYS = ["another-key-" * 4]

    (check,) = found(Area.KEYS, "secret_unreadable")

    assert check.state is State.ERROR
    assert "passcode of Shop → " in check.sentence
    assert PASSCODE not in str(examine())


@pytest.mark.usefixtures("shop")
class TestAlerts:
    def test_none_is_worth_knowing(self):
        assert states(Area.ALERTS) == {"no_alert": State.INFO}

    def test_what_cannot_leave_is_told(self, settings):
        settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
        now = clock.read_now()
        alert = Alert.objects.create(
            name="On call",
            way=AlertMedium.EMAIL,
            heartbeat_problem="The receiver answered 404",
        )
        Mute.objects.create(alert=alert, until=now + timedelta(hours=1), by="ann")
        late = {"content": {}, "moment": "test", "created_at": now, "alert": alert}
        Notice.objects.create(
            key="00000000-0000-4000-8000-000000000001",
            due_at=now - timedelta(minutes=6),
            **late,
        )
        Notice.objects.create(
            key="00000000-0000-4000-8000-000000000002",
            due_at=now,
            state=Notice.State.FAILED,
            problem="The receiver answered 404",
            **late,
        )

        assert states(Area.ALERTS) == {
            "alert_failing": State.ERROR,
            "mail_unset": State.ERROR,
            "notices_late": State.ERROR,
            "heartbeat_failing": State.WARNING,
            "alert_muted": State.INFO,
            "alerts": State.OK,
        }


def test_what_a_restored_backup_did_is_told_with_what_people_did_since(shop):
    lifecycle.pause_restored_backup(shop.pk, reached=9)
    (paused,) = found(Area.BACKUP, "restored")
    (finding,) = found(Area.BACKUP, RESTORED_BACKUP)
    lifecycle.enable_integration(shop, start="now")
    history.record_change("ann", shop, "Enabled from now.", app=shop.app)

    (since,) = found(Area.BACKUP, "restored")

    assert " was paused once because the database was an older one" in paused.sentence
    assert paused.sentence.endswith("Nobody has decided yet how it goes on.")
    assert finding.state is State.ERROR
    assert since.sentence.endswith("Since then: Enabled from now. (by ann)")


@pytest.mark.usefixtures("shop")
class TestProcesses:
    def test_releases_side_by_side_are_told_and_what_each_process_takes(self):
        a_process("host:3", ProcessSeen.Kind.WEB, release="v2")
        a_process(
            "host:4",
            ProcessSeen.Kind.WEB,
            seen_at=clock.read_now() - timedelta(hours=1),
        )

        (differ,) = found(Area.PROCESSES, "releases_differ")
        (web,) = found(Area.PROCESSES, "web_processes")
        (silent,) = found(Area.PROCESSES, "processes_silent")

        assert differ.sentence == "Processes of 2 releases are at work: v1, v2."
        assert web.values == {"web_processes": 2}
        assert "1 process fell silent within the last day: host:4." in silent.sentence
        assert found(Area.PROCESSES, "process")[0].sentence == (
            "Web process host:2: 80 MB, 9 threads, 30 open files, 12 s of CPU time, "
            "release v1."
        )

    def test_without_a_web_process_nothing_comes_in(self):
        ProcessSeen.objects.filter(kind=ProcessSeen.Kind.WEB).delete()

        (check,) = found(Area.PROCESSES, "no_web_process")

        assert check.state is State.WARNING


def test_what_all_integrations_are_told_alike_is_said_once(shop):
    for slug in ("second", "third"):
        an_integration(an_app(slug), passcode=Secret(PASSCODE))
    WorkerSeen.objects.all().delete()

    said = [each for each in examine().checks if each.code == "no_worker"]

    assert [each.area for each in said] == [Area.PROCESSES, Area.DELIVERY]


def test_every_finding_of_the_installation_has_its_area():
    assert {kind.code for kind in KINDS} <= set(AREAS)


@pytest.mark.usefixtures("shop")
class TestPage:
    def test_a_superuser_sees_what_the_command_says(self, admin):
        page = text_of(admin.get("/admin/machinery/"))

        for check in examine().checks:
            if check.area is Area.MIGRATIONS:
                assert check.sentence in page
        assert 'aria-labelledby="area-delivery"' in page
        assert '<a href="#area-settings">Settings</a>' in page
        assert PASSCODE not in page

    def test_nobody_else_may(self, staff):
        person = staff("clevertap_sync.view_integration", "referrals.view_identities")

        assert person.get("/admin/machinery/").status_code == 403
        assert "/admin/machinery/" not in text_of(person.get("/admin/"))

    def test_the_overview_leads_there(self, admin):
        page = text_of(admin.get("/admin/"))

        assert '<a class="button quiet" href="/admin/machinery/">' in page
