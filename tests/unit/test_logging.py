"""One line per record, readable by machines or by people, and safe to keep."""

import importlib
import io
import json
import logging
import logging.config
import re
from enum import StrEnum
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given, strategies as st

from integration_project.observability import context
from integration_project.observability.filters import (
    MessageTextFilter,
    PathTemplateFilter,
    RefusalTextFilter,
)
from integration_project.observability.formatters import (
    JsonFormatter,
    TerminalFormatter,
)
from integration_project.observability.logs import build_logging_config
from integration_project.observability.redaction import is_secret_name, redact_text

# Its texts are not in the published types.
consumer: Any = importlib.import_module("celery.worker.consumer.consumer")


class Action(StrEnum):
    """A text of a kind of its own, as many fields are."""

    HELD = "held"


def a_record(message="attempt", *args, level=logging.INFO, exc_info=None, **extra):
    record = logging.getLogger("clevertap_sync.attempt").makeRecord(
        *("clevertap_sync.attempt", level, "send.py", 7, message, args, exc_info),
        extra=extra,
    )
    record.created = 1_764_000_000.25
    return record


def as_json(record):
    return json.loads(JsonFormatter().format(record))


class TestJson:
    def test_a_line_has_the_time_the_level_the_message_and_the_fields(self):
        record = a_record(app="shop", records=1000, duration_ms=12.5, balanced=True)

        assert as_json(record) == {
            "time": "2025-11-24T16:00:00.250+00:00",
            "level": "info",
            "logger": "clevertap_sync.attempt",
            "message": "attempt",
            "app": "shop",
            "records": 1000,
            "duration_ms": 12.5,
            "balanced": True,
        }

    def test_a_line_is_one_line(self):
        line = JsonFormatter().format(a_record("first\nsecond\r\u2028third"))

        assert line.count("\n") == 0
        assert json.loads(line)["message"] == "first\nsecond\r\u2028third"

    def test_a_line_of_a_request_carries_its_id(self):
        token = context.request_id.set("r-1")
        try:
            assert as_json(a_record())["request_id"] == "r-1"
        finally:
            context.request_id.reset(token)

        assert "request_id" not in as_json(a_record())

    def test_an_exception_keeps_its_frames(self):
        line = as_json(a_record(exc_info=a_failure("broken pipe")))

        assert line["exception"].startswith("Traceback (most recent call last):\n")
        assert line["exception"].endswith("\nValueError: broken pipe")


# What a caller may give as `extra`: names of any kind, and values that are shown or left out.
EXTRAS = st.dictionaries(
    st.one_of(
        st.sampled_from(
            ("time", "level", "logger", "app", "passcode", "lease_token", "exception")
        ),
        st.text(max_size=8).filter(lambda name: name not in vars(a_record())),
    ).filter(lambda name: name not in {"message", "asctime", "args"}),
    st.one_of(
        st.text(max_size=20),
        st.integers(),
        st.floats(),
        st.booleans(),
        st.none(),
        st.sampled_from(
            (HTTPStatus.ACCEPTED, Action.HELD, float("-inf"), [1], "a@b.c")
        ),
    ),
    max_size=6,
)


@given(EXTRAS, st.text(max_size=30), st.sampled_from(("", "r-1", "a@b.example")))
def test_a_line_is_what_json_makes_of_its_fields(extra, message, request_id):
    token = context.request_id.set(request_id)
    try:
        record = a_record(message.replace("%", ""))
        vars(record).update(extra)
        line = JsonFormatter().format(record)
    finally:
        context.request_id.reset(token)
    said = {
        "time": "2025-11-24T16:00:00.250+00:00",
        "level": "info",
        "logger": "clevertap_sync.attempt",
        "message": redact_text(record.msg),
    }
    named = {"request_id": redact_text(request_id)} if request_id else {}
    shown = {
        name: redact_text(value) if isinstance(value, str) else value
        for name, value in extra.items()
        if name != "request_id"
        and isinstance(value, str | int | float)
        and not is_secret_name(name)
    }

    assert line == json.dumps(said | named | shown, ensure_ascii=False)


class TestTerminal:
    def test_a_line_is_short(self):
        line = TerminalFormatter().format(a_record(app="shop", records=1000))

        assert re.fullmatch(r"\d\d:\d\d:\d\d INFO attempt app=shop records=1000", line)

    def test_a_line_of_a_request_ends_with_its_id(self):
        token = context.request_id.set("request-1\n09:00:00 ERROR forged")
        try:
            line = TerminalFormatter().format(a_record("request", status=202))
        finally:
            context.request_id.reset(token)

        assert line.endswith(
            "INFO request status=202 request_id=request-1 09:00:00 ERROR forged"
        )

    def test_colour_marks_the_level(self):
        record = a_record("held", level=logging.WARNING)

        line = TerminalFormatter(colour=True).format(record)

        assert line.endswith("\x1b[33mWARNING\x1b[0m held")

    def test_a_message_cannot_forge_a_line_or_colour_one(self):
        line = TerminalFormatter().format(
            a_record("a\n12:00:00 \x1b[31mERROR", b="\r\x9b")
        )

        assert line.isprintable()

    def test_an_exception_stands_below_its_line(self):
        line = TerminalFormatter().format(a_record(exc_info=a_failure("broken")))

        assert line.splitlines()[-1] == "ValueError: broken"


