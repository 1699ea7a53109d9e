"""`manage.py import_events`: files of events into a log."""

import csv
import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command

from referrals import log
from referrals.schema import Person
from tests.builders import ANN, BOB, NOON, NOON_SECONDS, a_sent_event, an_app

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    return an_app("shop")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(path, *arguments, stderr=None):
    """Return exit status, what was printed, and what was complained about."""
    stdout, stderr = io.StringIO(), stderr or io.StringIO()
    status = 0
    try:
        call_command(
            "import_events", "shop", str(path), *arguments, stdout=stdout, stderr=stderr
        )
    except SystemExit as stop:
        status = stop.code
    return status, stdout.getvalue().strip(), stderr.getvalue()


def jsonl(folder, *events):
    path = folder / "events.jsonl"
    path.write_text(
        "\n".join(e if isinstance(e, str) else json.dumps(e) for e in events)
    )
    return path


def test_jsonl_is_appended_in_order(app, tmp_path):
    path = jsonl(tmp_path, a_sent_event(id="a"), "", a_sent_event(id="b"), "  ")

    assert run(path) == (0, "2 accepted, 0 duplicate, 0 conflict, 0 rejected.", "")
    assert [e.event.id for e in log.read_range(app.pk, 1, 9)] == ["a", "b"]


def test_importing_again_changes_nothing(app, tmp_path):
    path = jsonl(tmp_path, *(a_sent_event() for _ in range(2500)))
    run(path)

    assert run(path) == (0, "0 accepted, 2,500 duplicate, 0 conflict, 0 rejected.", "")
    assert log.read_head(app.pk) == 2500


def test_refused_lines_are_named_and_the_others_stored(app, tmp_path):
    good = a_sent_event(id="a")
    path = jsonl(
        tmp_path, good, "", "{", a_sent_event(type="install"), {**good, "content": "x"}
    )

    status, stdout, stderr = run(path)

    assert (status, stdout) == (1, "1 accepted, 0 duplicate, 1 conflict, 2 rejected.")
    lines = stderr.splitlines()
    assert [line.removeprefix(f"{path}, ").split(": ")[:2] for line in lines] == [
        ["line 3", "/"],
        ["line 4", "/type"],
        ["line 5", "/id"],
    ]
    assert ANN not in stderr


def test_a_line_without_end_is_refused_and_the_next_one_read(app, tmp_path):
    path = jsonl(tmp_path, "x" * 500_000, a_sent_event(id="a"))

    status, _, stderr = run(path)

    assert status == 1
    assert stderr.startswith(f"{path}, line 1: /: The event is 500,000 bytes long")
    assert log.find_event(app.pk, "a").position == 1


