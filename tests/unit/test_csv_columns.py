"""The columns of a CSV: which heading is taken, and what its cells say."""

import io

import msgspec
import pytest

from referrals.files import FileError, read_csv
from referrals.rules import OCCURRED_AT_RULE
from referrals.schema import EventProblem, list_warnings
from tests.builders import ANN, BOB, NOON, NOON_SECONDS

PEOPLE = "user.identities.email,referrer.identities.email"
HEADING = f"id,type,name,{PEOPLE}"
CELLS = f"a,custom,Level,{ANN},{BOB}"


def read(text, **options):
    """Return the events, each with its line."""
    data = text if isinstance(text, bytes) else text.encode()
    return list(read_csv(io.BytesIO(data), **options))


def one(columns, cells):
    """Return the one event of a file that also has these columns."""
    ((line, event),) = read(f"{HEADING},{columns}\n{CELLS},{cells}\n")
    assert line == 2
    return event


def refusal(text, **options):
    """Return the line at which the file is refused, and why."""
    with pytest.raises(FileError) as caught:
        read(text, **options)
    return caught.value.line, caught.value.detail


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("id,type,id", "Columns 1 and 3 are both id"),
        ("id,type, id ", "Columns 1 and 3 are both id"),
        (f"id,{PEOPLE},user.identities.email", "Columns 2 and 4 are both user."),
        ("id,user.identities.email,user.identities.Email", "Columns 2 and 3 are both"),
        ("id,event_data.plan,event_data. plan", "Columns 2 and 3 are both event_data."),
        ("id,metadata,metadata", "Columns 2 and 3 are both metadata"),
        ("id,type,", "Column 3 has no name"),
        ("id,,type", "Column 2 has no name"),
        ("id,type,ocurred_at", "Column 3 is no field of an event. Perhaps occurred_at is"),
        ("ID,type", "Column 1 is no field of an event. Perhaps id is meant"),
        ("id,user.identites.email", "Perhaps user.identities.… is meant"),
        ("id,event_dta.plan", "Perhaps event_data.… is meant"),
        ("id,user.identities.", "Column 2 is no field of an event. Perhaps user.ident"),
        ("id,user", "Column 2 is no field"),
        ("id,colour", "Remove it, or name it metadata.… to keep it. The fields are id, type"),
        ('id,"type', "opens a cell on line 1 is not closed"),
        ('id,ty"pe', "inside a cell that begins without one"),
        ("a,app_open", "names no field of an event"),
    ],
)  # fmt: skip
def test_a_doubtful_heading_is_refused_before_any_row(columns, words):
    line, detail = refusal(f"{columns}\na,b,c\n")

    assert line == 1
    assert words in detail


def test_a_platforms_export_is_told_to_name_its_source():
    line, detail = refusal("Event Name,AppsFlyer ID\ninstall,1\n")

    assert line == 1
    assert "--source NAME" in detail


def test_a_file_without_a_heading_shows_nobody():
    _, detail = refusal(f"a,app_open,{ANN},{BOB}\n")
    _, unknown = refusal(f"id,{ANN}\n")

    assert ANN not in detail
    assert ANN not in unknown


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_heading_shows_the_separator(separator):
    text = f"{HEADING},content\n{CELLS},spring".replace(",", separator)

    ((_, event),) = read(text)

    assert (event.id, event.content) == ("a", "spring")


def test_a_separator_that_is_named_is_the_only_one():
    assert refusal("id,type\na,b\n", separator=";")[1].startswith("The first line")
    assert read("id;type\na,b;c\n", separator=";")[0][1].pointer == "/type"


@pytest.mark.parametrize(
    "first", ["sep=;", '"sep=;"', "SEP=;", "sep=;;;;;;", "\nsep=;"]
)
def test_a_first_line_that_names_the_separator_is_no_heading(first):
    table = f"{HEADING},content\r\n{CELLS},spring\r\n".replace(",", ";")

    [(line, event)] = read(f"{first}\r\n{table}")

    assert (line, event.content) == (len(first.splitlines()) + 2, "spring")


def test_a_separator_that_a_person_names_counts_before_the_file_s():
    text = f"sep=;\n{HEADING},content\n{CELLS},spring"

    assert [event.content for _, event in read(text, separator=",")] == ["spring"]


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_of_nothing_has_no_events(text):
    assert read(text) == []


def test_blank_lines_and_rows_of_empty_cells_are_no_events():
    text = f"\n{HEADING}\n\n,,,,\n{CELLS}\n"

    assert [(line, event.id) for line, event in read(text)] == [(5, "a")]


LAST_COLUMNS = {
    "user.identities.email": ANN,
    "id": "a-1",
    "occurred_at": str(NOON_SECONDS),
    "test": "true",
    "type": "web_open",
    "via": "smart_link",
}


