"""Files of events, read line by line: JSONL and CSV. Pure.

A reader yields each event with the line on which it begins, from 1, or why that one is
refused. Where the file's meaning is no longer certain, it raises `FileError`: every
event that it yielded before is certain, and nothing after is guessed.

Read in this order:

* `file_errors`  what a reader yields, and why it stops
* `encodings`    bytes → lines of text
* `jsonl`        one event a line
* `csv_grammar`  a row of text → its cells
* `csv_rows`     lines → rows of cells, each of which is sure
* `csv_columns`  the heading, and a row's cells → an event
* `csv_objects`  the same where a platform has named the columns
* `csv_files`    all of that for a file

What a platform has exported is read row by row as well, as objects of which nobody here
knows what they mean (`read_csv_objects`, `read_jsonl_objects`).
"""

from referrals.files.csv_files import SEPARATORS, read_csv, read_csv_objects
from referrals.files.file_errors import FileError, NumberedEvent, NumberedObject
from referrals.files.jsonl import read_jsonl, read_jsonl_objects

__all__ = [
    "SEPARATORS",
    "FileError",
    "NumberedEvent",
    "NumberedObject",
    "read_csv",
    "read_csv_objects",
    "read_jsonl",
    "read_jsonl_objects",
]
