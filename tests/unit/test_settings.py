"""The settings come from the environment alone, and say what is wrong with it."""

from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from integration_project.addresses import check_host_name, check_origin
from integration_project.broker import (
    make_celery_tls,
    make_redis_options,
    make_transport_options,
)
from integration_project.databases import read_database_url
from integration_project.environment import (
    ChangedVariable,
    Environment,
    UnusableError,
    needs_no_secret,
)
from integration_project.mail import read_mail_url
from tests.harness import commands
from tests.unit import warm
from tests.unit.fresh_settings import refusal_of, settings_of

MAKE_ONE = (
    "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(50))' and "
    "keep it. (To develop on this machine, set DEBUG=true instead.)"
)
REFUSALS = {
    "SECRET_KEY": f"SECRET_KEY is not set. It signs the admin's sessions. {MAKE_ONE}",
    "FIELD_ENCRYPTION_KEYS": "FIELD_ENCRYPTION_KEYS is not set. It encrypts the passcodes, "
    f"and the keys of hashes of people and devices. {MAKE_ONE}",
    "ALLOWED_HOSTS": "ALLOWED_HOSTS is not set. It lists the host names that this server "
    "answers to, with commas between. Set it to your domain, such as "
    "referrals.example.com.",
}
BEGINNINGS = ("postgresql://", "postgres://", "sqlite://")
ENCODED = (
    "in a user or a password, : / ? # @ [ and ] are written %3A %2F %3F %23 %40 %5B and "
    "%5D"
)
SECOND_QUERY = (
    "it has a second ?: the parts of a query have & between them, and a question mark is "
    "written %3F"
)
JUNK = f"is not a number from 1 to 65535; {ENCODED}"
PERCENT = (
    "it has a % without two hexadecimal digits behind it; a percent sign is written %25"
)
# Not by `manage.py` itself, which has secrets once this checkout was run.
BARE = """
import sys
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


def refusal(*problems):
    lines = "".join(f"  - {problem}\n" for problem in problems)
    return (
        "This does not start, because its environment is incomplete or wrong:\n"
        f"{lines}"
        "Every variable is described in docs/reference/environment.md.\n"
    )


SOUND = {"SECRET_KEY": "s" * 50, "ALLOWED_HOSTS": "127.0.0.1"}


def settings_with(**variables):
    """Return with what a process ends that has these secrets, else sound ones."""
    return refusal_of(**{**SOUND, "FIELD_ENCRYPTION_KEYS": "k" * 50, **variables})


class TestRefusal:
    def test_production_names_everything_that_is_missing_and_does_not_start(
        self, tmp_path
    ):
        settings = {"DJANGO_SETTINGS_MODULE": "integration_project.settings"}
        done = warm.run_program(tmp_path, BARE, ["check"], settings)

        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr == refusal(*REFUSALS.values())

    def test_the_web_server_ends_with_the_sentence_and_starts_no_worker(self, tmp_path):
        done = warm.run(tmp_path, ["gunicorn"], commands.production(SECRET_KEY=""))

        assert done.returncode == 1
        assert done.stderr == refusal(REFUSALS["SECRET_KEY"])

    def test_the_worker_ends_with_the_sentence(self, tmp_path):
        variables = commands.production(FIELD_ENCRYPTION_KEYS=" , ")
        worker = ("celery", "-A", "integration_project", "worker")
        done = warm.run(tmp_path, worker, variables)

        assert done.returncode == 1
        assert done.stderr == refusal(REFUSALS["FIELD_ENCRYPTION_KEYS"])

    def test_every_wrong_value_is_named_at_once_and_none_is_repeated(self):
        canary = "hunter2"
        variables = commands.production(
            DEBUG=canary,
            DATABASE_URL=f"mysql://root:{canary}@db/referrals",
            EMAIL_URL=f"pigeon://{canary}",
            LOG_FORMAT=canary,
            PORT=canary,
            SWEEP_SECONDS=canary,
        )

        assert refusal_of(**variables) == refusal(
            "DEBUG has a value that cannot be used: give true or false.",
            "PORT has a value that cannot be used: give a whole number from 1 to 65535.",
            "DATABASE_URL cannot be used, because it does not begin with postgresql:// or "
            "postgres:// or sqlite://: give postgresql://user:password@host/name, or "
            "sqlite:////path/to/file.",
            "SWEEP_SECONDS has a value that cannot be used: give a number from 0.05 to "
            "300.",
            "EMAIL_URL cannot be used, because it does not begin with smtp:// or smtps:// "
            "or smtp+tls:// or smtp+ssl:// or consolemail:// or filemail:// or "
            "memorymail:// or dummymail://: give smtp+tls://user:password@host:587, or "
            "leave it out.",
            "LOG_FORMAT has a value that cannot be used: give one of auto, json, "
            "terminal.",
        )

    def test_secrets_that_could_be_guessed_are_refused(self):
        short = settings_with(SECRET_KEY="x" * 19, METRICS_TOKEN="y" * 19)

        assert short == refusal(
            *(
                f"{name} is shorter than 20 characters, and could be guessed: choose a "
                "longer one, by chance."
                for name in ("SECRET_KEY", "METRICS_TOKEN")
            )
        )

    def test_a_key_that_encrypts_is_longer_than_a_secret_that_signs(self):
        short = settings_with(FIELD_ENCRYPTION_KEYS=f"{'k' * 31},{'o' * 50}")

        assert short == refusal(
            "the first of FIELD_ENCRYPTION_KEYS is shorter than 32 characters, and could "
            "be guessed: choose a longer one, by chance."
        )
        kept = settings_of(**SOUND, FIELD_ENCRYPTION_KEYS="k" * 32)
        assert kept["FIELD_ENCRYPTION_KEYS"] == ["k" * 32]

    def test_one_secret_for_two_things_is_refused(self):
        same = settings_with(
            SECRET_KEY="x" * 50, FIELD_ENCRYPTION_KEYS=f"{'x' * 50},old"
        )

        assert same == refusal(
            "SECRET_KEY and the first of FIELD_ENCRYPTION_KEYS are the same: who learns "
            "one, knows the other. Give each a value of its own."
        )

    def test_an_old_key_may_be_short(self):
        kept = settings_of(**SOUND, FIELD_ENCRYPTION_KEYS=f"{'k' * 50},old")

        assert kept["FIELD_ENCRYPTION_KEYS"] == ["k" * 50, "old"]

    def test_collecting_static_files_needs_no_secret(self, tmp_path):
        settings = {"DJANGO_SETTINGS_MODULE": "integration_project.settings"}
        command = ("collectstatic", "--no-input", "--dry-run")
        done = warm.run_program(tmp_path, BARE, command, settings)

        assert done.stderr == ""
        assert done.returncode == 0

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["manage.py", "collectstatic", "--no-input"], True),
            (["/usr/bin/mypy", "."], True),
            (["/lib/mypy/__main__.py"], True),
            (["manage.py", "migrate"], False),
            (["manage.py", "migrate", "collectstatic"], False),
            (["/usr/bin/gunicorn"], False),
            ([], False),
        ],
    )
    def test_only_what_signs_and_serves_nothing_does_without(self, arguments, expected):
        assert needs_no_secret(arguments) is expected


class TestDefaults:
    def test_debug_is_off_unless_it_is_switched_on(self):
        assert settings_of(**commands.production())["DEBUG"] is False
        assert settings_of(**commands.production(DEBUG=""))["DEBUG"] is False

    def test_development_needs_no_variable_at_all(self):
        settings = settings_of(DEBUG="true")

        assert settings["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "[::1]"]
        assert settings["SECRET_KEY"]
        assert len(settings["FIELD_ENCRYPTION_KEYS"]) == 1

    def test_https_is_demanded_only_behind_a_proxy_that_ends_it(self):
        demanded = {
            "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
            "SECURE_SSL_REDIRECT": True,
            "SECURE_REDIRECT_EXEMPT": ["^v1(/|$)", "^metrics$"],
            "SECURE_HSTS_SECONDS": 31_536_000,
            "SESSION_COOKIE_SECURE": True,
            "CSRF_COOKIE_SECURE": True,
        }

        plain = settings_of(**commands.production())
        behind = settings_of(**commands.production(SECURE_PROXY="1"))

        assert not demanded.keys() & plain.keys()
        assert {name: behind[name] for name in demanded} == demanded

    def test_without_a_broker_celery_is_given_none_to_reach(self):
        settings = settings_of(**commands.production())

        assert settings["CELERY_BROKER_URL"] == "memory://localhost/"
        assert settings["CELERY_BROKER_TRANSPORT_OPTIONS"] == {}


class TestEnvironment:
    def test_every_variable_that_is_read_is_documented_and_no_other(self, settings):
        page = Path(commands.ROOT, "docs/reference/environment.md").read_text("utf-8")
        documented = {
            row.split("`")[1] for row in page.splitlines() if row.startswith("| `")
        }
        web_server = {"WEB_CONCURRENCY", "WEB_THREADS"}
        of_libraries = {"NO_COLOR", "FORCE_COLOR"}

        assert documented == settings.ENV_NAMES | web_server | of_libraries

    @pytest.mark.parametrize("text", ["1", "true", "YES", " on "])
    def test_a_flag_is_on_in_each_spelling(self, text):
        assert Environment({"A": text}).flag("A") is True

    @pytest.mark.parametrize("text", ["0", "false", "NO", " off "])
    def test_a_flag_is_off_in_each_spelling_whatever_its_default(self, text):
        assert Environment({"A": text}).flag("A", default=True) is False

    @pytest.mark.parametrize("text", ["", "  "])
    def test_nothing_is_the_default(self, text):
        env = Environment({"A": text})

        assert env.flag("A", default=True) is True
        assert env.whole("A", 7, least=1, most=9) == 7
        assert env.seconds("A", 0.5, least=0, most=1) == 0.5
        assert env.words("A", ["x"]) == ["x"]
        assert env.choice("A", "b", among=("a", "b")) == "b"
        assert env.problems == []

    @pytest.mark.parametrize("text", ["0", "10", "1.5", "five", "nan", "inf"])
    def test_a_number_outside_its_limits_is_a_problem(self, text):
        env = Environment({"A": text})

        assert env.whole("A", 7, least=1, most=9) == 7
        assert env.problems == [
            "A has a value that cannot be used: give a whole number from 1 to 9."
        ]

    @pytest.mark.parametrize("text", ["nan", "inf", "-1", "1,5"])
    def test_a_duration_is_a_plain_number(self, text):
        env = Environment({"A": text})

        assert env.seconds("A", 0.5, least=0, most=1) == 0.5
        assert len(env.problems) == 1

    def test_what_differs_from_its_default_is_noted_and_no_text_with_it(self):
        env = Environment(
            {"A": "no", "B": "8", "C": "json", "D": "secret", "E": "5", "F": "x,y"}
        )

        env.flag("A", default=True)
        env.whole("B", 7, least=1, most=9)
        env.choice("C", "auto", among=("auto", "json"))
        env.text("D")
        env.seconds("E", 5.0, least=1, most=9)
        env.words("F")
        env.text("G", "default")

        assert list(env.changed.values()) == [
            ChangedVariable("A", "false", "true"),
            ChangedVariable("B", "8", "7"),
            ChangedVariable("C", "json", "auto"),
            ChangedVariable("D"),
            ChangedVariable("F"),
        ]

    def test_a_value_that_cannot_be_used_is_not_noted_as_one_in_force(self):
        env = Environment({"A": "secret", "B": "secret", "C": "secret"})

        env.flag("A")
        env.whole("B", 7, least=1, most=9)
        env.choice("C", "auto", among=("auto", "json"))

        assert env.changed == {}


class TestDatabase:
    def test_postgresql_is_reached_through_a_small_pool_with_short_waits(self):
        found = read_database_url("postgres://u:p%40@db.example.com:5433/d", pool=4)

        assert found["ENGINE"] == "integration_project.postgresql"
        assert (found["HOST"], found["PORT"], found["NAME"]) == (
            "db.example.com",
            "5433",
            "d",
        )
        assert (found["USER"], found["PASSWORD"]) == ("u", "p@")
        # The backend looks whether a connection lives, and asks nothing.
        assert "CONN_HEALTH_CHECKS" not in found
        assert found["OPTIONS"] == {
            "sslmode": "require",
            "connect_timeout": 3,
            "tcp_user_timeout": 10_000,
            "keepalives": 1,
            "keepalives_idle": 30,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "options": "-c lock_timeout=5s -c statement_timeout=15s "
            "-c idle_in_transaction_session_timeout=10s",
            "pool": {
                "min_size": 1,
                "max_size": 4,
                "timeout": 5.0,
                "max_lifetime": 1800.0,
                "max_idle": 300.0,
                "reconnect_timeout": 2.0,
                "num_workers": 1,
            },
            "server_side_binding": False,
        }

    def test_a_pool_of_none_opens_a_connection_each_time(self):
        assert "pool" not in read_database_url("postgresql://db/d", pool=0)["OPTIONS"]

    def test_the_url_has_the_last_word(self):
        url = "postgresql://db/d?options=-c%20statement_timeout%3D0&connect_timeout=9"
        options = read_database_url(url, pool=0)["OPTIONS"]

        assert options["options"] == "-c statement_timeout=0"
        assert options["connect_timeout"] == "9"

    @pytest.mark.parametrize("text", ["00123", "1e3", "true", "None", "0x10", "p+q%2B"])
    def test_what_stands_in_the_url_stays_text(self, text):
        decoded = text.replace("%2B", "+")
        found = read_database_url(f"postgresql://{text}:{text}@db/{text}", pool=0)
        by_query = read_database_url(f"postgresql:///d?user=u&password={text}", pool=0)

        assert (found["USER"], found["PASSWORD"]) == (decoded, decoded)
        assert found["NAME"] == decoded
        assert by_query["OPTIONS"]["password"] == decoded.replace("p+", "p ")

    @pytest.mark.parametrize(
        ("url", "place"),
        [
            ("postgresql://one:1,two:2/d", ("one,two", "1,2", "d")),
            ("postgresql://[::1]:5432/d", ("::1", "5432", "d")),
            ("postgresql:////run/postgresql/d", ("/run/postgresql", "", "d")),
            ("postgresql://%2Frun%2Fpostgresql/d", ("/run/postgresql", "", "d")),
            ("postgresql://db?dbname=d", ("db", "", "d")),
            ("postgresql:///?service=main", ("", "", "")),
        ],
    )
    def test_a_server_is_found_in_each_way_of_writing_it(self, url, place):
        found = read_database_url(url, pool=0)

        assert (found["HOST"], found["PORT"], found["NAME"]) == place
        assert "dbname" not in found["OPTIONS"]

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql://db/d",
            "postgresql://10.0.0.5/d",
            "postgresql://[2001:db8::1]/d",
            "postgresql://localhost,db.example.com/d",
            "postgresql:///d?host=db.example.com",
            "postgresql://localhost/d?hostaddr=10.0.0.5",
        ],
    )
    def test_a_server_on_another_machine_has_to_speak_tls(self, url):
        assert read_database_url(url, pool=0)["OPTIONS"]["sslmode"] == "require"

    @pytest.mark.parametrize(
        "url",
        [
            "postgresql:///d",
            "postgresql:////run/postgresql/d",
            "postgresql://localhost/d",
            "postgresql://127.0.0.1:6432/d",
            "postgresql://[::1]/d",
            "postgresql://db/d?hostaddr=127.0.0.1",
            "postgresql:///?service=main",
            # An empty one leaves it to libpq, which asks for TLS and goes without.
            "postgresql://db/d?sslmode=",
        ],
    )
    def test_elsewhere_libpq_decides(self, url):
        assert "sslmode" not in read_database_url(url, pool=0)["OPTIONS"]

    @pytest.mark.parametrize(
        ("variables", "sslmode"),
        [
            ({"PGHOST": "db.example.com"}, "require"),
            ({"PGHOST": "/run/postgresql"}, None),
            ({"PGHOSTADDR": "10.0.0.5"}, "require"),
            ({"PGHOST": "db.example.com", "PGSSLMODE": "disable"}, None),
            ({"PGSERVICE": "main"}, None),
        ],
    )
    def test_the_variables_of_libpq_are_heard(self, monkeypatch, variables, sslmode):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

        assert (
            read_database_url("postgresql:///d", pool=0)["OPTIONS"].get("sslmode")
            == sslmode
        )

    @pytest.mark.parametrize("sslmode", ["disable", "verify-full"])
    def test_the_url_says_how_it_is_encrypted(self, sslmode):
        url = f"postgresql://db.example.com/d?sslmode={sslmode}"

        assert read_database_url(url, pool=0)["OPTIONS"]["sslmode"] == sslmode

    def test_empty_options_leave_the_startup_packet_plain_for_a_pgbouncer(self):
        options = read_database_url(
            "postgresql://db/d?sslmode=disable&options=", pool=0
        )["OPTIONS"]

        assert "options" not in options
        assert options["sslmode"] == "disable"
        assert options["tcp_user_timeout"] == 10_000

    def test_sqlite_writes_through_and_waits(self):
        found = read_database_url("sqlite:////srv/db.sqlite3", pool=4)

        assert found["NAME"] == "/srv/db.sqlite3"
        assert found["OPTIONS"] == {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
        }

    def test_a_file_of_sqlite_may_have_any_name(self):
        found = read_database_url(
            "sqlite:////srv/my data/100%25+1.db?timeout=3", pool=4
        )

        assert found["NAME"] == "/srv/my data/100%+1.db"
        assert found["OPTIONS"]["timeout"] == 3

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            *(
                (url, f"it does not begin with {' or '.join(BEGINNINGS)}")
                for url in ("mysql://u:hunter2@h/d", "hunter2", "postgres:hunter2", "")
            ),
            ("postgres://u:hunter2@h:port/d", f"its port {JUNK}"),
            ("postgres://u:hunter2@h:65536/d", f"its port {JUNK}"),
            ("postgres://u:hunter2@h:0/d", f"its port {JUNK}"),
            ("postgres://u:hunter2/x@h/d", f"its port {JUNK}"),
            ("postgres://u:hunter2?x@h/d", f"its port {JUNK}"),
            ("postgres://u:hunter2[x@h/d", f"its host cannot be read; {ENCODED}"),
            ("postgres://u:hunter2@h h/d", f"its host cannot be read; {ENCODED}"),
            ("postgres://u:hunter2#x@h/d", "it has a #, which is written %23"),
            ("postgres://h/d?sslmode=require?options=hunter2", SECOND_QUERY),
            ("postgres://u:hunter2%zz@h/d", PERCENT),
            ("postgres://u:hunter2%@h/d", PERCENT),
            ("postgres://u:hunter2%FF@h/d", "its percent codes are not text in UTF-8"),
            ("postgres://u:hunter2%00@h/d", "its percent codes are not text in UTF-8"),
            (
                "postgres://h/d?password=hunter2%FF",
                "its percent codes are not text in UTF-8",
            ),
            ("postgres://u:hunter2\n@h/d", "it has a control character in it"),
            ("postgres://u:hunter2@h", "it names no database"),
            ("postgres://u:hunter2@h/", "it names no database"),
            (
                f"postgres://u:hunter2@h/{'d' * 64}",
                "its database's name is longer than 63 bytes",
            ),
            (
                "postgres://h/d?hunter2=1",
                "its query has something that is no parameter of libpq",
            ),
            (
                "postgres://h/d?server_side_binding=true",
                "its query has something that is no parameter of libpq",
            ),
            (
                "postgres://h/d?connect_timeout=hunter2",
                "its connect_timeout is not a whole number",
            ),
            ("sqlite://", "it names no file"),
            ("sqlite:///", "it names no file"),
            (
                "sqlite://hunter2/db",
                "it names a host, and SQLite's file is on this machine",
            ),
            (
                "sqlite:////db?timeout=hunter2",
                "its timeout is not a whole number of seconds",
            ),
            (
                "sqlite:////db?mode=hunter2",
                "its query has something else than init_command, timeout, transaction_mode",
            ),
        ],
    )
    def test_what_is_wrong_is_said_and_no_password_repeated(self, url, reason):
        with pytest.raises(UnusableError) as caught:
            read_database_url(url, pool=4)

        assert str(caught.value) == reason
        assert "hunter2" not in reason


class TestAddresses:
    """Each variable that has an address, or several, says what is wrong with it."""

    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            (
                "REDIS_URL",
                "http://hunter2",
                "it does not begin with rediss:// or redis://: give redis://host:6379/0",
            ),
            ("REDIS_URL", "redis://", "it names no host: give redis://host:6379/0"),
            (
                "REDIS_URL",
                "redis://:hunter2@one,two/0",
                "it names several hosts: give redis://host:6379/0",
            ),
            (
                "REDIS_URL",
                "redis://:hunter2@h/zero",
                "its path is not the number of a database: give redis://host:6379/0",
            ),
            (
                "REDIS_URL",
                "redis://:hunter2@h/0?max_connections=many",
                "its query has a value that cannot be used: give redis://host:6379/0",
            ),
            (
                "EMAIL_URL",
                "smtp+tls://user:hunter2@",
                "it names no host: give smtp+tls://user:password@host:587, or leave it out",
            ),
            (
                "EMAIL_URL",
                "smtp://user:hunter2@h?timeout=9",
                (
                    "it has a query, and nothing there is read: give "
                    "smtp+tls://user:password@host:587, or leave it out"
                ),
            ),
            (
                "CLEVERTAP_BASE_URL",
                "api.clevertap.com",
                (
                    "it does not begin with https:// or http://: give "
                    "http://127.0.0.1:9100/{location}, or leave it out"
                ),
            ),
            (
                "CLEVERTAP_BASE_URL",
                "https://h/{region}",
                (
                    "it has braces, in which {location} alone may stand: give "
                    "http://127.0.0.1:9100/{location}, or leave it out"
                ),
            ),
            (
                "PUBLIC_URL",
                "https://h/?hunter2",
                (
                    "it has a query, behind which no path can stand: give "
                    "https://referrals.example.com"
                ),
            ),
            (
                "SENTRY_DSN",
                "https://sentry.example.com/hunter2",
                (
                    "it is not the address of a project: give the DSN that Sentry shows for "
                    "the project, or leave it out"
                ),
            ),
            (
                "ALLOWED_HOSTS",
                "https://a.example.com,b.example.com:8000",
                (
                    "it has an entry that is not a host name alone, without scheme and port: "
                    "give referrals.example.com, or several with commas between"
                ),
            ),
            (
                "CSRF_TRUSTED_ORIGINS",
                "a.example.com",
                (
                    "it does not begin with https:// or http://: give "
                    "https://referrals.example.com, or several with commas between"
                ),
            ),
            (
                "CSRF_TRUSTED_ORIGINS",
                "https://a.example.com/admin/",
                (
                    "it has an entry that is not a scheme and a host alone: give "
                    "https://referrals.example.com, or several with commas between"
                ),
            ),
        ],
    )
    def test_a_mistake_ends_the_process_with_a_sentence(self, name, value, problem):
        variables = commands.production(**{name: value})

        assert refusal_of(**variables) == refusal(
            f"{name} cannot be used, because {problem}."
        )

    def test_migrate_and_the_web_process_end_with_the_sentence_alone(self, tmp_path):
        url = "postgresql://u:hunter2@db:port/d"
        variables = commands.production(DATABASE_URL=url)
        sentence = refusal(
            f"DATABASE_URL cannot be used, because its port {JUNK}: give "
            "postgresql://user:password@host/name, or sqlite:////path/to/file."
        )
        settings = {"DJANGO_SETTINGS_MODULE": "integration_project.settings"}
        folders = [tmp_path / "migrate", tmp_path / "web"]
        for folder in folders:
            folder.mkdir()
        migrate = warm.run_program(folders[0], BARE, ["migrate"], variables | settings)
        web = warm.run(folders[1], ["gunicorn"], variables)

        assert (migrate.returncode, migrate.stderr) == (1, sentence)
        assert (web.returncode, web.stderr) == (1, sentence)

    @pytest.mark.parametrize(
        "word",
        ["*", "a.example.com", ".example.com", "localhost", "a_b", "10.0.0.7", "[::1]"],
    )
    def test_a_host_name_is_taken_in_each_form_that_a_request_can_match(self, word):
        assert check_host_name(word) == word

    @pytest.mark.parametrize(
        "word",
        ["https://a.example.com", "https://*.example.com", "http://127.0.0.1:8000"],
    )
    def test_an_origin_is_scheme_and_host_perhaps_with_a_port(self, word):
        assert check_origin(word) == word

    def test_what_is_good_becomes_the_setting(self):
        settings = settings_of(
            **commands.production(
                REDIS_URL="rediss://:p@broker:6380/1?ssl_cert_reqs=none",
                CLEVERTAP_BASE_URL="http://127.0.0.1:9100/{location}/",
                PUBLIC_URL="https://referrals.example.com/",
                CSRF_TRUSTED_ORIGINS="https://a.example.com, https://*.example.org",
            )
        )

        assert settings["REDIS_URL"] == "rediss://:p@broker:6380/1?ssl_cert_reqs=none"
        assert settings["CLEVERTAP_BASE_URL"] == "http://127.0.0.1:9100/{location}"
        assert settings["PUBLIC_URL"] == "https://referrals.example.com"
        assert settings["CSRF_TRUSTED_ORIGINS"] == [
            "https://a.example.com",
            "https://*.example.org",
        ]


class TestBroker:
    def test_celery_and_redis_py_are_told_the_same_of_a_certificate(self):
        url = "rediss://:p@broker.example.com:6380"
        for verify, words in ((True, "required"), (False, "none")):
            tls = {"ssl_cert_reqs": words, "ssl_check_hostname": verify}

            assert make_celery_tls(url, verify=verify) == tls
            assert tls.items() <= make_redis_options(url, verify=verify).items()

    def test_a_plain_address_is_told_nothing_of_certificates(self):
        assert make_celery_tls("redis://broker", verify=True) is None
        assert not [
            n for n in make_redis_options("redis://broker", verify=True) if "ssl" in n
        ]

    def test_nobody_waits_longer_than_half_a_second(self):
        for options in (
            make_redis_options("redis://b", verify=True),
            make_transport_options(),
        ):
            assert options["socket_timeout"] == 0.5
            assert options["socket_connect_timeout"] == 0.5


def test_alerts_are_mailed_through_the_address_of_a_server():
    found = read_mail_url("smtp+tls://user:p%40ss@mail.example.com:587")

    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"]) == ("mail.example.com", 587)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("user", "p@ss")
    assert found["EMAIL_USE_TLS"] is True


class TestChecks:
    """Each system check finds what it is there for, under its stable ID."""

    @pytest.mark.parametrize(
        ("code", "deploy", "changes"),
        [
            (
                "clevertap_sync.E003",
                False,
                {"REQUEST_SECONDS": 30, "LEASE_SECONDS": 34},
            ),
            ("clevertap_sync.E004", False, {"FIRST_HOLD_SECONDS": 301}),
            ("clevertap_sync.E006", False, {"RETENTION_DAYS": 30, "WAIT_DAYS": 30}),
            ("clevertap_sync.W001", True, {"CLEVERTAP_BASE_URL": "https://proxy"}),
            ("clevertap_sync.W002", True, {"CLEVERTAP_BASE_URL": "http://proxy"}),
            ("clevertap_sync.W003", True, {"REDIS_URL": ""}),
        ],
    )
    def test_a_mistake_is_found(self, settings, code, deploy, changes):
        assert code not in self.found(settings, {}, deploy=deploy)

        assert code in self.found(settings, changes, deploy=deploy)

    @pytest.mark.parametrize(("retention", "wait"), [(31, 30), (2, 1), (1, 1)])
    def test_a_wait_that_ends_before_retention_is_none(self, settings, retention, wait):
        changes = {"RETENTION_DAYS": retention, "WAIT_DAYS": wait}

        assert "clevertap_sync.E006" not in self.found(settings, changes, deploy=False)

    def test_a_sandbox_on_this_machine_needs_no_tls(self, settings):
        changes = {"CLEVERTAP_BASE_URL": "http://127.0.0.1:9100/{location}"}

        found = self.found(settings, changes, deploy=True)

        assert "clevertap_sync.W001" in found
        assert "clevertap_sync.W002" not in found

    def found(self, settings, changes, *, deploy):
        for name, value in ({"REDIS_URL": "rediss://broker"} | changes).items():
            setattr(settings, name, value)
        try:
            call_command("check", deploy=deploy, fail_level="WARNING")
        except SystemCheckError as error:
            return str(error)
        return ""
