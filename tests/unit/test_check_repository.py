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
    assert len(check_repository.find_forbidden(line)) == 1


@pytest.mark.parametrize(
    "line",
    ["https://example.com/home/ann", "docs/work/in-progress", "pip install -r x", ""],
)
def test_an_ordinary_line_is_let_through(line):
    assert check_repository.find_forbidden(line) == []


def test_a_pin_that_does_not_fit_its_source_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(check_repository, "ROOT", tmp_path)
    (tmp_path / "requirements.in").write_text(
        "django>=5.2,<5.3\nredis\nmsgspec # fast\n"
    )
    (tmp_path / "requirements.txt").write_text(
        "django==6.0 \\\n    --hash=x\nredis==8.1\n"
    )

    assert list(check_repository.find_stale_requirements()) == [
        "requirements.txt does not fit requirements.in: django<5.3,>=5.2",
        "requirements.txt does not fit requirements.in: msgspec",
    ]


def test_requirements_that_fit_are_let_through(tmp_path, monkeypatch):
    monkeypatch.setattr(check_repository, "ROOT", tmp_path)
    (tmp_path / "requirements.in").write_text("psycopg[binary]>=3\n")
    (tmp_path / "requirements-dev.in").write_text("-r requirements.in\npytest\n")
    (tmp_path / "requirements.txt").write_text("psycopg[binary]==3.3.9\n")
    (tmp_path / "requirements-dev.txt").write_text("psycopg==3.3.9\npytest==9.2.0\n")

    assert list(check_repository.find_stale_requirements()) == []


def test_a_function_that_is_too_long_is_reported(tmp_path, monkeypatch):
    long, short = (
        tmp_path / "referrals" / "long.py",
        tmp_path / "referrals" / "short.py",
    )
    listed = tmp_path / "tests" / "test_long.py"
    for path, lines in ((long, 40), (short, 39), (listed, 90)):
        path.parent.mkdir(exist_ok=True)
        path.write_text("def tell():\n" + "    print()\n" * lines)
    monkeypatch.setattr(check_repository, "ROOT", tmp_path)
    monkeypatch.setattr(
        check_repository, "list_tracked_files", lambda: [long, short, listed]
    )

    assert list(check_repository.find_long_functions()) == [
        "referrals/long.py:1: tell has 41 lines"
    ]
