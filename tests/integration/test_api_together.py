"""POSTs of events that come in one moment: one append, and each its own answer.

They enter by the WSGI callable that the web process serves.
"""

import json

import pytest
import sentry_sdk
from django.db import DataError, OperationalError, connection

from integration_project import quick_receipts
from integration_project.api_entry import ApiEntry
from integration_project.observability import context
from integration_project.web.responses import WebAnswer, answer_by_wsgi
from integration_project.wsgi import application
from referrals import log
from referrals.api import auth
from referrals.ingest import background
from referrals.log import together
from referrals.log.writer import SMALL_EVENTS
from referrals.models import IngestCount, ReferralEvent
from referrals.signals import events_recorded
from tests import builders
from tests.builders import a_sent_event
from tests.integration.hooks.wire import make_environ

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    return builders.an_app("shop")


@pytest.fixture
def key(app):
    return builders.an_api_key(app)


def post(key, body, *headers, query=b""):
    """Return the environment of a request."""
    if not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [("Content-Type", "application/json"), ("Authorization", f"Bearer {key}")]
    return make_environ("POST", b"/v1/events", [*lines, *headers], body, query=query)


def answer(environ):
    outcome = answer_by_wsgi(application, environ, None)
    assert not isinstance(outcome, BaseException), outcome
    return describe(outcome)


def describe(outcome):
    return outcome.status, json.loads(outcome.body), dict(outcome.headers)


def answer_together(*environs):
    """Answer requests as a thread of the web process does."""
    return [
        describe(found) if isinstance(found, WebAnswer) else answer(environ)
        for environ, found in zip(
            environs, application.answer_together(environs), strict=True
        )
    ]


def statuses(answers):
    return [status for status, _, _ in answers]


@pytest.fixture
def appends(monkeypatch):
    """Count the transactions that append."""
    from referrals.log import storing, writer

    done = []

    def store(*args, **options):
        done.append(len(args[1]))
        return storing.store_drafts(*args, **options)

    monkeypatch.setattr(writer, "store_drafts", store)
    return done


def test_they_share_an_append_and_each_is_answered_for_itself(key, appends):
    answers = answer_together(
        post(key, a_sent_event(id="a")),
        post(key, {"events": [a_sent_event(id="b"), a_sent_event(id="b"), {}]}),
        post(key, a_sent_event(id="c"), ("X-Request-Id", "of-c")),
    )

    assert appends == [4]
    assert statuses(answers) == [202, 202, 202]
    assert [
        [
            (each["index"], each["status"], each.get("position"))
            for each in body["results"]
        ]
        for _, body, _ in answers
    ] == [
        [(0, "accepted", 1)],
        [(0, "accepted", 2), (1, "duplicate", 2), (2, "rejected", None)],
        [(0, "accepted", 3)],
    ]
    names = [headers[b"x-request-id"].decode() for *_, headers in answers]
    rows = ReferralEvent.objects.order_by("position")
    assert list(rows.values_list("key", "request_id")) == list(
        zip("abc", names, strict=True)
    )
    assert names[2] == "of-c"


def test_their_answers_are_those_of_requests_that_come_alone(key):
    def requests(start):
        event = a_sent_event(id=f"{start}-1", occurred_at="2026-11-20T10:00:00Z")
        other = {**event, "channel": "other"}
        return [
            post(key, event),
            post(key, event),
            post(key, other),
            post(key, b"{"),
            post(key, b""),
            post(key, a_sent_event(id=f"{start}-2"), query=b"dry_run=1"),
            post(
                key, {"events": [a_sent_event(id=f"{start}-3"), {}]}, query=b"strict=1"
            ),
            post(key, a_sent_event(id=f"{start}-4"), query=b"dryrun=1"),
            post("rk_nobody", a_sent_event(id=f"{start}-5")),
            post(key, a_sent_event(id=f"{start}-6"), ("Content-Encoding", "br")),
            post(key, a_sent_event(id=f"{start}-7"), ("Host", "evil.example.com")),
            make_environ(
                "POST", b"/v1/events", [("Authorization", f"Bearer {key}")], b"{}"
            ),
        ]

    def described(answers, start):
        return [
            (
                status,
                json.dumps(body)
                .replace(start, "n")
                .replace('"position": 2', '"position": 1'),
                sorted(headers.keys()),
            )
            for status, body, headers in answers
        ]

    alone = described([answer(each) for each in requests("alone")], "alone")
    together = described(answer_together(*requests("group")), "group")

    assert [status for status, *_ in alone] == [
        *(202, 202, 422, 400, 400, 200, 422, 400, 401, 415, 400, 415)
    ]
    assert together == alone
    assert ReferralEvent.objects.count() == 2


