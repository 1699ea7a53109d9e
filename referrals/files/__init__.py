"""Files of events, read line by line: JSONL and CSV. Pure.

A reader yields each event with the line on which it begins, from 1, or why that one is
refused. Where it is no longer sure what the file says, it raises `FileError`: what it
has yielded before is sure, and nothing after is guessed.

* `encodings`    bytes → lines of text, whatever wrote them
* `jsonl`        one event a line
* `csv_grammar`  a row of text → its cells
* `csv_rows`     lines → rows of cells, each of which is sure
* `csv_columns`  the heading, and a row's cells → an event
* `csv_files`    all of that for a file
"""

from referrals.files.csv_files import SEPARATORS, read_csv
from referrals.files.errors import FileError, NumberedEvent
from referrals.files.jsonl import read_jsonl

__all__ = ["SEPARATORS", "FileError", "NumberedEvent", "read_csv", "read_jsonl"]
