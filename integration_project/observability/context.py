"""Which request this thread is serving, for the log lines that it writes meanwhile."""

from contextvars import ContextVar
from typing import Final

request_id: Final[ContextVar[str]] = ContextVar("request_id", default="")
