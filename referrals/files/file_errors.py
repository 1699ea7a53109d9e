"""What a reader of files yields, and why it stops."""

from typing import Any

from referrals.schema import EventProblem, IncomingEvent

#: The line on which an event begins, from 1, and the event or why it is refused.
NumberedEvent = tuple[int, IncomingEvent | EventProblem]
#: The same of what a platform has exported, before anybody knows what becomes of it.
NumberedObject = tuple[int, dict[str, Any] | EventProblem]


class FileError(ValueError):
    """From `line` on, from 1, the file cannot be read with certainty, and is not read.

    `detail` says why and what to do. It repeats no cell.
    """

    def __init__(self, line: int, detail: str) -> None:
        super().__init__(detail)
        self.line = line
        self.detail = detail