@pytest.mark.parametrize("formatter", [JsonFormatter(), TerminalFormatter()])
class TestNeverRaises:
    def test_when_the_arguments_do_not_fit_the_message(self, formatter):
        line = formatter.format(a_record("%s of %s", 1))

        assert "A log line from send:7 could not be formatted (TypeError)." in line

    def test_when_an_argument_cannot_be_shown(self, formatter):
        class Unshowable:
            def __str__(self):
                raise RuntimeError

        line = formatter.format(a_record("%s", Unshowable()))

        assert "A log line from send:7 could not be formatted (RuntimeError)." in line

    @pytest.mark.parametrize(
        "message", ["", "%", "\ud800", b"\xff", None, 5, "\x00", "é" * 100_000]
    )
    def test_whatever_the_message_is(self, formatter, message):
        assert isinstance(formatter.format(a_record(message)), str)

    def test_when_there_is_no_exception_after_all(self, formatter):
        record = a_record(exc_info=(None, None, None))

        assert "attempt" in formatter.format(record)


@pytest.mark.parametrize("formatter", [JsonFormatter(), TerminalFormatter()])
class TestSecrets:
    @pytest.mark.parametrize(
        "name",
        [
            *("passcode", "PASSWORD", "api_key", "key", "keys", "secret_key", "token"),
            *("Authorization", "cookie", "identity", "identities", "email", "phone"),
            *("ip", "remote_ip", "ip_address", "device_id", "advertising_id", "body"),
            *("headers", "query_string", "sentry_dsn", "credentials"),
            *("webhook-signature", "x_friendbuy_hmac", "X-Webhook-Secret"),
        ],
    )
    def test_a_field_with_a_secret_name_is_left_out(self, formatter, name):
        assert "canary" not in formatter.format(a_record(**{name: "canary"}))

    @pytest.mark.parametrize(
        "name",
        [
            *("lease_token", "identity_provider", "body_bytes", "body_hash", "app"),
            *("status", "request_id2", "records", "integration", "outcome", "path"),
        ],
    )
    def test_a_harmless_field_stays(self, formatter, name):
        assert "canary" in formatter.format(a_record(**{name: "canary"}))

    def test_a_field_that_is_not_a_plain_value_is_left_out(self, formatter):
        record = a_record(request={"a": "canary"}, data=["canary"], hold=object())

        assert "canary" not in formatter.format(record)
        assert "object at" not in formatter.format(record)

    @pytest.mark.parametrize(
        ("text", "canary"),
        [
            ("for ann@example.com now", "ann@example.com"),
            ("from 203.0.113.9", "203.0.113.9"),
            ("from 2001:db8::7:9", "2001:db8"),
            ("passcode=hunter2, then", "hunter2"),
            ('{"passcode": "hunter2"}', "hunter2"),
            ("X-CleverTap-Passcode: hunter2", "hunter2"),
            ("Authorization: Bearer hunter2", "hunter2"),
            ("postgres://u:hunter2@db/name refused", "hunter2"),
            ("ERROR: refused\nDETAIL:  Failing row contains (hunter2).", "hunter2"),
            ("GET /events?user=hunter2 failed", "hunter2"),
            ("POST /v1/hooks/0a1b2c/hunter2 failed", "hunter2"),
            ("/v1/HOOKS/hunter2", "hunter2"),
            ("Not Found: https://h//v1/hooks/hunter2", "hunter2"),
        ],
    )
    def test_a_text_that_looks_like_one_is_cut_out_wherever_it_stands(
        self, formatter, text, canary
    ):
        lines = [
            formatter.format(a_record(text)),
            formatter.format(a_record("%s", text)),
            formatter.format(a_record(detail=text)),
            formatter.format(a_record(exc_info=a_failure(text))),
        ]

        assert canary in text
        assert not [line for line in lines if canary in line]


class TestRedaction:
    @pytest.mark.parametrize(
        "text",
        [
            "Listening at: http://127.0.0.1:8000 (77)",
            "Upload 12 took 12:30:05, version 5.2.1, 3::4 of 10.0",
            "claim → map → send; 50 % of 1,000 records",
            "token ring, a secret of success",
            "POST /v1/hooks/<str:public_id>/<str:path_secret>",
        ],
    )
    def test_an_ordinary_text_stays_as_it_is(self, text):
        assert redact_text(text) == text.replace("3::4", "[redacted]")

    def test_a_long_text_is_cut_and_costs_little(self):
        for hostile in ("a" * 10**6, "a-" * 10**6, "1." * 10**6, "a:" * 10**6):
            assert len(redact_text(hostile)) <= 2_000

    def test_a_name_is_judged_by_its_words(self):
        assert is_secret_name("clevertap_passcode")
        assert not is_secret_name("shipping")
        assert not is_secret_name("monkey")


