"""The product starts from nothing: its migrations, and its settings in production."""

import pytest

from tests.harness import commands, databases, environment


def test_every_change_of_a_model_has_its_migration(tmp_path):
    # In a process of its own: here no app has migrations.
    env = commands.production(DATABASE_URL=f"sqlite:///{tmp_path / 'empty.sqlite3'}")

    done = commands.manage(
        *("makemigrations", "--check", "--dry-run"), env=env, check=False, warm=True
    )

    assert (done.returncode, done.stdout) == (0, "No changes detected\n"), (
        "Run `DEBUG=true .venv/bin/python manage.py makemigrations --name what_changes`, and commit the "
        f"file. It is to have: {done.stdout} {done.stderr}"
    )


def test_the_migrations_make_every_table_on_an_empty_database(tmp_path):
    database = databases.fresh(environment.test_database(), tmp_path)

    plan = commands.manage(
        *("migrate", "--check"),
        env=commands.production(DATABASE_URL=database.url),
        warm=True,
    )

    assert plan.stdout == ""
    assert database.rows("SELECT count(*) FROM referrals_referralevent") == [(0,)]
    database.drop()


def test_production_passes_every_deployment_check():
    done = commands.manage(
        *("check", "--deploy", "--fail-level", "WARNING"),
        env=commands.production(
            DATABASE_URL="postgresql://db.example.com/referrals",
            REDIS_URL="rediss://broker.example.com:6379",
            SECURE_PROXY="1",
        ),
        warm=True,
    )

    assert done.stdout.startswith("System check identified no issues")


@pytest.mark.parametrize("secret", environment.SECRETS)
def test_production_without_a_secret_says_which_and_does_not_start(secret):
    env = commands.production(DATABASE_URL="sqlite://:memory:")
    del env[secret]

    done = commands.manage("check", env=env, check=False, program=commands.BARE)

    assert done.returncode != 0
    assert f"{secret} is not set." in done.stderr
