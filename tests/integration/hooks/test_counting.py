"""What is counted and noted of a source's calls, and what a page reads of it."""

from datetime import UTC, datetime

import pytest
from django.db import OperationalError

from referrals import rejections
from referrals.hooks import last_calls
from referrals.hooks.known_sources import clear_known_sources
from referrals.hooks.last_calls import KEPT_CALLS, KEPT_STRANGE, MOST_REFUSED
from referrals.hooks.sample_mark import HEADER, make_sample_mark
from referrals.ingest import background
from referrals.ingest.counter import MOST_CODES
from referrals.ingest.source_health import SourceCounts, read_source_health
from referrals.ingest.writing import ALL_TIME_HOUR
from referrals.models import IngestCount, ReferralEvent, RejectedEvent, Source
from tests import builders
from tests.harness.process import wait_until
from tests.integration.hooks.calling import call_hook, sample_of, signed

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(client, django_capture_on_commit_callbacks):
    """Return a function that calls a source's hook, and lets its answers hold."""

    def send(source, what, **headers):
        with django_capture_on_commit_callbacks(execute=True):
            return call_hook(client, source, what, **headers)

    return send


def counted(source):
    background.flush_counts()
    health = read_source_health([source.pk], datetime.now(UTC))[source.pk]
    assert health.day == health.month
    return health.day


def verdicts_of(source):
    background.flush_counts()
    return [each.verdict for each in source.calls.order_by("-pk")]


def install(**changes):
    """Return a call of Branch's about an install."""
    return {
        "name": "INSTALL",
        "timestamp": 1795860301422,
        "user_data": {"developer_identity": "u-42"},
        "last_attributed_touch_data": {"referringUserID": "u-7"},
        **changes,
    }


def named(name):
    return install(name=name)


def test_what_became_of_calls(app, call):
    source = builders.a_source(app, "branch")
    without = {"last_attributed_touch_data": {"~channel": "sms"}}

    call(source, signed(source, install()))
    call(source, signed(source, install()))
    call(source, signed(source, install(**without)))
    call(source, signed(source, named("Level Reached")))
    call(source, sample_of(source, secret="another"))

    counts = counted(source)
    assert counts == SourceCounts(
        calls=4,
        accepted=1,
        duplicates=1,
        ignored={"no_referrer": 1, "not_chosen": 1},
        unverified=counts.unverified,
        identities={"custom_id": 2},
        seen={"Level Reached": 1},
    )
    assert list(counts.unverified.values()) == [1]
    assert counts.percent_unreferred == 33
    assert verdicts_of(source) == [
        [["unauthorised", *counts.unverified, 1]],
        [["ignored", "not_chosen", 1]],
        [["ignored", "no_referrer", 1]],
        [["duplicate", "", 1]],
        [["accepted", "", 1]],
    ]


def test_an_id_that_is_there_with_other_content_is_a_duplicate(app, call):
    source = builders.a_source(app, "standard_webhooks")
    event = {
        "id": "e-1",
        "type": "web_sign_up",
        "user": {"identities": {"email": "a@b.co"}},
        "referrer": {"identities": {"email": "c@d.co"}},
    }
    for channel in ("sms", "email"):
        data = {**event, "channel": channel}
        call(source, signed(source, {"type": "x", "data": data}))

    counts = counted(source)

    assert (counts.accepted, counts.duplicates, counts.other_content) == (1, 1, 1)
    assert verdicts_of(source)[0] == [["duplicate", "conflict", 1]]
    assert not RejectedEvent.objects.exists()


def test_which_identities_users_carry_and_whether_somebody_invited(app, call):
    source = builders.a_source(app, "getsocial")
    event = {"version": 2, "event": "app_install", "user_id": "1"}
    call(source, signed(source, {**event, "unique_id": "1"}))
    more = {"identities": {"custom_id": "u-1"}, "referrer": {"user_id": "2"}}
    call(source, signed(source, {**event, **more, "unique_id": "2"}))

    counts = counted(source)

    assert counts.identities == {"getsocial_id": 2, "custom_id": 1}
    assert (counts.unreferred, counts.percent_unreferred) == (1, 50)


def test_a_sample_counts_as_nothing_of_its_source(app, call):
    source = builders.a_source(app, "branch")
    mark = make_sample_mark(source.public_id, datetime.now(UTC))

    call(source, sample_of(source), **{HEADER: mark})

    assert counted(source) == SourceCounts()
    source.refresh_from_db()
    assert source.first_call_at is None
    assert [each.is_sample for each in source.calls.all()] == [True]
    # It counts as what a person sends from a page.
    assert set(IngestCount.objects.values_list("way", "outcome")) == {
        ("admin", "accepted"),
        ("", "accepted"),
    }


def test_the_first_good_call_is_noted_once(app, call):
    source = builders.a_source(app, "branch")
    call(source, sample_of(source, secret="another"))
    background.flush_counts()
    source.refresh_from_db()
    assert source.first_call_at is None

    before = datetime.now(UTC)
    call(source, sample_of(source))
    background.flush_counts()
    source.refresh_from_db()
    first = source.first_call_at
    assert before <= first <= datetime.now(UTC)

    last_calls.clear_last_calls()
    call(source, sample_of(source))
    background.flush_counts()
    source.refresh_from_db()
    assert source.first_call_at == first


