"""The log: what append answers, and what is there afterwards."""

import json
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from referrals import log
from referrals.log import ArchivedAppError, Result, Status
from referrals.models import CustomName, ReferralEvent
from referrals.refusals import Code
from referrals.schema import EventProblem, decode_event
from referrals.signals import events_recorded
from tests.builders import (
    ANN,
    BOB,
    NOON,
    NOON_SECONDS,
    a_sent_custom_event,
    a_sent_event,
    an_app,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def app():
    return an_app()


def statuses(results):
    return [str(result.status) for result in results]


def positions(app):
    return list(
        ReferralEvent.objects.filter(app=app)
        .order_by("position")
        .values_list("position", flat=True)
    )


def test_an_event_that_is_answered_accepted_is_in_the_log_with_all_that_was_sent(app):
    """Invariant 1, as far as the log goes; the other half kills processes."""
    sent = a_sent_custom_event(
        id="b1c2",
        via="smart_invite",
        channel="whatsapp",
        content="spring",
        user={"identities": {"email": ANN, "custom_id": " 42 "}},
        metadata={"source": "billing"},
        test=True,
    )

    results = log.append(app, [sent])

    [warning] = results[0].warnings
    assert warning.startswith("An identity of the user has blanks")
    assert results == [
        Result(0, "b1c2", Status.ACCEPTED, position=1, warnings=(warning,))
    ]
    (logged,) = log.read_range(app.pk, 1, 1)
    assert logged.position == 1
    assert logged.event.id == "b1c2"
    assert logged.event.name == "Subscription Started"
    assert logged.event.occurred_at == NOON
    assert logged.event.user.identities == {"email": ANN, "custom_id": " 42 "}
    assert logged.event.referrer.identities == {"email": BOB}
    assert logged.event.event_data == {"plan": "gold"}
    assert logged.event.metadata == {"source": "billing"}
    row = ReferralEvent.objects.get(app=app, position=1)
    assert (row.key, row.type, row.name) == ("b1c2", "custom", "Subscription Started")
    assert (row.channel, row.status, row.test) == ("whatsapp", "valid", True)
    assert (row.occurred_at, row.received_at) == (NOON, logged.received_at)


def test_an_event_that_was_not_answered_is_not_half_there(app):
    """Invariant 1: a fault in the last statement leaves nothing of the first ones."""
    log.append(app, [a_sent_event(channel="sms")])
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE UNIQUE INDEX a_fault ON referrals_referralevent (app_id, channel)"
        )

    with pytest.raises(IntegrityError):
        log.append(app, [a_sent_custom_event(), a_sent_event(channel="sms")])

    assert positions(app) == [1]
    assert not CustomName.objects.exists()


def test_positions_have_no_gaps_and_follow_commit_order(app):
    """Invariant 2: whatever is refused or repeated takes no number."""
    first, second, third = (a_sent_event() for _ in range(3))
    log.append(app, [first, {"id": "bad"}, second])
    log.append(app, [second, {**first, "content": "other"}])

    results = log.append(app, [first, third])

    assert [r.position for r in results] == [1, 3]
    assert positions(app) == [1, 2, 3]
    assert log.read_head(app.pk) == 3
    assert [e.event.id for e in log.read_range(app.pk, 1, 3)] == [
        first["id"],
        second["id"],
        third["id"],
    ]


def test_each_app_has_a_log_of_its_own(app):
    other = an_app()
    sent = a_sent_event()

    log.append(other, [a_sent_event(), sent])

    assert log.append(app, [sent])[0].position == 1
    assert (log.read_head(app.pk), log.read_head(other.pk)) == (1, 2)


def test_a_key_is_stored_once_and_other_content_is_a_conflict(app):
    """Invariant 3."""
    sent = a_sent_event(id="k")
    log.append(app, [a_sent_event(), sent])

    again, other = log.append(app, [sent, {**sent, "content": "other"}])

    assert again == Result(0, "k", Status.DUPLICATE, position=2)
    assert (other.status, other.position, other.pointer) == (Status.CONFLICT, 2, "/id")
    assert log.find_event(app.pk, "k").event.content == "spring"
    assert log.read_head(app.pk) == 2


