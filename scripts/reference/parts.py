"""A page's generated part: what stands between its two marks. Pure."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

#: In a table's row, what it is about: the first word in code.
_KEY: Final = re.compile(r"^\|.*?`(?P<key>[\w-]+)")
_INSIDE: Final = re.compile(r"<!-- written from .*?: begin -->(.*?)<!--", re.DOTALL)
_CELLS: Final = re.compile(r"(?<!\\)\|")


class Part(NamedTuple):
    """A page in three: before its generated part, that part, and after it."""

    before: str
    inside: str
    after: str


def cut_page(page: str, what: str) -> Part:
    """Return the page in three. Raises `ValueError` for a page without the marks of `what`."""
    begin, end = (
        f"<!-- written from {what}: {word} -->\n" for word in ("begin", "end")
    )
    before, found, rest = page.partition(begin)
    inside, closed, after = rest.partition(end)
    if not (found and closed):
        message = f"A page lacks the lines {begin.strip()} and {end.strip()}."
        raise ValueError(message)
    return Part(before + begin, inside, end + after)


def fill_part(page: str, what: str, text: str) -> str:
    """Return the page with `text` between the marks of `what`."""
    before, _, after = cut_page(page, what)
    return f"{before}\n{text.strip()}\n\n{after}"


def write_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table, as Markdown."""
    line = f"|{'---|' * len(heading)}"
    return "\n".join([_write_row(heading), line, *map(_write_row, rows)])


def fill_rows(page: str, what: str, rows: Mapping[str, Sequence[str | None]]) -> str:
    """Return the page with the cells of its tables between the marks of `what` filled in.

    `rows` has the cells by what a row is about; None leaves one as a person wrote it, and so
    does a cell that says the same without marks of code, or more in brackets. A row that is missing joins the last
    table, and one that is about nothing any more goes.
    """
    before, inside, after = cut_page(page, what)
    lines = list(_fill_lines(inside.splitlines(), rows))
    written = {key for line in lines if (key := find_key(line))}
    last = max(number for number, line in enumerate(lines) if line.startswith("|"))
    lines[last + 1 : last + 1] = [
        _write_row([cell or "" for cell in cells])
        for key, cells in rows.items()
        if key not in written
    ]
    filled = "".join(f"{line}\n" for line in lines)
    return f"{before}{filled}{after}"


def find_key(line: str) -> str:
    """Return what a line of a table is about; "" for any other line."""
    match = _KEY.match(line)
    return match["key"] if match else ""


def find_empty(page: str) -> list[str]:
    """Return what the rows of a page are about that lack a cell which a person writes."""
    lines = "".join(_INSIDE.findall(page)).splitlines()
    return [find_key(line) for line in lines if re.search(r"\|\s*\|$", line)]


def _fill_lines(
    lines: Sequence[str], rows: Mapping[str, Sequence[str | None]]
) -> Iterator[str]:
    for line in lines:
        key = find_key(line)
        if not key:
            yield line
        elif key in rows:
            old = [cell.strip() for cell in _CELLS.split(line)[1:-1]]
            pairs = zip(old, rows[key], strict=True)
            yield _write_row([_choose_cell(each, new) for each, new in pairs])


def _choose_cell(old: str, new: str | None) -> str:
    if new is None or old.replace("`", "") == new.replace("`", ""):
        return old
    return old if old.startswith(f"{new} (") else new


def _write_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