def test_a_byte_order_mark_is_no_part_of_the_first_event(app, tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text(json.dumps(a_sent_event()), encoding="utf-8-sig")

    assert run(path)[0] == 0


def write_csv(path, *rows):
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows(rows)
    return path


def test_csv_columns_are_dotted(app, tmp_path):
    path = write_csv(
        tmp_path / "events.CSV",
        ["id", "type", "name", "occurred_at", "user.identities.email", "user.identities.x.y",
         "user.ip", "referrer.identities.email", "event_data.plan", "event_data", "metadata.a.b", "test"],
        ["a", "custom", "Level, “1”", str(NOON_SECONDS), ANN, "7", "203.0.113.7", BOB, "gold",
         '{"seats": 3}', "m", "TRUE"],
        ["b", "app_open", "", "2026-11-23T12:00:00Z", ANN, "", "", BOB, "", "", "", ""],
        [""] * 12,
    )  # fmt: skip

    assert run(path) == (0, "2 accepted, 0 duplicate, 0 conflict, 0 rejected.", "")
    custom, opened = (entry.event for entry in log.read_range(app.pk, 1, 2))
    assert (custom.name, custom.occurred_at, custom.test) == ("Level, “1”", NOON, True)
    assert custom.user.identities == {"email": ANN, "x.y": "7"}
    assert custom.user.ip is not None
    assert custom.event_data == {"plan": "gold", "seats": 3}
    assert custom.metadata == {"a.b": "m"}
    assert opened.user == Person({"email": ANN})
    assert (opened.referrer, opened.test) == (Person({"email": BOB}), False)


@pytest.mark.parametrize(
    ("columns", "cells", "pointer"),
    [
        (["id"], ["a"], "/type"),
        (["id"], ["a", "b"], "/"),
        (["id", "event_data"], ["a", "{"], "/event_data"),
        (["id", "event_data", "event_data.a"], ["a", '{"a": 1}', "1"], "/event_data/a"),
        (["id", "type", "test"], ["a", "app_open", "maybe"], "/test"),
        (["id", "type", "occurred_at"], ["a", "app_open", "nan"], "/occurred_at"),
        (["id", "type", "occurred_at"], ["a", "app_open", "9" * 5000], "/occurred_at"),
    ],
)
def test_a_bad_row_is_refused_where_it_is_bad(app, tmp_path, columns, cells, pointer):
    path = write_csv(tmp_path / "events.csv", columns, cells)

    status, _, stderr = run(path)

    assert status == 1
    assert stderr.startswith(f"{path}, line 2: {pointer}: ")


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_standard_input_is_a_file_too(app, monkeypatch, form):
    sent = a_sent_event(id="a")
    text = {
        "jsonl": json.dumps(sent),
        "csv": "id,type,user.identities.email,referrer.identities.email\n"
        f"a,app_open,{ANN},{BOB}\n",
    }
    stdin = io.TextIOWrapper(io.BytesIO(text[form].encode()))
    monkeypatch.setattr(sys, "stdin", stdin)

    assert run("-", "--format", form)[0] == 0
    assert log.read_head(app.pk) == 1


@pytest.mark.parametrize("name", ["events.jsonl", "events.csv"])
def test_a_terminal_sees_how_far_it_is(app, tmp_path, name):
    path = tmp_path / name
    columns = "id,type,user.identities.email,referrer.identities.email"
    path.write_text(
        json.dumps(a_sent_event())
        if path.suffix == ".jsonl"
        else f"{columns}\na,app_open,{ANN},{BOB}\n"
    )

    status, _, stderr = run(path, stderr=Terminal())

    assert status == 0
    assert "[##############################] 100% 1 events" in stderr


def test_an_empty_file_is_no_fault(app, tmp_path):
    assert run(jsonl(tmp_path))[0] == 0
    assert run(write_csv(tmp_path / "events.csv"))[0] == 0


@pytest.mark.parametrize(
    ("slug", "name", "words"),
    [("nobody", "e.jsonl", "shop"), ("shop", "missing.jsonl", "cannot be read")],
)
def test_a_wrong_argument_is_explained(app, tmp_path, slug, name, words):
    (tmp_path / "e.jsonl").touch()

    with pytest.raises(CommandError, match=words):
        call_command("import_events", slug, str(tmp_path / name))


def test_a_closed_standard_input_is_explained(app, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)

    assert stop("-").startswith("Standard input is closed.")


def test_warnings_are_counted_below_the_summary(app, tmp_path):
    padded = {"identities": {"email": f" {ANN}"}}
    sent = [a_sent_event(user=padded) for _ in range(7)]
    path = jsonl(tmp_path, a_sent_event(), *sent, a_sent_event(channel="pigeon"))

    status, stdout, stderr = run(path)

    assert (status, stderr) == (0, "")
    summary, first, second = stdout.splitlines()
    assert summary == "9 accepted, 0 duplicate, 0 conflict, 0 rejected."
    assert first.startswith(
        "Warning of 7 on lines 2, 3, 4, 5, 6, …: An identity of the"
    )
    assert second.startswith("Warning of 1 on line 9: The channel is none of the known")
    assert ANN not in stdout
    assert "pigeon" not in stdout


def test_warnings_of_many_kinds_are_summed_up(app, tmp_path):
    sent = [
        a_sent_event(metadata={f"k{number}": 0.12345678901234567890123})
        for number in range(25)
    ]
    raw = [
        json.dumps(one).replace("0.12345678901234568", "0.12345678901234567890")
        for one in sent
    ]

    lines = run(jsonl(tmp_path, *raw))[1].splitlines()

    assert len(lines) == 22
    assert lines[-1] == "Warnings of other kinds: 5."


HEADING = "id,type,occurred_at,user.identities.email,referrer.identities.email,content"


def rows(*contents):
    """Return the text of a CSV with an event for each content as it is written there."""
    lines = (
        f"e-{number},web_open,{NOON_SECONDS},{ANN},{BOB},{content}\n"
        for number, content in enumerate(contents, 1)
    )
    return f"{HEADING}\n{''.join(lines)}"


def stop(path, *arguments):
    """Return why the import of the file stopped."""
    with pytest.raises(CommandError) as caught:
        run(path, *arguments)
    return str(caught.value)


def contents(app):
    """Return what the log has of each event, by its id."""
    return {e.event.id: e.event.content for e in log.read_range(app.pk, 1, 99)}


@pytest.mark.parametrize(
    "doubtful",
    [
        ('"spring', "summer", "autumn"),
        ('"spring', '"summer"', "autumn"),
        ('"spring', '"', "autumn"),
        ('"say \\"hi\\""', "summer", "autumn"),
        ('"abc"def', "summer", "autumn"),
        ('5" pipe', "summer", "autumn"),
    ],
)
def test_from_a_doubtful_row_on_nothing_is_imported(app, tmp_path, doubtful):
    path = tmp_path / "events.csv"
    path.write_text(rows("winter", *doubtful))

    message = stop(path)

    assert message.startswith(f"{path}, line 3: /: ")
    assert message.endswith(
        "The import stopped there: nothing from this line on was imported. Imported "
        "before that: 1 accepted, 0 duplicate, 0 conflict, 0 rejected. Fix that, and run "
        "the same command again: what is stored already counts as duplicate."
    )
    assert ANN not in message
    assert contents(app) == {"e-1": "winter"}

    path.write_text(rows("winter", "spring", "summer", "autumn"))

    assert run(path)[:2] == (0, "3 accepted, 1 duplicate, 0 conflict, 0 rejected.")
    assert contents(app)["e-2"] == "spring"


def test_a_cell_over_several_lines_is_imported_whole(app, tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(rows('"two\nlines, ""quoted"""', "summer"))

    assert run(path)[0] == 0
    assert contents(app) == {"e-1": 'two\nlines, "quoted"', "e-2": "summer"}


def test_a_doubtful_heading_imports_nothing(app, tmp_path):
    path = tmp_path / "events.csv"
    path.write_text(rows("winter").replace("content", "id", 1))

    assert stop(path).startswith(f"{path}, line 1: /: Columns 1 and 6 are both id")
    assert log.read_head(app.pk) == 0


def test_a_json_array_is_no_jsonl(app, tmp_path):
    path = jsonl(tmp_path, json.dumps([a_sent_event()]))

    assert stop(path).startswith(f"{path}, line 1: /: The file is one JSON array.")
    assert log.read_head(app.pk) == 0


@pytest.mark.parametrize(
    ("name", "separator", "encoding"),
    [
        ("events.csv", ";", "utf-8-sig"),
        ("events.tsv", "\t", "utf-8"),
        ("events.csv", "\t", "utf-16"),
    ],
)
def test_what_spreadsheets_write_is_recognised(
    app, tmp_path, name, separator, encoding
):
    path = tmp_path / name
    path.write_text(rows("Größe").replace(",", separator), encoding=encoding)

    assert run(path)[0] == 0
    assert contents(app) == {"e-1": "Größe"}


@pytest.mark.parametrize("separator", ["bar", "|"])
def test_separator_and_encoding_can_be_named(app, tmp_path, separator):
    path = tmp_path / "events"
    path.write_text(rows("Größe").replace(",", "|"), encoding="cp1252")
    options = ("--format", "csv", "--separator", separator, "--encoding", "cp1252")

    assert run(path, *options)[0] == 0
    assert contents(app) == {"e-1": "Größe"}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--encoding", "cp12520"], "There is no such encoding"),
        (["--separator", "tab"], "Only a CSV has a separator"),
        (
            ["--separator", "x"],
            "Error: argument --separator: choose from comma, semicolon, tab, bar",
        ),
    ],
)
def test_an_option_that_misfits_is_explained(app, tmp_path, options, words):
    path = jsonl(tmp_path, a_sent_event())

    assert stop(path, *options).startswith(words)
    assert log.read_head(app.pk) == 0


def test_a_file_in_another_encoding_stops_the_import_with_advice(app, tmp_path):
    path = tmp_path / "events.csv"
    path.write_bytes(rows("winter", "Größe").encode("latin-1"))

    message = stop(path)

    assert message.startswith(f"{path}, line 3: /: Something here is not UTF-8. Save")
    assert "1 accepted" in message
    assert contents(app) == {"e-1": "winter"}
