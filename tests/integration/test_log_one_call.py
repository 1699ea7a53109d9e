"""A few events are stored by one call of PostgreSQL's, with the same result as in steps."""

import threading

import pytest
from django.db import IntegrityError, connection, transaction

from referrals import log
from referrals.log import names, one_call
from referrals.models import CustomName, ReferralEvent
from tests.builders import a_sent_custom_event, a_sent_event, an_app
from tests.harness.process import wait_until
from tests.integration.plans import ask, make_tables_new
from tests.integration.statements import counted

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite is asked without a round trip"
    ),
]
#: What of a row is the same for the same event, wherever it stands.
COLUMNS = (
    *("position", "key", "fingerprint", "occurred_at", "type", "name", "channel"),
    *("status", "test", "body", "request_id"),
)


@pytest.fixture
def app():
    return an_app()


def rows(app):
    return list(
        ReferralEvent.objects.filter(app=app).order_by("position").values_list(*COLUMNS)
    )


def outcomes(results):
    return [(result.status, result.position) for result in results]


def test_the_rows_are_those_that_steps_write(app, monkeypatch):
    odd = "tab\tline\nreturn\r\\back\\N \\. \\t \"quote' ü \U0001f600"
    sent = [
        a_sent_event(id="\\N", channel=odd, content=odd),
        a_sent_event(id="long", channel="c" * 300, test=True, status="rejected"),
        a_sent_custom_event(odd, id="odd", event_data={odd: [odd, 1.5, None, True]}),
        a_sent_custom_event("Again", id="again"),
    ]
    log.append(
        app, [a_sent_custom_event(odd, id="1"), a_sent_custom_event("Again", id="2")]
    )
    other = an_app()
    with counted() as statements:
        results = log.append(app, sent, request_id="r-1")
    monkeypatch.setattr(one_call, "MOST_EVENTS", 0)
    log.append(
        other, [a_sent_custom_event(odd, id="1"), a_sent_custom_event("Again", id="2")]
    )
    log.append(other, sent, request_id="r-1")

    assert {result.status for result in results} == {"accepted"}, results
    assert len(statements) == 1
    index = COLUMNS.index("fingerprint")
    # A fingerprint is keyed by its app.
    made, expected = (
        [row[:index] + row[index + 1 :] for row in rows(each)] for each in (app, other)
    )
    assert made == expected
    assert len(made) == 6


def test_events_that_are_there_are_answered_by_the_same_call(app):
    log.append(app, [a_sent_event(id="a"), a_sent_event(id="b")])

    with counted() as statements:
        results = log.append(
            app, [a_sent_event(id="b"), a_sent_event(id="a", content="other")]
        )

    assert outcomes(results) == [("duplicate", 2), ("conflict", 1)]
    assert len(statements) == 1
    assert log.read_head(app.pk) == 2


def test_new_events_among_known_ones_take_the_next_positions(app):
    log.append(app, [a_sent_event(id="b")])

    results = log.append(app, [a_sent_event(id=key) for key in "abc"])

    assert outcomes(results) == [("accepted", 2), ("duplicate", 1), ("accepted", 3)]
    assert [row[:2] for row in rows(app)] == [(1, "b"), (2, "a"), (3, "c")]


def test_a_name_that_has_another_number_by_now_gets_that(app):
    log.append(app, [a_sent_custom_event("First"), a_sent_custom_event("Second")])
    CustomName.objects.filter(app=app, normalised="first").update(number=9)

    log.append(app, [a_sent_custom_event("First", id="late")])

    late = log.find_event(app.pk, "late")
    assert late.event.name_number == 9


def test_a_name_that_is_gone_is_numbered_anew(app):
    log.append(app, [a_sent_custom_event("First"), a_sent_custom_event("Second")])
    CustomName.objects.filter(app=app, normalised="first").delete()

    log.append(app, [a_sent_custom_event("First", id="late")])

    late = log.find_event(app.pk, "late")
    assert late.event.name_number == 3
    assert CustomName.objects.get(app=app, normalised="first").first_position == 3


