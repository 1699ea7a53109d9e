"""Rows written by statements of our own are what the ORM would have written."""

from datetime import timedelta

import pytest
from django.db import connection

from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.sql import row_writer
from clevertap_sync.models import Account, Attempt, Integration, Upload
from clevertap_sync.process import clock

NOBODY = {"id": 0}


def an_attempt(integration, upload):
    return Attempt(integration=integration, upload=upload, records=3, worker="w")


@pytest.fixture
def upload(integration, append):
    append(count=2)
    return claim_next(integration.pk).upload


@pytest.mark.django_db
def test_all_steps_are_taken_at_one_instant_of_the_database(integration, upload):
    attempt, before = an_attempt(integration, upload), clock.read_now()

    now = row_writer.write_rows(
        row_writer.UpdateRow(
            Upload,
            {"id": upload.pk},
            {"leased_until": row_writer.DatabaseInstant(90.5)},
        ),
        row_writer.InsertRow(attempt, {"began_at": row_writer.NOW}),
    )

    assert before <= now <= clock.read_now()
    upload.refresh_from_db()
    assert upload.leased_until == now + timedelta(seconds=90.5)
    stored = Attempt.objects.get()
    assert (stored.pk, stored.began_at) == (attempt.pk, now)
    assert attempt.began_at == now
    # The row knows that it is stored: to save it again is an update.
    attempt.detail = "again"
    attempt.save()
    assert Attempt.objects.get().detail == "again"


@pytest.mark.django_db
def test_nothing_is_written_after_a_step_that_finds_no_row(integration, upload):
    attempt = an_attempt(integration, upload)

    now = row_writer.write_rows(
        row_writer.UpdateRow(Upload, NOBODY, {"leased_until": None}),
        row_writer.InsertRow(attempt, {"began_at": row_writer.NOW}),
    )

    assert now is None
    assert attempt.pk is None
    assert not Attempt.objects.exists()


@pytest.mark.django_db
def test_a_later_step_that_finds_no_row_undoes_nothing(integration, upload):
    now = row_writer.write_rows(
        row_writer.UpdateRow(Upload, {"id": upload.pk}, {"idle_claims": 7}),
        row_writer.UpdateRow(Attempt, NOBODY, {"detail": ""}),
    )

    assert now is not None
    upload.refresh_from_db()
    assert upload.idle_claims == 7


@pytest.mark.django_db
def test_a_condition_of_none_finds_what_is_null(upload):
    where = {"id": upload.pk, "settled_at": None}
    change = row_writer.UpdateRow(Upload, where, {"settled_at": row_writer.NOW})

    assert row_writer.write_rows(change) is not None
    assert row_writer.write_rows(change) is None


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Account, Integration])
def test_a_row_is_read_as_the_orm_reads_it(integration, model):
    integration.not_sent = ["app_open:generated"]
    integration.held_until = clock.read_now()
    integration.save()
    select = model.objects.all()

    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {row_writer.list_columns(model, 'r')} FROM ({select.query}) r"
        )
        read = row_writer.read_row(model, cursor.fetchone())

    stored = model.objects.get()
    for field in fields_of(model):
        found, expected = (getattr(one, field.attname) for one in (read, stored))
        # A passcode shows itself to nobody, not even to a comparison in a test's output.
        assert type(found) is type(expected), field.attname
        assert found == expected, field.attname
    read.save()
    assert model.objects.get() == stored


def fields_of(model):
    return model._meta.concrete_fields


@pytest.mark.django_db
def test_a_row_may_point_at_the_one_that_the_step_before_wrote(integration, upload):
    new = Upload(integration=integration, first=3, last=3, settings={})
    attempt = an_attempt(integration, new)

    row_writer.write_rows(
        row_writer.InsertRow(
            new, dict.fromkeys(("created_at", "due_at"), row_writer.NOW)
        ),
        row_writer.InsertRow(
            attempt,
            {"began_at": row_writer.NOW, "upload_id": row_writer.KEY_BEFORE},
        ),
    )

    assert new.pk > upload.pk
    assert attempt.upload_id == new.pk
    assert list(new.attempts.all()) == [attempt]
