"""The repository's own check finds what it is for, and only that."""

import pytest

from scripts import check_repository


@pytest.mark.parametrize(
    "line",
    [
        "see /ho" + "me/ann/notes",
        "cd /wo" + "rk/product",
        "--index" + "-url https://packages.example.com",
        "-----BEGIN RSA PRIV" + "ATE KEY-----",
        "AKI" + "A" + "Q" * 16,
        "SENTRY_DSN=https://" + "0" * 32 + "@sentry.example.com/1",
        "rk" + "_" + "x" * 43,
    ],
)
def test_a_line_that_belongs_to_one_machine_is_found(line):
    assert len(check_repository.found_in(line)) == 1


@pytest.mark.parametrize(
    "line",
    ["https://example.com/home/ann", "docs/work/in-progress", "pip install -r x", ""],
)
def test_an_ordinary_line_is_let_through(line):
    assert check_repository.found_in(line) == []


def test_a_pin_that_does_not_fit_its_source_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(check_repository, "ROOT", tmp_path)
    (tmp_path / "requirements.in").write_text(
        "django>=5.2,<5.3\nredis\nmsgspec # fast\n"
    )
    (tmp_path / "requirements.txt").write_text(
        "django==6.0 \\\n    --hash=x\nredis==8.1\n"
    )

    assert list(check_repository.stale_requirements()) == [
        "requirements.txt does not fit requirements.in: django<5.3,>=5.2",
        "requirements.txt does not fit requirements.in: msgspec",
    ]


def test_requirements_that_fit_are_let_through(tmp_path, monkeypatch):
    monkeypatch.setattr(check_repository, "ROOT", tmp_path)
    (tmp_path / "requirements.in").write_text("psycopg[binary]>=3\n")
    (tmp_path / "requirements-dev.in").write_text("-r requirements.in\npytest\n")
    (tmp_path / "requirements.txt").write_text("psycopg[binary]==3.3.9\n")
    (tmp_path / "requirements-dev.txt").write_text("psycopg==3.3.9\npytest==9.2.0\n")

    assert list(check_repository.stale_requirements()) == []