def test_each_answer_is_counted_once(app, key, django_capture_on_commit_callbacks):
    background.flush_counts()
    with django_capture_on_commit_callbacks(execute=True):
        answer_together(
            post(key, a_sent_event(id="a")),
            post(key, b"{"),
            post("rk_" + "x" * 43, a_sent_event(id="b")),
            post(key, {"events": [{}, a_sent_event(id="c")]}),
        )
    background.flush_counts()

    counted = IngestCount.objects.filter(hour__year__gt=2000)
    found = sorted(
        (each.app_id == app.pk, each.outcome, each.number) for each in counted
    )
    assert found == [
        (False, "unauthorised", 1),
        (True, "accepted", 2),
        (True, "rejected", 1),
        (True, "rejected", 1),
    ]


def test_a_database_that_is_away_is_tried_once_for_all_of_them(key, appends):
    def fail(execute, sql, params, many, context):
        if "referrals_referralevent" in sql:
            raise OperationalError
        return execute(sql, params, many, context)

    environs = [post(key, a_sent_event(id=name)) for name in "abc"]
    answer(post(key, a_sent_event(id="warm")))
    with connection.execute_wrapper(fail):
        answers = answer_together(*environs)

    assert statuses(answers) == [503, 503, 503]
    assert appends == [1, 3]
    assert ReferralEvent.objects.count() == 1


def test_a_database_that_knows_no_key_is_asked_for_one_of_them(key):
    asked = []

    def fail(execute, sql, params, many, context):
        asked.append(sql)
        raise OperationalError

    environs = [post(key, a_sent_event(id=name)) for name in "abc"]
    with connection.execute_wrapper(fail):
        found = application.answer_together(environs)

    assert found == [True, False, False]
    assert len(asked) == 1
    assert statuses(map(answer, environs)) == [503, 202, 202]


@pytest.mark.parametrize("number", [1, 2])
def test_only_who_has_company_is_said_to_be_left_alone(key, caplog, number):
    def fail(*_):
        raise OperationalError

    auth.clear_remembered_keys()
    environs = [post(key, a_sent_event(id=name)) for name in "ab"[:number]]
    with connection.execute_wrapper(fail):
        application.answer_together(environs)
        answered = answer(environs[0])

    assert answered[0] == 503
    assert [each.getMessage() for each in caplog.records if each.levelname != "INFO"][
        :-1
    ] == [
        *["Requests are left alone (OperationalError)"] * (number - 1),
        "The API met OperationalError (SQLSTATE none). ",
    ]


def test_who_still_needs_the_database_is_named(key, monkeypatch):
    monkeypatch.setattr(together, "GROUP_EVENTS", 2)

    found = application.answer_together(
        [
            post(key, a_sent_event(id="strict"), query=b"strict=1"),
            post(key, a_sent_event(id="a")),
            post(key, a_sent_event(id="dry"), query=b"dry_run=1"),
            post(key, b"{"),
            post("rk_nobody", a_sent_event(id="b")),
            post(key, {}),
            post(key, a_sent_event(id="d")),
        ]
    )

    assert [isinstance(each, WebAnswer) or each for each in found] == [
        *(False, True, False, False, False, True, False)
    ]
    # Of which all was refused has the answer of a view.
    assert found[5] is True


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_receipt_made_without_layers_is_that_of_the_layers(
    key, scheme, settings, caplog
):
    settings.SECURE_HSTS_SECONDS = 60
    entry = ApiEntry(application)
    body = {
        "events": [
            a_sent_event(id="a"),
            a_sent_event(id="a", channel="other"),
            {},
            a_sent_event(id="b", channel="carrier pigeon"),
        ]
    }
    environs = [post(key, body, ("X-Request-Id", "one")) for _ in range(3)]
    for environ in environs:
        environ["wsgi.url_scheme"] = scheme
    with caplog.at_level("INFO", "integration_project.request"):
        answer(environs[0])
        caplog.clear()
        by_layers = answer_by_wsgi(entry, environs[1], None)
        (quick,) = entry.answer_together(environs[2:])

    assert isinstance(quick, WebAnswer)
    assert quick == by_layers
    assert json.loads(quick.body)["duplicates"] == 2
    logged = [{**vars(record)} for record in caplog.records]
    told = ("method", "path", "status", "app", "duplicate", "conflict", "rejected")
    assert [[line[name] for name in told] for line in logged] == 2 * [
        ["POST", "/v1/events", 202, "shop", 2, 1, 1]
    ]
    assert len({frozenset(line) for line in logged}) == 1
    told = dict(quick.headers).get(b"strict-transport-security")
    assert told == (b"max-age=60" if scheme == "https" else None)


