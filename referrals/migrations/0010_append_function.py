from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# 5001031 is the log's number among advisory locks, `LOCK_NAMESPACE` of `log.postgresql`.
#
# A plan stays with its connection, and one that was made for a small table must not read
# all of a large one: each index is met in its own order, and nothing else may be planned. A
# small table looks as cheap to be read whole, or by another index and sorted.
#
# Whoever waits for longer comes back without events among its values: PostgreSQL may be told
# to write a slow statement's into its log.
MAKE = """
CREATE FUNCTION referrals_referralevent_append_1(
    for_app bigint, lock_number integer, sent json, numbered json
) RETURNS TABLE (
    is_stored boolean, head bigint, key text, "position" bigint, fingerprint uuid
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_sort = off
SET plan_cache_mode = force_generic_plan
SET lock_timeout = '500ms'
AS $function$
#variable_conflict use_column
DECLARE
    last_position bigint;
    last_received_at timestamptz;
    receipt timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(5001031, lock_number);
    SELECT event.position, event.received_at INTO last_position, last_received_at
    FROM referrals_referralevent AS event
    WHERE event.app_id = for_app ORDER BY event.position DESC LIMIT 1;
    last_position := coalesce(last_position, 0);
    receipt := greatest(clock_timestamp(), last_received_at);
    RETURN QUERY
        SELECT false, last_position, event.key::text, event.position, event.fingerprint
        FROM json_array_elements(sent) AS one
        CROSS JOIN LATERAL (
            SELECT there.key, there.position, there.fingerprint
            FROM referrals_referralevent AS there
            WHERE there.app_id = for_app
                AND there.key >= one->>'key' AND there.key <= one->>'key'
            ORDER BY there.key LIMIT 1
        ) AS event;
    IF FOUND THEN
        RETURN;
    END IF;
    IF EXISTS (
        SELECT FROM json_to_recordset(numbered) AS known (normalised text, number integer)
        WHERE known.number IS DISTINCT FROM (
            SELECT name.number FROM referrals_customname AS name
            WHERE name.app_id = for_app AND name.normalised >= known.normalised
                AND name.normalised <= known.normalised
            ORDER BY name.normalised LIMIT 1
        )
    ) THEN
        RETURN;
    END IF;
    INSERT INTO referrals_referralevent
        (position, app_id, received_at, key, fingerprint, occurred_at,
         type, name, channel, status, test, body, request_id)
    SELECT last_position + row.ordinality, for_app,
        receipt, row.key, row.fingerprint, row.occurred_at,
        row.type, row.name, row.channel, row.status, row.test, row.body::text,
        row.request_id
    FROM ROWS FROM (
        json_to_recordset(sent) AS (
            key text, fingerprint uuid, occurred_at timestamptz, type text, name text,
            channel text, status text, test boolean, body json, request_id text
        )
    ) WITH ORDINALITY AS row;
    RETURN QUERY SELECT true, last_position, NULL::text, NULL::bigint, NULL::uuid;
END
$function$
"""
DROP = "DROP FUNCTION IF EXISTS referrals_referralevent_append_1(bigint, integer, json, json)"


def make_function(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(MAKE)


def drop_function(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(DROP)


class Migration(migrations.Migration):

    dependencies = [
        ('referrals', '0009_fraud_rules'),
    ]

    operations = [
        migrations.RunPython(make_function, drop_function),
    ]