def test_the_newest_calls_of_each_source_stay(app, call):
    source, other = (builders.a_source(app, each) for each in ("branch", "talkable"))
    call(other, sample_of(other))
    for _ in range(KEPT_CALLS - 1):
        call(source, sample_of(source))
    background.flush_counts()
    call(source, signed(source, named("Open the door")))
    call(source, sample_of(source))

    verdicts = verdicts_of(source)

    assert len(verdicts) == KEPT_CALLS
    assert verdicts[:2] == [[["duplicate", "", 1]], [["ignored", "not_chosen", 1]]]
    assert other.calls.count() == 1


def test_strangers_calls_push_out_none_of_the_platforms(app, call):
    source = builders.a_source(app, "branch")
    for _ in range(2):
        call(source, sample_of(source))
        for _ in range(KEPT_CALLS):
            call(source, sample_of(source, secret="another"))
        background.flush_counts()

    verdicts = verdicts_of(source)

    assert verdicts[:-2] == [[["unauthorised", "secret", 1]]] * KEPT_STRANGE
    assert verdicts[-2:] == [[["duplicate", "", 1]], [["accepted", "", 1]]]


def test_calls_without_items_leave_room_for_others(app, call):
    source = builders.a_source(app, "custom")
    for _ in range(2):
        for _ in range(KEPT_CALLS):
            call(source, signed(source, []))
        background.flush_counts()

    assert source.calls.count() == KEPT_CALLS


def test_what_the_log_refuses_is_kept_without_a_value(app, call):
    source = builders.a_source(
        app, "standard_webhooks", name="Our own backend, with a long name"
    )
    data = {"id": "e-7", "type": "no such type"}

    call(source, signed(source, {"type": "x", "data": data}))

    assert list(counted(source).refused.values()) == [1]
    (row,) = RejectedEvent.objects.all()
    assert (row.app, row.source) == (app, "Our own backend, with a long n")
    assert "no such type" not in row.detail


def test_a_flood_of_refused_items_writes_its_newest(app, call):
    source = builders.a_source(app, "standard_webhooks")
    for number in range(MOST_REFUSED + 3):
        data = {"id": f"e-{number}", "type": "no such type"}
        call(source, signed(source, {"type": "x", "data": data}))

    background.flush_counts()

    keys = set(RejectedEvent.objects.values_list("key", flat=True))
    assert keys == {f"e-{number}" for number in range(3, MOST_REFUSED + 3)}


def test_names_that_a_platform_makes_up_have_a_bound(app, call):
    source = builders.a_source(app, "branch")
    for number in range(MOST_CODES + 5):
        call(source, signed(source, named(f"Level {number:02}")))
    background.flush_counts()
    background.clear_counts()
    for number in range(MOST_CODES, MOST_CODES + 3):
        call(source, signed(source, named(f"Level {number:02}")))
    call(source, signed(source, named("Level 07")))

    seen = counted(source).seen

    assert len(seen) == MOST_CODES + 1
    assert (seen["other"], seen["Level 07"], seen["Level 49"]) == (8, 2, 1)
    assert not IngestCount.objects.filter(hour=ALL_TIME_HOUR, outcome="seen").exists()


def test_a_name_that_no_database_takes(app, call):
    source = builders.a_source(app, "branch")

    call(source, signed(source, named("a\0b" + "\N{PARTY POPPER}" * 300)))

    (seen,) = counted(source).seen
    assert seen.startswith("a\N{REPLACEMENT CHARACTER}b\N{PARTY POPPER}")
    assert len(seen) == 255


def test_an_erasure_reaches_names_and_sentences(app, call):
    source = builders.a_source(app, "branch")
    call(source, signed(source, named("ann@example.com signed up")))
    call(source, signed(source, named("Level Reached")))
    assert counted(source).seen == {"ann@example.com signed up": 1, "Level Reached": 1}

    removed = rejections.remove_rejections(app.pk, ["ANN@example.com"])

    assert removed == 1
    assert counted(source).seen == {"Level Reached": 1}


def test_a_name_does_not_outlast_an_outage_in_memory(app, call, monkeypatch):
    source = builders.a_source(app, "branch")
    call(source, signed(source, named("ann@example.com signed up")))

    def fail(*_):
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr("referrals.ingest.writing.write_counts", fail)
        patch.setattr(last_calls, "_write", fail)
        background.flush_counts()

    counts = counted(source)
    assert (counts.calls, counts.seen) == (1, {"other": 1})
    assert verdicts_of(source) == [[["ignored", "not_chosen", 1]]]
    source.refresh_from_db()
    assert source.first_call_at is not None


def test_a_source_that_is_gone_does_not_hold_the_others_up(app, call):
    gone, source = (builders.a_source(app, each) for each in ("branch", "talkable"))
    call(gone, sample_of(gone))
    call(source, sample_of(source))
    gone.delete()
    clear_known_sources()

    assert len(verdicts_of(source)) == 1


@pytest.mark.django_db(transaction=True)
def test_the_first_call_is_written_at_once(client, settings):
    settings.INGEST_FLUSH_SECONDS = 3600
    source = builders.a_source(builders.an_app("shop"), "branch")
    try:
        answer = call_hook(client, source, sample_of(source))
        wait_until(Source.objects.exclude(first_call_at=None).exists)
        wait_until(IngestCount.objects.filter(outcome="call").exists)
        # Another thread has appended it, under the call's name.
        name = ReferralEvent.objects.values_list("request_id", flat=True).get()
        assert name == answer.headers["X-Request-Id"]
    finally:
        background.clear_counts()