def test_names_that_are_remembered_do_not_pile_up(app, monkeypatch):
    monkeypatch.setattr(names, "_MOST_REMEMBERED", 3)

    for number in range(7):
        log.append(app, [a_sent_custom_event(f"Level {number}")])

    assert len(names._remembered) <= 3


def test_who_waits_long_for_the_log_goes_on_in_steps(app):
    asked, answers = [], []

    def append():
        with connection.execute_wrapper(note):
            answers.extend(log.append(app, [a_sent_event(id="second")]))
        connection.close()

    def note(execute, sql, params, many, context):
        asked.append(sql)
        return execute(sql, params, many, context)

    with transaction.atomic():
        log.append(app, [a_sent_event(id="first")])
        thread = threading.Thread(target=append)
        thread.start()
        wait_until(lambda: len(asked) == 2)
    thread.join()

    assert outcomes(answers) == [("accepted", 2)]
    assert "referralevent_append" in asked[0]
    assert "pg_advisory_xact_lock" in asked[1]


def test_an_error_leaves_the_callers_transaction_as_it_was(app):
    log_table = "ALTER TABLE referrals_referralevent"
    ask(f"{log_table} ADD CONSTRAINT planted CHECK (key <> 'bad')")
    try:
        with transaction.atomic():
            log.append(app, [a_sent_event(id="a")])
            with pytest.raises(IntegrityError):
                log.append(app, [a_sent_event(id="bad")])
            log.append(app, [a_sent_event(id="b")])
    finally:
        ask(f"{log_table} DROP CONSTRAINT planted")

    assert [row[:2] for row in rows(app)] == [(1, "a"), (2, "b")]


# Where keys are long, their index grows a level before that of the positions does: then
# sorting all of an app's few events looks as good as looking for a key.
@pytest.mark.parametrize("size", [1, 80, 120, 200])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_plan_of_a_small_table_reads_no_large_one_whole(app, size, is_known):
    make_tables_new("referrals_referralevent")
    log.append(app, [a_sent_event(id="first" + "k" * 90)])
    fill(2, size)
    if is_known:
        ask("VACUUM ANALYZE referrals_referralevent")
    connection.close()
    log.append(app, [a_sent_event(id="second")])
    fill(size + 2, 5_000)
    before = count_reads()

    for number in range(20):
        log.append(app, [a_sent_event(id=f"late-{number}")])

    whole, by_index = (a - b for a, b in zip(count_reads(), before, strict=True))
    assert whole == 0
    assert by_index <= 20, by_index


@pytest.mark.parametrize("is_known", [True, False])
def test_a_plan_of_few_names_reads_no_long_list_of_them(app, is_known):
    log.append(app, [a_sent_custom_event("Known", id="first")])
    name_more(app, 2, 200)
    if is_known:
        ask("VACUUM ANALYZE referrals_customname")
    connection.close()
    log.append(app, [a_sent_custom_event("Known", id="second")])
    name_more(app, 201, 2_000)
    before = count_reads("referrals_customname")

    for number in range(5):
        log.append(app, [a_sent_custom_event("Known", id=f"late-{number}")])

    after = count_reads("referrals_customname")
    whole, by_index = (a - b for a, b in zip(after, before, strict=True))
    assert whole == 0
    assert by_index <= 20, by_index


def name_more(app, first, last):
    """Number further custom names, behind the log's back."""
    ask(
        "INSERT INTO referrals_customname (app_id, name, normalised, number,"
        f" first_position) SELECT {app.pk}, '', 'name ' || n, n, 1"
        f" FROM generate_series({first}, {last}) AS n"
    )


def fill(first, last):
    """Store copies of the first event at these positions, behind the log's back."""
    ask(
        "INSERT INTO referrals_referralevent SELECT app_id, n, key || n, fingerprint,"
        " received_at, occurred_at, type, name, channel, status, test, body, request_id"
        f" FROM referrals_referralevent, generate_series({first}, {last}) AS n"
        " WHERE position = 1"
    )


def count_reads(table="referrals_referralevent"):
    """Return how often a table was read whole, and how many rows by an index."""
    ask("SELECT pg_stat_force_next_flush()")
    return ask(
        "SELECT seq_scan, idx_tup_fetch FROM pg_stat_user_tables"
        f" WHERE relname = '{table}'"
    )
