"""Writes log lines, each at once."""

import logging
from typing import TextIO


class LineHandler(logging.StreamHandler[TextIO]):
    """As `logging`'s own, which takes its lock a second time to flush."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record's line. What goes wrong with it goes to standard error."""
        try:
            self.stream.write(f"{self.format(record)}{self.terminator}")
            self.stream.flush()
        except RecursionError:
            raise
        except Exception:  # noqa: BLE001 - a log line never breaks its caller
            self.handleError(record)