class TestFilters:
    def test_django_names_the_route_in_place_of_the_path(self, rf):
        request = rf.get("/v1/events/canary")
        one = a_record("Not Found: %s", "/v1/events/canary", request=request)
        two = a_record("Forbidden (%s): %s", "CSRF", "/canary", request=request)

        for record in (one, two):
            assert PathTemplateFilter().filter(record)

        assert one.getMessage() == "Not Found: (no route)"
        assert two.getMessage() == "Forbidden (CSRF): (no route)"

    @pytest.mark.parametrize(
        ("text", "filled_in", "said"),
        [
            (
                consumer.UNKNOWN_TASK_ERROR,
                (KeyError("append"), "canary", "canary", "canary"),
                "A message was dropped: no task is called 'append'",
            ),
            (
                consumer.INVALID_TASK_ERROR,
                ("canary", "canary"),
                "A message was dropped: it orders no task",
            ),
            (
                consumer.UNKNOWN_FORMAT,
                ("canary",),
                "A message was dropped: it orders no task",
            ),
            (
                consumer.MESSAGE_DECODE_ERROR,
                ("canary", "json", "utf-8", "canary", "canary"),
                "A message was dropped: it cannot be read",
            ),
        ],
    )
    def test_a_message_that_the_worker_cannot_use_is_not_repeated(
        self, text, filled_in, said
    ):
        record = a_record(text, *filled_in, exc_info=a_failure("canary"))
        record.name = "celery.worker.consumer.consumer"

        assert MessageTextFilter().filter(record)

        line = as_json(record)
        assert (line["message"], "exception" in line) == (said, False)

    def test_what_else_the_worker_says_stays(self):
        record = a_record("Connected to %s", "redis://127.0.0.1:6379")
        record.name = "celery.worker.consumer.consumer"

        assert MessageTextFilter().filter(record)

        assert record.getMessage() == "Connected to redis://127.0.0.1:6379"

    def test_a_refusal_is_named_by_its_kind(self):
        record = a_record(
            "Invalid HTTP_HOST header: 'canary'", exc_info=a_failure("canary")
        )
        record.name = "django.security.DisallowedHost"

        assert RefusalTextFilter().filter(record)

        line = as_json(record)
        assert "exception" not in line
        assert line["message"] == (
            "A request was refused, DisallowedHost: the host is not in ALLOWED_HOSTS"
        )

    def test_other_lines_pass_the_filters_unchanged(self):
        for name in ("django.security.csrf", "django", "referrals"):
            record = a_record("said %s", "so")
            record.name = name
            for each in (
                RefusalTextFilter,
                MessageTextFilter,
                PathTemplateFilter,
            ):
                assert each().filter(record)

            assert record.getMessage() == "said so"


class TestConfiguration:
    @pytest.fixture(autouse=True)
    def _restored(self, settings):
        yield
        logging.config.dictConfig(settings.LOGGING)

    @pytest.mark.parametrize(
        ("logger", "level", "lines"),
        [
            ("referrals", logging.INFO, 1),
            ("django.db", logging.INFO, 1),
            ("django.request", logging.WARNING, 0),
            ("django.request", logging.ERROR, 1),
            ("gunicorn.error", logging.INFO, 1),
            ("uvicorn.error", logging.INFO, 0),
            ("uvicorn.error", logging.WARNING, 1),
            ("celery.app.trace", logging.INFO, 0),
            ("celery.app.trace", logging.ERROR, 1),
            ("urllib3", logging.INFO, 1),
            # Libraries' DEBUG repeats requests, queries and messages.
            ("urllib3", logging.DEBUG, 0),
            ("gunicorn.error", logging.DEBUG, 0),
            ("django.db.backends", logging.DEBUG, 0),
            ("celery.worker", logging.DEBUG, 0),
            ("referrals", logging.DEBUG, 1),
            ("clevertap_sync.attempt", logging.DEBUG, 1),
            ("integration_project.request", logging.DEBUG, 1),
        ],
    )
    def test_every_library_logs_once_and_in_our_format(
        self, monkeypatch, logger, level, lines
    ):
        stream = io.StringIO()
        monkeypatch.setattr("sys.stderr", stream)
        logging.config.dictConfig(build_logging_config(level="DEBUG", form="auto"))

        logging.getLogger(logger).log(level, "said")

        written = [json.loads(line) for line in stream.getvalue().splitlines()]
        assert [line["message"] for line in written] == ["said"] * lines


def a_failure(text):
    try:
        fail(text)
    except ValueError as error:
        return (type(error), error, error.__traceback__)


def fail(text):
    raise ValueError(text)
