"""Capture: the shape of a source's last call, while a person asks for it."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from referrals import source_setup
from referrals.hooks import capture, known_sources
from referrals.hooks.sample_mark import HEADER, make_sample_mark
from referrals.models import Change, Source
from referrals.source_setup import CAPTURE_TIME
from tests import builders
from tests.harness.process import wait_until
from tests.integration.hooks.calling import call_hook, sample_of, signed

pytestmark = pytest.mark.django_db


@pytest.fixture
def source(app):
    return builders.a_source(app, "branch")


@pytest.fixture
def captured(source):
    """A source whose calls are captured."""
    source_setup.start_capture("ann", source)
    known_sources.clear_known_sources()
    return source


def shape_of(source):
    capture.write_captures()
    source.refresh_from_db()
    return capture.read_captured_shape(source)


def test_a_call_is_kept_as_its_shape(client, captured):
    call_hook(client, captured, sample_of(captured))

    shape = shape_of(captured)

    assert shape.method == "POST"
    assert shape.body["name"] == "INSTALL"
    assert shape.body["user_data"]["developer_identity"] == "text-6"
    assert shape.body["last_attributed_touch_data"]["~channel"] == "whatsapp"
    assert captured.captured_at is not None


def test_no_value_is_kept_and_nothing_in_clear(client, captured):
    call_hook(
        client, captured, sample_of(captured), **{"user-agent": "Ann's telephone"}
    )

    shape_of(captured)

    kept = captured.captured_call.reveal()
    values = ("u-42", "u-7", "203.0.113.7", "6F0D", "aB3", "spring", "telephone")
    assert not [value for value in values if value in kept]
    assert "x-webhook-secret" not in kept
    (stored,) = Source.objects.values_list(
        Cast("captured_call", TextField()), flat=True
    )
    assert "developer_identity" not in stored


def test_the_last_call_takes_the_place_of_the_one_before(client, captured):
    for number in (0, 1):
        call_hook(client, captured, sample_of(captured, number))

    assert shape_of(captured).body["name"] == "CLICK"

    call_hook(client, captured, sample_of(captured))

    assert shape_of(captured).body["name"] == "INSTALL"


def test_nothing_is_kept_unless_somebody_asks(client, source):
    call_hook(client, source, sample_of(source))

    assert shape_of(source) is None


def test_it_ends_by_itself_after_an_hour(client, captured):
    Source.objects.update(capture_until=timezone.now() - timedelta(seconds=1))
    known_sources.clear_known_sources()

    call_hook(client, captured, sample_of(captured))

    assert shape_of(captured) is None
    assert capture.find_capture_end(captured, timezone.now()) is None


def test_a_person_ends_it_and_a_call_that_waits_is_not_written(client, captured):
    call_hook(client, captured, sample_of(captured))
    assert shape_of(captured) is not None
    call_hook(client, captured, sample_of(captured))

    source_setup.end_capture("ann", captured)

    assert shape_of(captured) is None
    assert captured.captured_at is None
    assert [each.what for each in Change.objects.order_by("pk")][-2:] == [
        "Captures the shape of calls for an hour.",
        "Ended the capture, and dropped what was kept.",
    ]


def test_until_when(captured):
    now = timezone.now()

    end = capture.find_capture_end(captured, now)

    assert timedelta() < CAPTURE_TIME - (end - now) < timedelta(minutes=1)


def test_a_call_that_is_not_the_platforms_is_not_kept(client, captured):
    call_hook(client, captured, sample_of(captured, secret="another"))

    assert shape_of(captured) is None


def test_a_sample_of_ours_is_not_kept(client, captured):
    mark = make_sample_mark(captured.public_id, datetime.now(UTC))

    call_hook(client, captured, sample_of(captured), **{HEADER: mark})

    assert shape_of(captured) is None


def test_a_call_that_cannot_be_read_leaves_the_one_before(client, captured):
    call_hook(client, captured, sample_of(captured))
    before = shape_of(captured)
    assert before is not None

    call_hook(client, captured, signed(captured, b"{"))

    assert shape_of(captured) == before


def test_an_archived_source_loses_what_was_captured(client, captured):
    call_hook(client, captured, sample_of(captured))
    shape_of(captured)

    source_setup.archive_source("ann", captured)

    assert shape_of(captured) is None
    call_hook(client, captured, sample_of(captured))
    assert shape_of(captured) is None


def test_no_key_decrypts_it_any_more(client, captured, settings):
    call_hook(client, captured, sample_of(captured))
    shape_of(captured)
    settings.FIELD_ENCRYPTION_KEYS = ["another key, of which nobody knows anything"]
    captured.refresh_from_db()

    assert capture.read_captured_shape(captured) is None


@pytest.mark.django_db(transaction=True)
def test_the_thread_of_the_counts_writes_it(captured, settings):
    settings.INGEST_FLUSH_SECONDS = 0.01

    capture.capture_call(
        known_sources.find_source(captured.public_id), sample_of(captured)
    )

    written = Source.objects.filter(pk=captured.pk, captured_at__isnull=False)
    wait_until(written.exists)
    assert "capture" not in {each.name for each in threading.enumerate()}
    captured.refresh_from_db()
    assert capture.read_captured_shape(captured).body["name"] == "INSTALL"