def test_of_equal_keys_in_one_request_the_first_good_one_counts(app):
    sent = a_sent_event(id="k")
    bad = {**sent, "type": "install"}

    results = log.append(app, [bad, sent, sent, {**sent, "content": "other"}])

    assert statuses(results) == ["rejected", "accepted", "duplicate", "conflict"]
    assert [r.position for r in results] == [None, 1, 1, 1]
    assert log.find_event(app.pk, "k").event.content == "spring"


@pytest.mark.parametrize(
    "again",
    [
        {"occurred_at": "2026-11-23T14:00:00.000+02:00"},
        {"occurred_at": NOON_SECONDS},
        {"occurred_at": float(NOON_SECONDS)},
        {"metadata": {"b": 2, "a": {"d": 4, "c": 3}}},
        {"user": {"ip": None, "identities": {"x": "1", "email": ANN}}},
        {"user": {"identities": {"x": "1", "email": ANN, "custom_id": None}}},
        {"test": None, "event_data": None},
    ],
)
def test_the_same_content_in_another_spelling_is_a_duplicate(app, again):
    sent = {
        **a_sent_event(id="k"),
        "user": {"identities": {"email": ANN, "x": "1"}},
        "metadata": {"a": {"c": 3, "d": 4}, "b": 2},
    }
    log.append(app, [decode_event(json.dumps(sent).encode())])
    spelt = json.dumps(dict(reversed({**sent, **again}.items())), indent=3)

    assert statuses(log.append(app, [decode_event(spelt.encode())])) == ["duplicate"]


@pytest.mark.parametrize(
    "change",
    [
        {"occurred_at": "2026-11-23T12:00:00.000001Z"},
        {"occurred_at": None},
        {"type": "app_open"},
        {"status": "valid"},
        {"channel": None},
        {"channel": ""},
        {"test": True},
        {"metadata": {"a": 1}},
        {"user": {"identities": {"email": ANN}, "ip": "203.0.113.7"}},
        {"user": {"identities": {"email": ANN.upper()}}},
    ],
)
def test_any_other_content_is_a_conflict(app, change):
    sent = a_sent_event(id="k")
    log.append(app, [sent])
    changed = {k: v for k, v in {**sent, **change}.items() if v is not None}

    assert statuses(log.append(app, [changed])) == ["conflict"]


def test_an_erased_event_answers_duplicate_to_any_content(app):
    log.append(app, [a_sent_event(id="k")])
    ReferralEvent.objects.filter(app=app, key="k").update(fingerprint=None)

    assert statuses(log.append(app, [a_sent_event(id="k", content="new")])) == [
        "duplicate"
    ]


def test_a_missing_time_is_the_time_of_receipt(app):
    before = timezone.now()

    log.append(app, [a_sent_event(occurred_at=None)])

    (logged,) = log.read_range(app.pk, 1, 1)
    assert logged.event.occurred_at == logged.received_at
    assert before <= logged.received_at <= timezone.now()
    row = ReferralEvent.objects.get(app=app)
    assert row.occurred_at == row.received_at == logged.received_at


def test_the_time_of_receipt_never_decreases(app):
    ahead = timezone.now() + timedelta(hours=1)
    log.append(app, [a_sent_event()])
    ReferralEvent.objects.filter(app=app).update(received_at=ahead)

    log.append(app, [a_sent_event(), a_sent_event()])

    assert [e.received_at for e in log.read_range(app.pk, 1, 9)] == [ahead] * 3


@pytest.mark.parametrize("microsecond", [0, 120000, 999999])
def test_instants_are_written_as_the_orm_reads_and_compares_them(app, microsecond):
    instant = datetime(2026, 11, 23, 9, 8, 7, microsecond, tzinfo=UTC)

    log.append(app, [a_sent_event(occurred_at=instant.isoformat())])

    rows = ReferralEvent.objects.filter(app=app)
    assert rows.get(occurred_at=instant).occurred_at == instant
    assert not rows.filter(occurred_at__lt=instant).exists()
    assert not rows.filter(occurred_at__gt=instant).exists()