@pytest.mark.parametrize("last", LAST_COLUMNS)
@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\r"])
def test_a_last_cell_that_may_be_cut_off_is_not_taken(last, end):
    columns = [*(name for name in LAST_COLUMNS if name != last), last]
    *cells, cell = (LAST_COLUMNS[name] for name in columns)
    before = f"{','.join(columns)}\n{','.join(cells)},"

    (_, event), (_, quoted) = read(before + cell + end) + read(f'{before}"{cell}"')

    is_refused = isinstance(event, EventProblem)
    assert is_refused is (not end)
    assert not is_refused or "put a line break at its end" in event.detail
    assert not isinstance(quoted, EventProblem)


@pytest.mark.parametrize("last", ["content", "metadata.source", "metadata"])
def test_a_last_cell_of_which_a_part_is_less_and_nothing_else_is_taken(last):
    columns = ",".join([*LAST_COLUMNS, last])
    ((_, event),) = read(f"{columns}\n{','.join(LAST_COLUMNS.values())},{{}}")

    assert not isinstance(event, EventProblem)


def test_a_row_of_another_width_is_refused_by_itself():
    first, second = read(f"{HEADING}\n{CELLS},x\n{CELLS}\n")

    assert (first[0], first[1].pointer) == (2, "")
    assert first[1].detail.startswith("The row has 6 cells, the heading 5.")
    assert (second[0], second[1].id) == (3, "a")


@pytest.mark.parametrize(
    ("columns", "cells", "expected"),
    [
        ("event_data,event_data.plan", '"{""seats"": 3}",gold', {"seats": 3, "plan": "gold"}),
        ("event_data.plan,event_data", 'gold,"{""seats"": 3}"', {"seats": 3, "plan": "gold"}),
        ("event_data,event_data.plan", '"{""plan"": null}",gold', {"plan": "gold"}),
        ("event_data.plan,event_data", 'gold,"{""plan"": null}"', {"plan": "gold"}),
        ("event_data,event_data.plan", '"{""plan"": ""gold""}",gold', {"plan": "gold"}),
        ("event_data,event_data.plan", '"{""plan"": ""gold""}",', {"plan": "gold"}),
        ("event_data,event_data.plan", "null,gold", {"plan": "gold"}),
        ("event_data.plan,event_data", "gold,null", {"plan": "gold"}),
        ("event_data,event_data.a.b", "{},c", {"a.b": "c"}),
    ],
)  # fmt: skip
def test_a_whole_object_and_its_columns_complete_each_other(columns, cells, expected):
    assert one(columns, cells).event_data == expected


@pytest.mark.parametrize(
    ("columns", "cells", "pointer"),
    [
        ("event_data,event_data.plan", '"{""plan"": ""silver""}",gold', "/event_data/plan"),
        ("event_data.plan,event_data", 'gold,"{""plan"": ""silver""}"', "/event_data/plan"),
        ("event_data,event_data.plan", '"{""plan"": 3}",3', "/event_data/plan"),
        ("metadata,metadata.a", '"{""a"": {}}",b', "/metadata/a"),
        ("user.identities", '"{""email"": ""eve@example.com""}"', "/user/identities/email"),
    ],
)  # fmt: skip
def test_cells_that_contradict_each_other_are_refused(columns, cells, pointer):
    event = one(columns, cells)

    assert isinstance(event, EventProblem)
    assert event.pointer == pointer
    whole, key = pointer[1:].replace("/", ".").rsplit(".", 1)
    assert event.detail == (
        f"The columns {whole} and {whole}.{key} say different things about it. Correct "
        "one of the two cells, or leave it empty."
    )


@pytest.mark.parametrize("cell", ["{", "[]", "3", "gold", '"{""a"": NaN}"'])
def test_a_cell_for_an_object_holds_one(cell):
    event = one("event_data", cell)

    assert event.pointer == "/event_data"
    assert event.detail.startswith("The cell must hold a JSON object")


@pytest.mark.parametrize(
    "cell",
    [
        str(NOON_SECONDS),
        f" {NOON_SECONDS} ",
        f"{NOON_SECONDS}.0",
        "2026-11-23T12:00:00Z",
    ],
)
def test_a_time_is_unix_seconds_or_rfc_3339(cell):
    assert one("occurred_at", cell).occurred_at == NOON


@pytest.mark.parametrize(
    ("cell", "microsecond"),
    [
        (f"{NOON_SECONDS}.9999999", 999_999),
        (f"{NOON_SECONDS}.000001", 1),
        ("2026-11-23T12:00:00.9999999Z", 999_999),
    ],
)
def test_a_time_is_rounded_down(cell, microsecond):
    assert one("occurred_at", cell).occurred_at == NOON.replace(microsecond=microsecond)


