"""JSONL: every line is read or refused, none is skipped."""

import io
import json

import pytest

from referrals.files import FileError, read_jsonl
from referrals.rules import MAX_EVENT_BYTES
from referrals.schema import EventProblem
from tests.builders import a_sent_event

BLANKS = " " * 70_000


def read(text, **options):
    """Return each line's number with its event's id, or its problem."""
    data = text if isinstance(text, bytes) else text.encode()
    return [
        (line, event if isinstance(event, EventProblem) else event.id)
        for line, event in read_jsonl(io.BytesIO(data), **options)
    ]


def an_event(event_id="a"):
    return json.dumps(a_sent_event(id=event_id))


@pytest.mark.parametrize(
    "text",
    [
        f"{an_event('a')}\n{an_event('b')}\n",
        f"{an_event('a')}\n{an_event('b')}",
        f"{an_event('a')}\r\n{an_event('b')}\r\n",
        f"{BLANKS}{an_event('a')}\n{BLANKS}{an_event('b')}",
        f"{an_event('a')}{BLANKS}\n{an_event('b')}{BLANKS}{BLANKS}",
        f"{BLANKS}\t{an_event('a')}{BLANKS}\r\n {an_event('b')} ",
    ],
    ids=["lf", "no last end", "crlf", "blanks before", "blanks behind", "both"],
)
def test_each_line_is_an_event(text):
    assert read(text) == [(1, "a"), (2, "b")]


def test_lines_of_blanks_are_counted_and_hold_nothing():
    text = f"\n{BLANKS}\n\t\r\n{an_event('a')}\n{BLANKS}{BLANKS}\n{an_event('b')}"

    assert read(text) == [(4, "a"), (6, "b")]


@pytest.mark.parametrize("blanks", [0, 100, 70_000])
@pytest.mark.parametrize("behind", ["x", "{}", an_event("b")])
def test_what_stands_behind_an_event_is_never_skipped(blanks, behind):
    (line, problem), after = read(
        f"{an_event('a')}{' ' * blanks}{behind}\n{an_event('c')}"
    )

    assert isinstance(problem, EventProblem)
    assert (line, problem.pointer) == (1, "")
    assert after == (2, "c")


@pytest.mark.parametrize("size", [MAX_EVENT_BYTES + 1, 65_536, 65_537, 500_000])
def test_a_line_that_is_too_long_is_refused_with_its_size(size):
    (line, problem), after = read(f"  {'x' * size}  \n{an_event('b')}")

    assert line == 1
    assert problem.detail.startswith(f"The event is {size:,} bytes long")
    assert after == (2, "b")


def test_an_event_of_the_greatest_size_is_read():
    event = an_event()
    filled = event.replace("spring", "s" * (MAX_EVENT_BYTES - len(event) + 6))

    assert read(f"{BLANKS}{filled}{BLANKS}") == [(1, "a")]


@pytest.mark.parametrize("event_count", [2, 500])
def test_lines_that_end_in_cr_alone_are_explained(event_count):
    ((line, problem),) = read("\r".join(map(an_event, map(str, range(event_count)))))

    assert line == 1
    assert "a CR without an LF" in problem.detail


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"[{an_event()}]", "one JSON array"),
        (f"\n \n[\n{an_event()}\n]", "one JSON array"),
        (json.dumps(a_sent_event(), indent=2), "over several lines"),
        ("id;type;occurred_at\na-1;web_open;1795428900", "Say --format csv"),
    ],
)
def test_another_format_is_refused_as_a_whole(text, words):
    with pytest.raises(FileError, match=words) as caught:
        read(text)
    assert caught.value.line == text.count("\n", 0, len(text) - len(text.lstrip())) + 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_tells_the_encoding(encoding):
    text = f"{an_event('a')}\r\n{BLANKS}\r\n{an_event('b')}"

    assert read(text.encode(encoding)) == [(1, "a"), (3, "b")]


def test_a_line_that_is_not_utf_8_is_refused_by_itself():
    event = json.dumps(a_sent_event(content="Größe"), ensure_ascii=False)

    (line, problem), after = read(f"{event}\n{an_event('b')}".encode("cp1252"))

    assert line == 1
    assert problem.detail.startswith("Something here is not UTF-8. Save the file")
    assert "--encoding cp1252" in problem.detail
    assert after == (2, "b")


def test_a_file_that_is_cut_within_a_character_ends_the_reading():
    found = read_jsonl(io.BytesIO(f"{an_event('a')}\n{{".encode("utf-16")[:-1]))

    assert next(found)[0] == 1
    with pytest.raises(FileError, match="not utf-16") as caught:
        next(found)
    assert caught.value.line == 2


def test_an_encoding_that_is_named_is_used():
    event = json.dumps(a_sent_event(id="a", content="Größe"), ensure_ascii=False)

    ((_, read_event),) = read_jsonl(
        io.BytesIO(event.encode("cp1252")), encoding="cp1252"
    )

    assert read_event.content == "Größe"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"id": secret}', "UTF-8, from its byte 8 on."),
        ('   {"id": "a",}', "UTF-8, from its byte 12 on."),
        ('{"id": "a', "UTF-8: it ends early."),
    ],
)
def test_a_line_that_is_no_json_is_refused_with_the_place(text, place):
    ((line, problem),) = read(text)

    assert (line, problem.code) == (1, "not_json")
    assert place in problem.detail
    assert "secret" not in problem.detail
