"""One log line per record: JSON for machines, short and coloured for a terminal.

Both show the same fields, and neither ever raises: a line that cannot be formatted says
so and is not lost.
"""

import json
import logging
import traceback
from datetime import UTC, datetime
from json.encoder import encode_basestring
from math import isfinite
from typing import Any, Final

from integration_project.observability import context
from integration_project.observability.redaction import is_secret_name, redact_text

# The attributes of every record; any other was given as `extra`.
_STANDARD: Final = frozenset(
    {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "request_id"}
)
_LONGEST_TRACE: Final = 16_000
# For what is rare in a line, such as truth.
_encode: Final = json.JSONEncoder(ensure_ascii=False, default=str).encode


class JsonFormatter(logging.Formatter):
    """A JSON object per line, for programs that collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        try:
            line = {**_head(record), **list_public_fields(record)}
            if record.exc_info:
                line["exception"] = format_trace(record)
            return _encode_line(line)
        except Exception as error:  # noqa: BLE001 - a log line never breaks its caller
            return json.dumps(_unformattable(record, error))


class TerminalFormatter(logging.Formatter):
    """A short line for people. `colour` marks the level and dims what matters less."""

    _COLOURS: Final = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and the trace of an exception below it."""
        try:
            line = self._line(record)
            return f"{line}\n{format_trace(record)}" if record.exc_info else line
        except Exception as error:  # noqa: BLE001 - a log line never breaks its caller
            return " ".join(_unformattable(record, error).values())

    def _line(self, record: logging.LogRecord) -> str:
        time = f"{_instant(record).astimezone():%H:%M:%S}"
        # Its request is named last, where an attempt names the requests that it is about.
        shown = {**list_public_fields(record), **_name_request()}
        fields = _plain(" ".join(f"{k}={v}" for k, v in shown.items()))
        level = self._painted(
            record.levelname, self._COLOURS.get(record.levelname, "32")
        )
        parts = [time, level, _plain(_message(record)), self._painted(fields, "2")]
        return " ".join(part for part in parts if part)

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colour and text else text


def list_public_fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that the caller gave as `extra` and that may be seen.

    Only plain values pass: an object, such as the request that Django attaches or the
    arguments that Celery does, could hold anything.
    """
    fields: dict[str, Any] = {}
    for name, value in vars(record).items():
        if name in _STANDARD or is_secret_name(name):
            continue
        if isinstance(value, str):
            fields[name] = redact_text(value)
        elif isinstance(value, int | float):
            fields[name] = value
    return fields


def _encode_line(line: dict[str, Any]) -> str:
    """Return what `json.dumps` makes of plain values. It makes an encoder for each line."""
    fields = []
    for name, value in line.items():
        kind = type(value)
        if kind is str:
            text = encode_basestring(value)
        elif kind is int or (kind is float and isfinite(value)):
            text = repr(value)
        else:
            text = _encode(value)
        fields.append(f"{encode_basestring(name)}: {text}")
    return f"{{{', '.join(fields)}}}"


def format_trace(record: logging.LogRecord) -> str:
    """Return the exception with its frames and without the values in them."""
    if not isinstance(record.exc_info, tuple) or record.exc_info[1] is None:
        return ""
    lines = traceback.format_exception(record.exc_info[1])
    # The end says what happened.
    return redact_text("".join(lines).rstrip()[-_LONGEST_TRACE:], _LONGEST_TRACE)


def _head(record: logging.LogRecord) -> dict[str, Any]:
    head = {
        "time": _instant(record).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": _message(record),
    }
    return head | _name_request()


def _name_request() -> dict[str, str]:
    # A caller chose it, so that it may be anything.
    request_id = redact_text(context.request_id.get())
    return {"request_id": request_id} if request_id else {}


def _message(record: logging.LogRecord) -> str:
    return redact_text(record.getMessage())


def _plain(text: str) -> str:
    """Return the text in one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in text).strip()


def _instant(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)


def _unformattable(record: logging.LogRecord, error: Exception) -> dict[str, str]:
    where = f"{record.module}:{record.lineno}"
    return {
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": f"A log line from {where} could not be formatted ({type(error).__name__}).",
    }