def test_a_number_in_a_cell_of_json_keeps_its_digits_or_says_that_it_does_not():
    cell = '"{""exact"": 0.5, ""long"": 0.1234567890123456789}"'

    event = one("event_data", cell)

    assert event.event_data["exact"] == 0.5
    assert any("digits" in warning for warning in list_warnings(event))


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("1.79543E+09", "scientific notation"),
        ("1.79543e9", "scientific notation"),
        ('"1,79543E+09"', "scientific notation"),
        ("1.79543E+12", "scientific notation"),
        ("46349", "spreadsheet's number of days"),
        ("46349.5", "spreadsheet's number of days"),
        ("23.11.2026 12:00", OCCURRED_AT_RULE),
        ("11/23/2026 12:00 PM", OCCURRED_AT_RULE),
        ("2026-11-23 12:00:00", OCCURRED_AT_RULE),
        ("2026-11-23", OCCURRED_AT_RULE),
        ("1.795.435.200", OCCURRED_AT_RULE),
        ('"1,795,435,200"', OCCURRED_AT_RULE),
        ("1_795_435_200", OCCURRED_AT_RULE),
        ("nan", OCCURRED_AT_RULE),
        ("Infinity", OCCURRED_AT_RULE),
        ("9" * 5000, OCCURRED_AT_RULE),
        ("1795435200000", "milliseconds"),
    ],
)
def test_a_time_that_is_not_sure_is_refused(cell, words):
    event = one("occurred_at", cell)

    assert isinstance(event, EventProblem)
    assert event.pointer == "/occurred_at"
    assert words in event.detail


@pytest.mark.parametrize(
    ("columns", "pointer"),
    [
        ("user.identities.custom_id", "/user/identities/custom_id"),
        ("referrer.identities.phone", "/referrer/identities/phone"),
        ("user.device_id", "/user/device_id"),
    ],
)
def test_an_identity_that_lost_its_digits_is_refused(columns, pointer):
    event = one(columns, "4.91701E+12")

    assert (event.pointer, "digits are lost" in event.detail) == (pointer, True)
    assert "4.91701" not in event.detail


def test_an_id_that_lost_its_digits_is_refused():
    ((_, event),) = read(f"{HEADING}\n{CELLS.replace('a', '1.2E+11', 1)}\n")

    assert (event.pointer, "digits are lost" in event.detail) == ("/id", True)


@pytest.mark.parametrize(
    "cell", ["4821e903", "12E5", "1.5E+", "E+09", "+4917012345678"]
)
def test_an_identity_may_have_an_e_among_its_digits(cell):
    event = one("user.identities.custom_id", cell)

    assert event.user.identities["custom_id"] == cell


def test_free_text_may_look_like_a_number():
    assert one("event_data.code", "1.2E+09").event_data == {"code": "1.2E+09"}


def test_an_oversized_cell_is_refused_by_itself_with_its_size():
    text = f"{HEADING},event_data.plan\n{CELLS},{'x' * 200_000}\n{CELLS},gold\n"

    (line, refused), (_, good) = read(text)

    assert line == 2
    assert refused.detail.startswith("The event is 200,")
    assert good.event_data == {"plan": "gold"}


def test_nul_in_a_cell_is_refused_by_itself():
    event = one("content", "a\0b")

    assert (event.pointer, "NUL" in event.detail) == ("/content", True)


@pytest.mark.parametrize(
    "cell",
    [
        *(" 4.91771E+11", "4.91771E+11 ", "\u00a04.91771E+11", "'4.91771E+11"),
        *("4.91771e11", "49E+10", "#NAME?", "########", "#N/A", "#REF!"),
    ],
)
def test_an_identity_that_a_spreadsheet_has_spoilt_is_refused(cell):
    [(_, problem)] = read(f"{HEADING}\n{CELLS.replace(ANN, cell, 1)}\n")

    assert "spreadsheet" in problem.detail
    assert cell not in problem.detail


def test_what_cannot_be_seen_in_a_heading_does_not_count():
    twice = f"{HEADING},user.identities.email\u200b"

    assert refusal(f"{twice}\n{CELLS},x\n")[0] == 1
    unseen = HEADING.replace("id,", "\u2060id\u200b,", 1)
    assert read(f"{unseen}\n{CELLS}\n")[0][1].id == "a"


def test_a_second_heading_with_other_columns_ends_the_reading():
    first, second = "user.identities.email", "referrer.identities.email"
    heading = HEADING.split(",")
    a, b = heading.index(first), heading.index(second)
    heading[a], heading[b] = second, first

    line, detail = refusal(f"{HEADING}\n{CELLS}\n{','.join(heading)}\n{CELLS}\n")

    assert line == 3
    assert "put together" in detail