def test_foreign_characters_survive(app):
    sent = a_sent_custom_event(
        "Größe “L” 🎉", event_data={"\\": "\\u0000", "e": "a'b\"c%s\n\t\u2028"}
    )

    log.append(app, [sent])

    event = log.read_range(app.pk, 1, 1)[0].event
    assert event.name == "Größe “L” 🎉"
    assert event.event_data == {"\\": "\\u0000", "e": "a'b\"c%s\n\t\u2028"}
    assert ReferralEvent.objects.get(app=app).name == "Größe “L” 🎉"


def test_numbers_keep_their_form(app):
    data = {"i": 2**63 - 1, "f": 1.0, "small": 1e-7, "n": -0.5}

    log.append(app, [a_sent_custom_event(event_data=data)])

    kept = log.read_range(app.pk, 1, 1)[0].event.event_data
    assert {k: (type(v), v) for k, v in kept.items()} == {
        k: (type(v), v) for k, v in data.items()
    }


def test_a_long_channel_is_cut_in_its_column_only(app):
    log.append(app, [a_sent_event(channel="é" * 300, via="smart_link")])

    assert log.read_range(app.pk, 1, 1)[0].event.channel == "é" * 300
    assert ReferralEvent.objects.get(app=app).channel == "é" * 255


def test_what_is_rejected_is_answered_in_its_place(app):
    problem = EventProblem(Code.UNKNOWN_VALUE, "/type", "No such type.", "b")

    results = log.append(app, [a_sent_event(id="a"), problem, a_sent_event(id="c")])

    assert results == [
        Result(0, "a", Status.ACCEPTED, position=1),
        Result(
            1,
            "b",
            Status.REJECTED,
            pointer="/type",
            detail="No such type.",
            code="unknown_value",
        ),
        Result(2, "c", Status.ACCEPTED, position=2),
    ]


def test_a_warning_comes_with_the_answer_and_costs_nothing(app):
    (result,) = log.append(app, [a_sent_event(channel="pigeon")])

    assert result.status is Status.ACCEPTED
    assert len(result.warnings) == 1