def test_what_fails_for_all_of_them_leaves_each_its_body(key, monkeypatch):
    def fail(_requests):
        raise ZeroDivisionError

    environs = [post(key, a_sent_event(id="a")), post(key, b"{")]
    alone = answer(post(key, b"{"))
    with monkeypatch.context() as broken:
        broken.setattr(log, "append_together", fail)
        with pytest.raises(ZeroDivisionError):
            application.answer_together(environs)
    answers = [answer(each) for each in environs]

    assert statuses(answers) == [202, 400]
    assert answers[1][1]["detail"] == alone[1]["detail"]


def test_a_receipt_that_cannot_be_made_is_left_to_its_view(key, monkeypatch):
    def note(_method, _path, _status, _seconds, fields):
        if fields.get("duplicate"):
            raise ZeroDivisionError

    answer(post(key, a_sent_event(id="b")))
    monkeypatch.setattr(quick_receipts, "note_request", note)

    answers = answer_together(*(post(key, a_sent_event(id=name)) for name in "abc"))

    assert statuses(answers) == [202, 202, 202]
    assert [body["results"][0]["status"] for _, body, _ in answers] == [
        *("accepted", "duplicate", "accepted")
    ]
    assert ReferralEvent.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_what_is_said_during_an_append_names_the_request_that_is_alone_and_the_view(
    key,
):
    said = []

    def hear(**_):
        view = sentry_sdk.get_current_scope()._transaction
        said.append((context.request_id.get(), view))

    client = sentry_sdk.Client("http://key@127.0.0.1/1", default_integrations=False)
    events_recorded.connect(hear)
    try:
        with sentry_sdk.new_scope() as scope:
            scope.set_client(client)
            answer_together(post(key, a_sent_event(id="a"), ("X-Request-Id", "mine")))
            answer_together(*(post(key, a_sent_event(id=name)) for name in "bc"))
            hear()
    finally:
        events_recorded.disconnect(hear)
        client.close()

    view = "referrals.api.views.receive_events"
    assert said == [("mine", view), ("", view), ("", None)]


def test_one_event_that_the_database_refuses_costs_the_others_nothing(key, monkeypatch):
    from referrals.log import storing, writer

    def store(app_id, drafts, **options):
        if any(draft.key == "bad" for draft in drafts):
            raise DataError
        return storing.store_drafts(app_id, drafts, **options)

    monkeypatch.setattr(writer, "store_drafts", store)

    answers = answer_together(
        *(post(key, a_sent_event(id=name)) for name in ("good", "bad", "fine"))
    )

    assert statuses(answers) == [202, 422, 202]
    assert sorted(ReferralEvent.objects.values_list("key", flat=True)) == [
        "fine",
        "good",
    ]


def test_large_requests_have_an_append_of_their_own(key, appends):
    def many(name, count):
        return {"events": [a_sent_event(id=f"{name}{n}") for n in range(count)]}

    answers = answer_together(
        post(key, many("small", SMALL_EVENTS)),
        post(key, many("large", SMALL_EVENTS + 1)),
        post(key, a_sent_event(id="one")),
    )

    assert statuses(answers) == [202, 202, 202]
    assert appends == [SMALL_EVENTS + 1, SMALL_EVENTS + 1]


def test_a_company_of_many_leaves_the_last_to_themselves(key, appends, monkeypatch):
    monkeypatch.setattr(together, "GROUP_EVENTS", 2)

    answers = answer_together(
        *(post(key, a_sent_event(id=name)) for name in ("a", "b", "c"))
    )

    assert statuses(answers) == [202, 202, 202]
    assert appends == [2, 1]


def test_a_key_that_ends_in_between_is_still_told_what_was_refused(app, key):
    environ = post(key, {"events": [{}]})
    assert application.answer_together([environ]) == [True]
    app.api_keys.update(revoked_at="2026-11-01T00:00:00Z")
    auth.clear_remembered_keys()

    assert answer(environ)[0] == 422
    assert answer(post(key, a_sent_event(id="b")))[0] == 401


def test_an_append_of_nothing_is_nothing():
    assert log.append_together([]) == []


def test_with_a_layer_of_somebody_elses_each_answer_passes_it(key, settings):
    settings.MIDDLEWARE = [
        "tests.integration.test_api_together.StampMiddleware",
        *settings.MIDDLEWARE,
    ]
    entry = ApiEntry(application)
    environ = post(key, a_sent_event(id="a"))

    assert entry.answer_together([environ]) == [False]
    assert ReferralEvent.objects.count() == 0
    assert dict(answer_by_wsgi(entry, environ, None).headers)[b"x-stamp"] == b"yes"
    assert ReferralEvent.objects.count() == 1


class StampMiddleware:
    """Middleware that a deployment has added."""

    def __init__(self, get_response):
        self._get_response = get_response

    def __call__(self, request):
        response = self._get_response(request)
        response.headers["X-Stamp"] = "yes"
        return response
