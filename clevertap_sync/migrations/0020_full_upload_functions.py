from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# What `clevertap_sync/delivery/sql/upload_functions.py` calls where an upload is leased first, and
# begun once it is mapped: a statement that writes two rows takes longer to plan than to carry out.
#
# A plan stays with its connection, and one that was made for empty tables must not read all of
# large ones: nothing but an index may be planned.
BY_INDEX_ALONE = """LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET plan_cache_mode = force_generic_plan
AS $function$
"""
# A new range is leased by whoever has locked the account, at an instant of that transaction's.
MAKE_LEASE = """
CREATE FUNCTION clevertap_sync_upload_lease_1(
    for_integration bigint, instant timestamptz, lease_seconds double precision,
    new_first bigint, new_last bigint, new_settings jsonb, token bigint, claims integer
) RETURNS bigint
""" + BY_INDEX_ALONE + """DECLARE
    new_upload bigint;
BEGIN
    UPDATE clevertap_sync_integration
    SET last_served_at = instant, cursor = new_last
    WHERE id = for_integration;
    INSERT INTO clevertap_sync_upload (
        integration_id, state, first, last, settings, body_hash, body_changed, miscounted,
        delivered, dead, waiting, unsent, shortened, created_at, due_at,
        leased_until, lease_token, idle_claims, attempt_count, failures, unknown_outcomes
    )
    VALUES (
        for_integration, 'open', new_first, new_last, new_settings, '', false, false,
        0, 0, 0, 0, 0, instant, instant,
        instant + lease_seconds * interval '1 second', token, claims, 0, 0, 0
    )
    RETURNING id INTO new_upload;
    RETURN new_upload;
END
$function$
"""
# It gives the new attempt and its instant, or null where the lease was lost.
#
# The upload is found by its key: the index of open uploads, which holds all that were open once
# while some transaction stays open, looks as if it were empty.
MAKE_BEGIN = """
CREATE FUNCTION clevertap_sync_attempt_begin_1(
    begun_upload bigint, token bigint, lease_seconds double precision, given json
) RETURNS text
""" + BY_INDEX_ALONE + """DECLARE
    instant timestamptz := clock_timestamp();
    for_integration bigint;
    new_attempt bigint;
BEGIN
    UPDATE clevertap_sync_upload AS u
    SET records = row.records, unsent = row.unsent, shortened = row.shortened,
        body_hash = row.body_hash, body_changed = row.body_changed, idle_claims = 0,
        attempt_count = row.attempt_count,
        leased_until = instant + lease_seconds * interval '1 second'
    FROM json_to_record(given) AS row (
        records integer, unsent integer, shortened integer, body_hash text,
        body_changed boolean, attempt_count integer
    )
    WHERE u.id = begun_upload AND u.state || '' = 'open' AND u.lease_token = token
    RETURNING u.integration_id INTO for_integration;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO clevertap_sync_attempt (
        integration_id, upload_id, lease_token, dry_run, worker, began_at, outcome,
        outcome_unknown, unknown_cause, records, body_bytes, accepted, refused, detail
    )
    SELECT for_integration, begun_upload, token, false, row.worker,
        instant, '', false, '', row.sent_records, row.body_bytes, 0, 0, ''
    FROM json_to_record(given) AS row (
        worker text, sent_records integer, body_bytes integer
    )
    RETURNING id INTO new_attempt;
    RETURN json_build_object('attempt', new_attempt, 'began', instant)::text;
END
$function$
"""
MAKE = (MAKE_LEASE, MAKE_BEGIN)
DROP = (
    """DROP FUNCTION IF EXISTS clevertap_sync_attempt_begin_1(
        bigint, bigint, double precision, json
    )""",
    """DROP FUNCTION IF EXISTS clevertap_sync_upload_lease_1(
        bigint, timestamptz, double precision, bigint, bigint, jsonb, bigint, integer
    )""",
)


def make_function(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _execute(MAKE, schema_editor)


def drop_function(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _execute(DROP, schema_editor)


def _execute(
    statements: tuple[str, ...], schema_editor: BaseDatabaseSchemaEditor
) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for statement in statements:
            schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('clevertap_sync', '0019_running_replays'),
    ]

    operations = [
        migrations.RunPython(make_function, drop_function),
    ]