def test_nothing_is_appended_for_nothing(app, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert log.append(app, []) == []


def test_an_archived_app_accepts_nothing(app):
    app.archived_at = NOON

    with pytest.raises(ArchivedAppError, match=app.slug):
        log.append(app, [a_sent_event()])

    assert log.read_head(app.pk) == 0


class TestStrict:
    def test_good_events_are_stored(self, app):
        results = log.append(app, [a_sent_event(), a_sent_event()], strict=True)

        assert statuses(results) == ["accepted", "accepted"]
        assert log.read_head(app.pk) == 2

    def test_one_rejected_event_stops_all(self, app):
        good, bad = a_sent_event(id="a"), a_sent_event(id="b", type="install")

        results = log.append(app, [good, bad], strict=True)

        assert statuses(results) == ["rejected", "rejected"]
        assert results[0].pointer == ""
        assert "index 1" in results[0].detail
        assert results[1].pointer == "/type"
        assert log.read_head(app.pk) == 0

    def test_a_doubtful_event_is_refused(self, app):
        results = log.append(app, [a_sent_event(channel="pigeon")], strict=True)

        assert [(r.status, r.pointer) for r in results] == [
            (Status.REJECTED, "/channel")
        ]
        assert log.read_head(app.pk) == 0

    def test_one_conflict_stops_all_but_leaves_duplicates_what_they_are(self, app):
        old, older = a_sent_event(id="old"), a_sent_event(id="older")
        log.append(app, [older, old])
        new = a_sent_custom_event(id="new")

        results = log.append(
            app, [new, older, {**old, "content": "x"}, new], strict=True
        )

        assert statuses(results) == ["rejected", "duplicate", "conflict", "rejected"]
        assert [r.position for r in results] == [None, 1, 2, None]
        assert "index 2" in results[0].detail
        assert log.read_head(app.pk) == 2
        assert not CustomName.objects.exists()

    def test_a_conflict_within_the_request_points_at_no_position(self, app):
        sent = a_sent_event(id="k")

        results = log.append(app, [sent, {**sent, "content": "x"}], strict=True)

        assert statuses(results) == ["rejected", "conflict"]
        assert [r.position for r in results] == [None, None]

    def test_repeating_a_strict_request_is_harmless(self, app):
        events = [a_sent_event(), a_sent_event()]
        log.append(app, events, strict=True)

        assert statuses(log.append(app, events, strict=True)) == ["duplicate"] * 2


class TestCustomNames:
    def test_names_are_numbered_in_log_order(self, app):
        """Invariant 8: a name's number is fixed by append, in log order."""
        log.append(app, [a_sent_custom_event("B"), a_sent_event()])
        log.append(
            app,
            [
                a_sent_custom_event("C c"),
                a_sent_custom_event("b"),
                a_sent_custom_event("A"),
            ],
        )
        log.append(app, [a_sent_custom_event("cC"), a_sent_custom_event("D")])

        numbers = [e.event.name_number for e in log.read_range(app.pk, 1, 9)]
        assert numbers == [1, 0, 2, 1, 3, 2, 4]
        names = CustomName.objects.filter(app=app).order_by("number")
        assert list(
            names.values_list("number", "name", "normalised", "first_position")
        ) == [
            (1, "B", "b", 1),
            (2, "C c", "cc", 3),
            (3, "A", "a", 5),
            (4, "D", "d", 7),
        ]

    def test_a_refused_event_gives_no_name_a_number(self, app):
        sent = a_sent_event(id="k")
        log.append(app, [sent])

        log.append(
            app, [a_sent_custom_event("A", id="k"), a_sent_custom_event("App Open")]
        )

        assert not CustomName.objects.exists()

    def test_each_app_counts_its_own_names(self, app):
        log.append(an_app(), [a_sent_custom_event("A"), a_sent_custom_event("B")])

        log.append(app, [a_sent_custom_event("B")])

        assert log.read_range(app.pk, 1, 1)[0].event.name_number == 1

    def test_a_name_at_the_limit_of_its_column_is_stored(self, app):
        log.append(app, [a_sent_custom_event("ΐ" * 85), a_sent_custom_event("x" * 255)])

        assert CustomName.objects.filter(app=app).count() == 2


class TestCallersTransaction:
    def test_append_joins_it(self, app, django_capture_on_commit_callbacks):
        sent = a_sent_event()

        with django_capture_on_commit_callbacks() as callbacks, transaction.atomic():
            assert statuses(log.append(app, [sent])) == ["accepted"]
            transaction.set_rollback(True)

        assert log.read_head(app.pk) == 0
        assert callbacks == []
        assert statuses(log.append(app, [sent])) == ["accepted"]

    def test_two_appends_in_one_go_on_counting(self, app):
        with transaction.atomic():
            log.append(app, [a_sent_event()])
            results = log.append(app, [a_sent_event()])

        assert results[0].position == 2


class TestSignal:
    @pytest.fixture
    def heard(self):
        calls = []

        def receiver(**named):
            calls.append((named["sender"].__name__, named["app_id"], named["head"]))

        events_recorded.connect(receiver)
        yield calls
        events_recorded.disconnect(receiver)

    def test_it_is_sent_once_per_append_that_stored_something(
        self, app, heard, django_capture_on_commit_callbacks
    ):
        sent = a_sent_event()
        with django_capture_on_commit_callbacks(execute=True):
            log.append(app, [sent, a_sent_event()])
            assert heard == []
            log.append(app, [sent, {"id": "bad"}])

        assert heard == [("App", app.pk, 2)]

    def test_a_receiver_that_fails_costs_nothing(
        self, app, heard, django_capture_on_commit_callbacks
    ):
        def broken(**_):
            raise RuntimeError

        events_recorded.connect(broken)
        try:
            with django_capture_on_commit_callbacks(execute=True):
                log.append(app, [a_sent_event()])
        finally:
            events_recorded.disconnect(broken)

        assert log.read_head(app.pk) == 1
        assert heard == [("App", app.pk, 1)]


class TestQueryBudget:
    """The number of statements does not depend on the number of events."""

    # On PostgreSQL the lock with the look-up, and the insert; on SQLite two look-ups and
    # the insert.
    LEAST = 2 if connection.vendor == "postgresql" else 3
    # A few events are one call of PostgreSQL's.
    LEAST_OF_FEW = 1 if connection.vendor == "postgresql" else 3

    def queries(self, captured):
        ends = ("SAVEPOINT", "RELEASE SAVEPOINT", "BEGIN", "COMMIT")
        return [q for q in captured if not q["sql"].startswith(ends)]

    @pytest.mark.parametrize("size", [1, 300])
    def test_a_request_of_built_in_events(
        self, app, size, django_assert_max_num_queries
    ):
        with django_assert_max_num_queries(5) as captured:
            log.append(app, [a_sent_event() for _ in range(size)])

        least = self.LEAST_OF_FEW if size == 1 else self.LEAST
        assert len(self.queries(captured)) == least

    @pytest.mark.parametrize("size", [1, 300])
    def test_known_custom_names_cost_one_look_up(
        self, app, size, django_assert_max_num_queries
    ):
        log.append(app, [a_sent_custom_event("A")])

        with django_assert_max_num_queries(6) as captured:
            log.append(app, [a_sent_custom_event("A") for _ in range(size)])

        is_one_call = size == 1 and connection.vendor == "postgresql"
        assert len(self.queries(captured)) == (1 if is_one_call else self.LEAST + 1)

    @pytest.mark.parametrize("size", [1, 300])
    def test_installs_with_signals_cost_one_look_up_and_one_insert(
        self, app, size, django_assert_max_num_queries
    ):
        events = [
            a_sent_event(user={"identities": {}, "ip": f"203.0.{n // 250}.{n % 250}"})
            for n in range(size)
        ]

        with django_assert_max_num_queries(7) as captured:
            log.append(app, events)

        assert len(self.queries(captured)) == self.LEAST + 2


def test_the_body_is_the_event_as_one_json_text(app):
    log.append(app, [a_sent_event(id="k", content="ü")])

    body = ReferralEvent.objects.get(app=app).body
    assert msgspec.json.decode(body)["content"] == "ü"
    assert body.startswith(
        '{"id":"k","type":"app_install","occurred_at":"2026-11-23T12:00:00Z"'
    )


def test_what_a_text_format_would_take_for_its_own_is_kept_as_it_is(app):
    odd = "tab\tline\nreturn\r\\back\\N \\. \\t"
    sent = a_sent_event(id="\\N", channel=odd, content=odd)
    named = a_sent_custom_event("Level\t\\t\nUp", id="\\.", event_data={odd: odd})

    assert statuses(log.append(app, [sent, named])) == ["accepted", "accepted"]

    first, second = ReferralEvent.objects.filter(app=app).order_by("position")
    assert (first.key, first.channel, first.name) == ("\\N", odd, "")
    assert (second.key, second.name) == ("\\.", "Level\t\\t\nUp")
    kept, custom = (logged.event for logged in log.read_range(app.pk, 1, 2))
    assert (kept.channel, kept.content) == (odd, odd)
    assert (custom.name, custom.event_data) == ("Level\t\\t\nUp", {odd: odd})
    assert statuses(log.append(app, [sent, named])) == ["duplicate", "duplicate"]


def test_the_events_of_a_range_are_those_that_a_reader_gets(app):
    log.append(app, [a_sent_event() for _ in range(7)])

    found, _ = log.read_events(app.pk, 3, 5)
    events = list(found)

    assert [position for position, _ in events] == [3, 4, 5]
    assert events == [(e.position, e.event) for e in log.read_range(app.pk, 3, 5)]