def test_the_same_heading_again_is_a_row_that_is_refused():
    rows = read(f"{HEADING}\n{CELLS}\n{HEADING}\n{CELLS}\n")

    assert [line for line, _ in rows] == [2, 3, 4]


IDENTITY_LAST = (
    "type,metadata.a,user.identities.email,id,referrer.identities.email\n"
    'app_open,"x, y",ann@example.com,a,bob@example.com\n'
    'app_open,"say ""hi""",cleo@example.com,b,dan@example.com\n'
    "app_open,,eve@example.com,c,fay@example.com\n"
)
IDENTITY_FIRST = (
    "user.identities.email,type,metadata.a,referrer.identities.email,id\n"
    'ann@example.com,app_open,"x, y",bob@example.com,a\n'
    '"cleo@example.com",app_open,"say ""hi""",dan@example.com,b\n'
    "eve@example.com,app_open,,fay@example.com,c\n"
)


def stored(text):
    """Return the events that an import of `text` would store."""
    events = []
    try:
        for _, event in read_csv(io.BytesIO(text.encode())):
            if not isinstance(event, EventProblem):
                events.append(event)
    except FileError:
        pass
    return events


def without_breaks(event):
    metadata = {
        key: value.replace("\r", "").replace("\n", "")
        for key, value in (event.metadata or {}).items()
    }
    return msgspec.structs.replace(event, metadata=metadata)


@pytest.mark.parametrize("text", [IDENTITY_LAST, IDENTITY_FIRST], ids=["last", "first"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\n\n"])
def test_a_line_break_anywhere_makes_nobody_another_person(text, line_break):
    original = list(map(without_breaks, stored(text)))
    assert len(original) == 3

    most = 0
    for place in range(len(text) + 1):
        found = stored(text[:place] + line_break + text[place:])

        assert all(without_breaks(event) in original for event in found), place
        most = max(most, len(found))
    assert most == 3


@pytest.mark.parametrize("text", [IDENTITY_LAST, IDENTITY_FIRST], ids=["last", "first"])
def test_a_line_break_that_is_missing_makes_nobody_another_person(text):
    original = stored(text)
    assert len(original) == 3

    found = []
    for place in (place for place, sign in enumerate(text) if sign == "\n"):
        found += stored(text[:place] + text[place + 1 :])
    assert found
    assert all(event in original for event in found)


def test_a_row_that_may_be_cut_is_refused_with_what_to_do():
    rows = read(f"{HEADING}\n{CELLS}\n{CELLS}\nple.com\n")

    details = {line: e.detail for line, e in rows if isinstance(e, EventProblem)}
    assert sorted(details) == [3, 4]
    assert details[3].startswith("The row before or after this one has too few cells.")
    assert details[4].startswith("The row has 1 cell, the heading 5.")


def test_a_heading_whose_last_name_may_be_cut_is_refused():
    line, detail = refusal(f"id,type,user.identities.x\n-y\na,app_open,{ANN}\n")

    assert (line, "has cut the heading's last name" in detail) == (1, True)


@pytest.mark.parametrize("cell", ['"ann@exam\nple.com"', '"ann@exam\r\nple.com"'])
def test_an_identity_over_several_lines_is_refused(cell):
    [(_, problem)] = read(f"{HEADING}\n{CELLS.replace(ANN, cell, 1)}\n")

    assert problem.pointer == "/user/identities/email"
    assert problem.detail.startswith("A line break stands in this cell")


LAST = "id,type,user.identities.email,referrer,referrer.identities.email"


def test_last_stands_in_a_column_of_its_own():
    [(_, last), (_, named)] = read(
        f"{LAST}\na,app_open,{ANN},last,\nb,app_open,{ANN},,{BOB}\n"
    )

    assert last.referrer == "last"
    assert named.referrer.identities == {"email": BOB}


@pytest.mark.parametrize(
    "heading", [LAST, f"{LAST.replace(',referrer,', ',')},referrer"]
)
def test_last_beside_a_named_referrer_is_refused(heading):
    cells = {
        "id": "a",
        "type": "app_open",
        "user.identities.email": ANN,
        "referrer": "last",
        "referrer.identities.email": BOB,
    }
    row = ",".join(cells[name] for name in heading.split(","))

    [(_, problem)] = read(f"{heading}\n{row}\n")

    assert problem.pointer == "/referrer/identities/email"
    assert problem.detail.startswith(
        "The columns referrer and referrer.identities.email say different things"
    )


def test_who_somebody_is_is_read_from_a_csv():
    heading = "id,type,user.identities.email,user.identities.anonymous_id"

    [(_, event)] = read(f"{heading}\na,identify,{ANN},A\n")

    assert event.user.identities == {"email": ANN, "anonymous_id": "A"}
