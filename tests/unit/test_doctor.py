"""What the doctor says of facts: each check's state, sentence and remedy."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from django.core.checks import Error, Info, Warning as CheckWarning

from clevertap_sync.insight.findings import Link
from clevertap_sync.models import Account, Integration
from clevertap_sync.process.worker_presence import WorkerSilence
from integration_project.doctor import broker, keys, processes, report, settings
from integration_project.doctor.backup import judge_cursors
from integration_project.doctor.broker import BrokerFacts
from integration_project.doctor.check import Area, Check, State
from integration_project.doctor.examination import Examination
from integration_project.doctor.spool import judge_spool
from integration_project.environment import ChangedVariable
from referrals.hooks.spool import SpoolState
from referrals.models import App

MEGABYTE = 1_000_000
AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def an_integration(pk):
    """Return one without a row, whose cursor is 10."""
    account = Account(location="eu1", account_id="ABC-123")
    return Integration(pk=pk, cursor=10, app=App(name="Shop"), account=account)


def codes(checks):
    return {check.code: check.state for check in checks}


class TestBroker:
    def test_one_that_has_room_is_well(self):
        facts = BrokerFacts.from_info(
            0.0012,
            {
                "redis_version": "7.2.4",
                "valkey_version": "9.1.2",
                "used_memory": 2 * MEGABYTE,
                "maxmemory": 25 * MEGABYTE,
                "maxmemory_policy": "noeviction",
                "connected_clients": 12,
                "maxclients": 20,
                "aof_enabled": 1,
            },
            0,
        )

        checks = list(broker.judge_broker(facts))

        assert [(check.state, check.sentence) for check in checks] == [
            (State.OK, "Valkey 9.1.2 answers within 1.2 ms."),
            (State.OK, "It holds 2.0 of 25.0 MB."),
            (State.OK, "12 of 20 connections are in use."),
            (State.OK, "It keeps what it has on disk (appendonly)."),
            (State.OK, "0 messages in the workers' queue."),
        ]

    def test_of_one_that_tells_nothing_only_that_it_answers_is_said(self):
        facts = BrokerFacts.from_info(0.1, {"used_memory": "many"}, None)

        assert codes(broker.judge_broker(facts)) == {"broker_answers": State.OK}

    @pytest.mark.parametrize(
        ("changes", "code", "state"),
        [
            ({"used_bytes": 21 * MEGABYTE}, "broker_full_soon", State.WARNING),
            ({"policy": "allkeys-lru"}, "broker_evicts", State.WARNING),
            ({"most_bytes": 0, "policy": "allkeys-lru"}, "broker_memory", State.OK),
            ({"clients": 17}, "broker_connections_short", State.WARNING),
            ({"clients": 16}, "broker_connections", State.OK),
            ({"keeps_on_disk": False}, "broker_forgets", State.INFO),
            ({"messages": 1001}, "queue_long", State.WARNING),
            ({"messages": 1000}, "queue", State.OK),
        ],
        ids=str,
    )
    def test_what_is_short_is_told(self, changes, code, state):
        plenty = {
            "used_bytes": MEGABYTE,
            "most_bytes": 25 * MEGABYTE,
            "policy": "noeviction",
            "clients": 1,
            "most_clients": 20,
            "keeps_on_disk": True,
            "messages": 0,
        }
        facts = BrokerFacts(seconds=0.001, **{**plenty, **changes})

        assert codes(broker.judge_broker(facts))[code] is state

    @pytest.mark.parametrize(
        ("state_of_spool", "code", "state"),
        [
            (SpoolState(0, 0, 0), "spool_empty", State.OK),
            (SpoolState(3, 0, 3_300), "spool_waiting", State.INFO),
            (SpoolState(3, 1, 4_400), "spool_aside", State.WARNING),
            (SpoolState(9, 1, 13 * MEGABYTE), "spool_full_soon", State.ERROR),
        ],
        ids=["empty", "waiting", "aside", "full"],
    )
    def test_the_spool_is_judged_by_what_can_be_lost(self, state_of_spool, code, state):
        check = judge_spool(state_of_spool, 16 * MEGABYTE)

        assert (check.code, check.state) == (code, state)
        assert check.values["size_bytes"] == state_of_spool.size


class TestProcesses:
    @pytest.mark.parametrize(
        ("silence", "code", "begins"),
        [
            (None, "no_worker", "No worker has ever been seen: "),
            (
                WorkerSilence(600.0, 5.0),
                "no_worker",
                "No worker has been seen for 10 min: ",
            ),
            (
                WorkerSilence(3.0, 5.0),
                "workers",
                "2 workers at work; the last sweep was 3 s ago.",
            ),
        ],
        ids=["never", "gone", "there"],
    )
    def test_workers_are_judged_as_the_finding_does(self, silence, code, begins):
        check = processes.judge_workers(2, silence)

        assert check.code == code
        assert check.sentence.startswith(begins)
        assert check.state is (State.OK if code == "workers" else State.ERROR)


class TestKeys:
    @pytest.mark.parametrize(
        ("uses", "number", "code", "state"),
        [
            ({0: 7}, 1, "keys", State.OK),
            ({0: 7}, 2, "keys_unneeded", State.INFO),
            ({0: 5, 1: 2}, 2, "older_keys_needed", State.INFO),
        ],
        ids=["one", "unneeded", "needed"],
    )
    def test_a_list_of_keys_is_judged_by_what_each_decrypts(
        self, uses, number, code, state
    ):
        check = keys.judge_list(Counter(uses), number)

        assert (check.code, check.state) == (code, state)
        assert check.values["secrets"] == 7


class TestSettings:
    def test_numbers_are_told_and_texts_are_not(self):
        check = settings.describe_changed(
            [
                ChangedVariable("SWEEP_SECONDS", "0.5", "5"),
                ChangedVariable("DATABASE_URL"),
            ]
        )

        assert check.state is State.INFO
        assert check.sentence == (
            "Set otherwise than by default: DATABASE_URL (set), SWEEP_SECONDS 0.5 "
            "(default 5)."
        )
        assert check.values == {"DATABASE_URL": "set", "SWEEP_SECONDS": "0.5"}

    def test_without_any_all_is_well(self):
        assert settings.describe_changed([]).state is State.OK

    def test_a_name_that_nothing_reads_and_is_nearly_ours_is_named(self):
        known = frozenset({"WORKER_THREADS", "ALLOWED_HOSTS", "PORT", "EMAIL_URL"})
        names = ["WORKER_THREAD", "ALLOWED_HOSTS", "PATH", "HOME", "EMAIL_ULR"]

        found = list(settings.find_misspelt(names, known))

        assert [check.values for check in found] == [
            {"name": "EMAIL_ULR", "meant": "EMAIL_URL"},
            {"name": "WORKER_THREAD", "meant": "WORKER_THREADS"},
        ]

    def test_system_checks_keep_their_words_and_those_about_https_become_one(self):
        found = list(
            settings.report_messages(
                [
                    CheckWarning("HSTS is off.", id="security.W004"),
                    CheckWarning("No redirect.", id="security.W008"),
                    CheckWarning("Silenced.", id="security.W005"),
                    Error("It is\nwrong.", hint="Mend it.", id="our.E001"),
                    Info("By the way."),
                ]
            )
        )

        assert [(each.code, each.state) for each in found] == [
            ("https_off", State.WARNING),
            ("our.E001", State.ERROR),
            ("system_check", State.INFO),
        ]
        assert (found[1].sentence, found[1].remedy) == ("It is wrong.", "Mend it.")

    def test_where_they_have_nothing_to_say_that_is_said(self):
        assert codes(settings.report_messages([])) == {"system_checks": State.OK}


class TestBackup:
    def test_an_integration_behind_what_workers_remember_is_told(self):
        one, other = (an_integration(pk) for pk in (1, 2))

        found = list(judge_cursors([one, other], [10, 12]))

        assert [(each.code, each.values["cursor"]) for each in found] == [
            ("behind_memory", 10)
        ]
        assert found[0].link.arguments == (2,)

    def test_where_none_is_how_many_are_remembered_is_told(self):
        (found,) = judge_cursors([an_integration(1)], [0])

        assert (found.code, found.state) == ("restore_noticed", State.OK)
        assert found.sentence == (
            "No enabled integration is behind what workers remember: the cursors of 0 of 1."
        )
        assert found.values == {"remembered": 0, "integrations": 1}

    def test_where_nothing_is_enabled_nothing_can_be_behind(self):
        (found,) = judge_cursors([], [])

        assert found.sentence == (
            "No integration is enabled, so that none can be behind what workers remember."
        )


class TestReport:
    WELL = Check(area=Area.KEYS, code="keys", state=State.OK, sentence="All is well.")
    SICK = Check(
        area=Area.BROKER,
        code="broker_away",
        state=State.WARNING,
        sentence="It is away.",
        remedy="Start it.",
        link=Link("See", "ingest"),
        values={"error": "TimeoutError"},
    )
    UNKNOWN = Check(
        area=Area.KEYS, code="not_examined", state=State.UNKNOWN, sentence="Who knows?"
    )

    def test_it_says_what_is_well_and_what_to_do_about_the_rest(self):
        lines = [
            text
            for _, text in report.write_lines(Examination(AT, (self.SICK, self.WELL)))
        ]

        assert lines == [
            "Broker",
            "  warning  It is away.",
            "           → Start it.",
            "             /admin/ingest/",
            "",
            "Keys",
            "  ok       All is well.",
            "",
            "23 Nov 2026, 12:00:00 UTC: 1 warning, 1 well. Look at: Broker.",
        ]

    def test_as_json_each_check_has_its_numbers_and_the_address_of_its_fix(self):
        shown = report.render_json(Examination(AT, (self.SICK,)))

        assert shown == {
            "at": AT,
            "state": "warning",
            "checks": [
                {
                    "area": "broker",
                    "code": "broker_away",
                    "state": "warning",
                    "sentence": "It is away.",
                    "remedy": "Start it.",
                    "url": "/admin/ingest/",
                    "values": {"error": "TimeoutError"},
                }
            ],
        }

    @pytest.mark.parametrize(
        ("checks", "state", "is_well"),
        [
            ((), State.OK, True),
            ((WELL, SICK), State.WARNING, True),
            ((SICK, UNKNOWN, WELL), State.UNKNOWN, False),
        ],
        ids=["nothing", "warning", "unknown"],
    )
    def test_a_warning_is_no_failure_and_what_is_unknown_is(
        self, checks, state, is_well
    ):
        examination = Examination(AT, checks)

        assert (examination.state, examination.is_well) == (state, is_well)

    def test_every_area_has_a_title(self):
        assert set(report.TITLES) == set(Area)
