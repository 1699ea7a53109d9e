"""The logging configuration that web, worker and commands share."""

import os
import sys
from typing import Any, Final

_HERE: Final = "integration_project.observability"
_OURS: Final = ("clevertap_sync", "integration_project", "referrals")
# Their own lines say again what ours say.
_LEVELS: Final = {
    "django.request": "ERROR",
    "django.server": "ERROR",
    "celery.app.trace": "WARNING",
    "celery.worker.strategy": "WARNING",
    "gunicorn.access": "CRITICAL",
    "psycopg.pool": "WARNING",
    "uvicorn.error": "WARNING",
}


def build_logging_config(*, level: str, form: str) -> dict[str, Any]:
    """Return the `dictConfig`: every record, by one handler, to standard error.

    Standard output stays free for what a command prints. `form` is `json`,
    `terminal`, or `auto`: `terminal` where standard error is one, else `json`.
    """
    terminal = sys.stderr.isatty()
    # Reference: https://no-color.org and https://force-color.org
    colour = (terminal or "FORCE_COLOR" in os.environ) and "NO_COLOR" not in os.environ
    if form == "auto":
        form = "terminal" if terminal else "json"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {
            "refusal_text": {"()": f"{_HERE}.filters.RefusalTextFilter"},
            "message_text": {"()": f"{_HERE}.filters.MessageTextFilter"},
            "path_template": {"()": f"{_HERE}.filters.PathTemplateFilter"},
        },
        "formatters": {
            "json": {"()": f"{_HERE}.formatters.JsonFormatter"},
            "terminal": {
                "()": f"{_HERE}.formatters.TerminalFormatter",
                "colour": colour,
            },
        },
        "handlers": {
            "console": {
                "class": f"{_HERE}.line_handler.LineHandler",
                "filters": [
                    "refusal_text",
                    "message_text",
                    "path_template",
                ],
                "formatter": form,
            },
        },
        "root": {"handlers": ["console"], "level": _limit_library_level(level)},
        "loggers": _loggers(level),
    }


def _limit_library_level(level: str) -> str:
    """Return the level of other libraries: their DEBUG repeats what callers sent."""
    return "INFO" if level == "DEBUG" else level


def _loggers(level: str) -> dict[str, Any]:
    # Django, gunicorn and Celery bring handlers of their own, which an empty list removes.
    bare: dict[str, Any] = {"handlers": [], "propagate": True}
    theirs = bare | {"level": _limit_library_level(level)}
    return {
        **dict.fromkeys(("celery", "django", "gunicorn.error"), theirs),
        **{name: bare | {"level": least} for name, least in _LEVELS.items()},
        **{name: {"level": level} for name in _OURS},
    }
