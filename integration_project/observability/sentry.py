"""Error reports to Sentry, without anything that a person or an account could lose.

A report has only what this module names: exception types and stack frames without their
values, the route, the release, tags. It has no message of an exception, because a library
may have put anything into it; the log line has it, redacted.
Reference: https://docs.sentry.io/platforms/python/data-management/sensitive-data/
"""

from typing import TYPE_CHECKING, Any, Final

import sentry_sdk
from sentry_sdk.integrations.celery import CeleryIntegration
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.logging import ignore_logger
from sentry_sdk.utils import BadDsn, Dsn

from integration_project.environment import UnusableError
from integration_project.observability.redaction import redact_text
from integration_project.observability.report_groups import (
    ReportLimit,
    describe_kind,
    find_delivery_fault,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sentry_sdk.types import Event, Hint

_EVENT: Final = frozenset(
    {
        *("event_id", "timestamp", "level", "logger", "platform", "release"),
        *("environment", "server_name", "sdk", "type", "modules"),
    }
)
_CONTEXTS: Final = frozenset({"runtime", "os", "trace"})
_CRUMB: Final = frozenset({"type", "category", "level", "timestamp"})
_CRUMB_DATA: Final = frozenset({"http.response.status_code", "http.method"})
_FRAME: Final = frozenset(
    {
        *("filename", "abs_path", "function", "module", "lineno", "in_app"),
        *("pre_context", "context_line", "post_context"),
    }
)
# What Sentry derived from the code. The rest (`url`) is what the caller asked for.
_ROUTE_SOURCES: Final = frozenset({"component", "route", "task", "view"})
# A report of theirs would repeat ours.
_IGNORED_LOGGERS: Final = ("gunicorn.error",)
# What a caller did wrong, such as a form of a thousand fields: a stranger would decide how many
# reports there are.
_CALLERS_FAULTS: Final = "django.security."
_limit: Final = ReportLimit()


def check_dsn(dsn: str) -> str:
    """Return `dsn` if reports can go there. Raises `UnusableError` otherwise."""
    try:
        Dsn(dsn)
    except (BadDsn, ValueError):
        raise UnusableError(because="it is not the address of a project") from None
    return dsn


def start_sentry(dsn: str, *, environment: str, release: str) -> None:
    """Report errors from now on. Without a release, the SDK looks for the platform's."""
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        release=release or None,
        include_local_variables=False,
        send_default_pii=False,
        max_request_body_size="never",
        before_send=make_report,
        auto_enabling_integrations=False,
        integrations=[
            DjangoIntegration(transaction_style="function_name"),
            CeleryIntegration(propagate_traces=False),
        ],
        # No trace headers in requests to CleverTap, and no report but of errors.
        trace_propagation_targets=[],
        auto_session_tracking=False,
        send_client_reports=False,
    )
    for name in _IGNORED_LOGGERS:
        ignore_logger(name)


def make_report(event: "Event", hint: "Hint") -> "Event | None":
    """Return what is sent of an event; None where its issue has just had a report."""
    if (event.get("logger") or "").startswith(_CALLERS_FAULTS):
        return None
    fault = find_delivery_fault(hint)
    if not _limit.passes(fault or describe_kind(event)):
        return None
    report = scrub_event(event)
    if fault is None:
        return report
    report["fingerprint"] = fault.fingerprint
    report["tags"] = {**report.get("tags", {}), **fault.tags}
    return report


def scrub_event(event: "Event") -> "Event":
    """Return a new event with the harmless parts only; each of them is named here."""
    given: dict[str, Any] = dict(event)
    scrubbed = {
        **_only(given, _EVENT),
        "tags": _texts(given.get("tags")),
        "contexts": _only(given.get("contexts"), _CONTEXTS),
        "request": _only(given.get("request"), frozenset({"method"})),
        "exception": _values(given.get("exception"), _exception),
        "threads": _values(given.get("threads"), _thread),
        "breadcrumbs": _values(given.get("breadcrumbs"), _breadcrumb),
        "transaction": _transaction(given),
        "logentry": _logentry(given.get("logentry")),
    }
    return {name: value for name, value in scrubbed.items() if value}  # type: ignore[return-value] # built from an Event's own keys


def _breadcrumb(crumb: dict[str, Any]) -> dict[str, Any]:
    """Return the kind of an earlier step, without its text."""
    data = _only(crumb.get("data"), _CRUMB_DATA)
    return _only(crumb, _CRUMB) | ({"data": data} if data else {})


def _exception(given: dict[str, Any]) -> dict[str, Any]:
    mechanism = _only(given.get("mechanism"), frozenset({"type", "handled"}))
    return _only(given, frozenset({"type", "module", "thread_id"})) | {
        "mechanism": mechanism or {"type": "generic"},
        "stacktrace": _stacktrace(given.get("stacktrace")),
    }


def _thread(given: dict[str, Any]) -> dict[str, Any]:
    return _only(given, frozenset({"id", "crashed", "current"})) | {
        "stacktrace": _stacktrace(given.get("stacktrace"))
    }


def _stacktrace(given: dict[str, Any] | None) -> dict[str, Any]:
    frames = (given or {}).get("frames") or []
    return {"frames": [_only(frame, _FRAME) for frame in frames]}


def _transaction(event: dict[str, Any]) -> str:
    source = (event.get("transaction_info") or {}).get("source")
    return event.get("transaction") or "" if source in _ROUTE_SOURCES else ""


def _logentry(given: dict[str, Any] | None) -> dict[str, str]:
    """Return the log line's template, without the values for its places."""
    template = (given or {}).get("message")
    return {"message": redact_text(str(template))} if template else {}


def _texts(tags: object) -> dict[str, str]:
    """Return the tags, which the SDK keeps as a dict or as pairs."""
    pairs = tags.items() if isinstance(tags, dict) else tags or ()
    return {str(k): redact_text(str(v)) for k, v in pairs}  # type: ignore[attr-defined] # pairs, as the SDK has it


def _values(given: Any, scrub: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON in, JSON out
    values: Iterable[Any] = given.get("values") or () if isinstance(given, dict) else ()
    scrubbed = [scrub(value) for value in values]
    return {"values": scrubbed} if scrubbed else {}


def _only(given: dict[str, Any] | None, names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in (given or {}).items() if name in names}
