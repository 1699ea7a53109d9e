"""Takes out of others' log lines what they should not have put there."""

import logging
from typing import Final


class RefusalTextFilter(logging.Filter):
    """Cuts what Django says of a request that it refuses back to the kind of refusal."""

    _LOGGERS: Final = "django.security."
    _HINTS: Final = {"DisallowedHost": ": the host is not in ALLOWED_HOSTS"}

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the text and leave the trace out, in place, and let it pass."""
        kind = record.name.removeprefix(self._LOGGERS)
        if kind not in {record.name, "csrf"}:
            hint = self._HINTS.get(kind, "")
            record.msg, record.args = f"A request was refused, {kind}{hint}", None
            record.exc_info = record.exc_text = None
        return True


class MessageTextFilter(logging.Filter):
    """Cuts what Celery says of a message that it cannot use back to the fact.

    Celery's own text repeats the message, and so the identities in it.
    Reference: https://github.com/celery/celery/blob/main/celery/worker/consumer/consumer.py
    """

    _LOGGER: Final = "celery.worker.consumer.consumer"
    _FACTS: Final = {
        "Received unregistered task": "A message was dropped: no task is called %s",
        "Received invalid task message": "A message was dropped: it orders no task",
        "Received and deleted unknown": "A message was dropped: it orders no task",
        "Can't decode message body": "A message was dropped: it cannot be read",
    }

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the text and leave the trace out, in place, and let it pass."""
        if record.name != self._LOGGER:
            return True
        for start, fact in self._FACTS.items():
            if str(record.msg).startswith(start):
                # What Celery fills in first is the name that it did not find.
                names = record.args[:1] if isinstance(record.args, tuple) else ()
                record.msg, record.args = fact, names if "%s" in fact else None
                record.exc_info = record.exc_text = None
        return True


class PathTemplateFilter(logging.Filter):
    """Puts the route where Django puts the path, which can hold an idempotency key."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the record's path in place, and let it pass."""
        request = getattr(record, "request", None)
        if request is not None and isinstance(record.args, tuple) and record.args:
            # The path is what Django's messages end with.
            record.args = (*record.args[:-1], find_path_template(request))
        return True


def find_path_template(request: object) -> str:
    """Return the route that `request` took, such as `/v1/events/<id>`, or `(no route)`."""
    match = getattr(request, "resolver_match", None)
    return f"/{match.route}" if match is not None else "(no route)"
