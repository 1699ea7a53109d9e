from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# What `clevertap_sync/delivery/sql` calls in place of a few statements each.
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
# In a subquery of its own the index of open uploads is read from the floor on, and not whole,
# as if it were empty. Of an EXISTS the planner would make a hash of the whole table, in spite of
# the above; and a range and its order, in place of an equality, leave an app without
# suppressions no other index than its own. The last OFFSET 0 has everything read once, for
# fingerprint and JSON.
#
# The clock is read once the lock is held. The fingerprint covers all but clock, log and events.
MAKE_STATE = """
CREATE FUNCTION clevertap_sync_account_state_1(
    for_integration bigint, newly_seconds double precision, floors jsonb,
    locks boolean, most_events integer
) RETURNS text
""" + BY_INDEX_ALONE + """DECLARE
    account clevertap_sync_account;
    instant timestamptz;
    slow timestamptz;
    fingerprint text;
    integrations json;
BEGIN
    IF locks THEN
        SELECT a.* INTO account FROM clevertap_sync_account AS a
        WHERE a.id = (
            SELECT i.account_id FROM clevertap_sync_integration AS i
            WHERE i.id = for_integration
        ) FOR NO KEY UPDATE;
    ELSE
        SELECT a.* INTO account FROM clevertap_sync_account AS a
        WHERE a.id = (
            SELECT i.account_id FROM clevertap_sync_integration AS i
            WHERE i.id = for_integration
        );
    END IF;
    IF account.id IS NULL THEN
        RETURN NULL;
    END IF;
    instant := clock_timestamp();
    slow := instant + newly_seconds * interval '1 second';
    SELECT
        md5(string_agg(concat_ws(' ', row.i, row.app, row.uploads, row.people_replay,
                row.is_replaying, row.has_approved_names, row.newest_suppression), ' '
            ORDER BY (row.i).last_served_at NULLS FIRST, (row.i).id)),
        json_agg(json_build_object(
            'integration_id', (row.i).id,
            'app_id', (row.i).app_id,
            'cursor', (row.i).cursor,
            'is_enabled', (row.i).enabled AND (row.i).archived_at IS NULL,
            'is_held', (row.i).hold_reason <> '',
            'app_slug', (row.app).slug,
            'loose_ids', (row.app).loose_ids::text,
            'remembers_referrers', (row.app).remembers_referrers,
            'leases', (row.uploads).in_flight
                + CASE WHEN (row.i).probe_leased_until > instant THEN 1 ELSE 0 END,
            'in_flight', (row.uploads).in_flight,
            'newly_in_flight', (row.uploads).newly_in_flight,
            'newly_reviving', (row.uploads).newly_reviving,
            'unleased', (row.uploads).unleased,
            'first_open', (row.uploads).first_open,
            'is_replaying', row.is_replaying,
            'people_replay', row.people_replay,
            'has_approved_names', row.has_approved_names,
            'newest_suppression', row.newest_suppression,
            'head', row.head,
            'events', row.events,
            'row', row_to_json(row.i)
        ) ORDER BY (row.i).last_served_at NULLS FIRST, (row.i).id)
    INTO fingerprint, integrations
    FROM (
        SELECT i, app, uploads,
            coalesce((
                SELECT TRUE FROM clevertap_sync_replay AS r
                WHERE r.integration_id = i.id AND r.state = 'running' AND r.kind <> 'people'
                LIMIT 1
            ), FALSE) AS is_replaying,
            (
                SELECT r.id FROM clevertap_sync_replay AS r
                WHERE r.integration_id = i.id AND r.state = 'running' AND r.kind = 'people'
            ) AS people_replay,
            coalesce((
                SELECT TRUE FROM referrals_customname AS c
                WHERE c.app_id = i.app_id AND c.approved_at IS NOT NULL LIMIT 1
            ), FALSE) AS has_approved_names,
            coalesce((
                SELECT s.id FROM referrals_suppression AS s
                WHERE s.app_id >= i.app_id AND s.app_id <= i.app_id
                ORDER BY s.app_id, s.id DESC LIMIT 1
            ), 0) AS newest_suppression,
            coalesce((
                SELECT e.position FROM referrals_referralevent AS e
                WHERE e.app_id = i.app_id ORDER BY e.position DESC LIMIT 1
            ), 0) AS head,
            CASE WHEN i.id = for_integration AND most_events > 0 THEN (
                SELECT json_agg(json_build_array(e.position, e.body, e.request_id))
                FROM (
                    SELECT e.position, e.body, e.request_id
                    FROM referrals_referralevent AS e
                    WHERE e.app_id = i.app_id AND e.position > i.cursor
                    ORDER BY e.position LIMIT most_events
                ) AS e
            ) END AS events
        FROM clevertap_sync_integration AS i
        JOIN referrals_app AS app ON app.id = i.app_id
        CROSS JOIN LATERAL (
            SELECT
                count(*) FILTER (WHERE u.leased_until > instant) AS in_flight,
                count(*) FILTER (WHERE u.leased_until > instant AND u.leased_until >= slow
                    AND u.replay_id IS NULL) AS newly_in_flight,
                count(*) FILTER (WHERE u.leased_until > instant AND u.leased_until >= slow
                    AND u.identities IS NOT NULL) AS newly_reviving,
                count(*) FILTER (WHERE u.leased_until <= instant
                    OR u.leased_until IS NULL AND u.due_at <= instant) AS unleased,
                min(u.id) AS first_open
            FROM (
                SELECT u.id, u.leased_until, u.due_at, u.replay_id, u.identities
                FROM clevertap_sync_upload AS u
                WHERE u.integration_id = i.id AND u.state = 'open'
                    AND u.id >= coalesce((floors ->> i.id::text)::bigint, 0)
                OFFSET 0
            ) AS u
        ) AS uploads
        WHERE i.account_id = account.id
        OFFSET 0
    ) AS row;
    RETURN json_build_object(
        'now', instant,
        'account', row_to_json(account),
        'fingerprint', md5(account::text || fingerprint),
        'integrations', coalesce(integrations, '[]')
    )::text;
END
$function$
"""
# A range is begun under the lock if nothing has changed since it was looked at.
MAKE_BEGIN = """
CREATE FUNCTION clevertap_sync_upload_begin_1(
    for_integration bigint, newly_seconds double precision, floors jsonb,
    expected text, lease_seconds double precision, given json
) RETURNS text
""" + BY_INDEX_ALONE + """DECLARE
    state json;
    instant timestamptz;
    began timestamptz;
    new_upload bigint;
    new_attempt bigint;
BEGIN
    state := clevertap_sync_account_state_1(for_integration, newly_seconds, floors, true, 0)::json;
    IF state->>'fingerprint' IS DISTINCT FROM expected THEN
        RETURN NULL;
    END IF;
    instant := (state->>'now')::timestamptz;
    began := clock_timestamp();
    UPDATE clevertap_sync_integration
    SET last_served_at = instant, cursor = (given->>'last')::bigint
    WHERE id = for_integration;
    INSERT INTO clevertap_sync_upload (
        integration_id, state, first, last, settings, body_hash, body_changed, miscounted,
        records, delivered, dead, waiting, unsent, shortened, created_at, due_at,
        leased_until, lease_token, idle_claims, attempt_count, failures, unknown_outcomes
    )
    SELECT for_integration, 'open', row.first, row.last, row.settings, row.body_hash,
        false, false, row.records, 0, 0, 0, row.unsent, row.shortened, instant, instant,
        began + lease_seconds * interval '1 second', row.lease_token, 0, 1, 0, 0
    FROM json_to_record(given) AS row (
        first bigint, last bigint, settings jsonb, body_hash text, records integer,
        unsent integer, shortened integer, lease_token bigint
    )
    RETURNING id INTO new_upload;
    INSERT INTO clevertap_sync_attempt (
        integration_id, upload_id, lease_token, dry_run, worker, began_at, outcome,
        outcome_unknown, unknown_cause, records, body_bytes, accepted, refused, detail
    )
    SELECT for_integration, new_upload, row.lease_token, false, row.worker,
        began, '', false, '', row.sent_records, row.body_bytes, 0, 0, ''
    FROM json_to_record(given) AS row (
        lease_token bigint, worker text, sent_records integer, body_bytes integer
    )
    RETURNING id INTO new_attempt;
    RETURN json_build_object(
        'upload', new_upload, 'attempt', new_attempt, 'now', instant, 'began', began
    )::text;
END
$function$
"""
# It says at which instant, or null where the lease was lost: then nothing but the attempt ends.
#
# The upload is found by its key: the index of open uploads, which holds all that were open once
# while some transaction stays open, looks as if it were empty.
MAKE_SETTLE = """
CREATE FUNCTION clevertap_sync_upload_settle_1(
    settled_upload bigint, token bigint, settled_records integer, ended_attempt bigint,
    http_status integer, milliseconds integer, accepted_records integer
) RETURNS text
""" + BY_INDEX_ALONE + """DECLARE
    instant timestamptz := clock_timestamp();
    is_settled boolean;
BEGIN
    UPDATE clevertap_sync_upload
    SET state = 'settled', records = settled_records, delivered = settled_records,
        dead = 0, miscounted = false, leased_until = NULL, settled_at = instant
    WHERE id = settled_upload AND state || '' = 'open' AND lease_token = token;
    is_settled := FOUND;
    UPDATE clevertap_sync_attempt
    SET ended_at = instant, outcome = 'ok', outcome_unknown = false,
        status = http_status, duration_ms = milliseconds, accepted = accepted_records,
        refused = 0, detail = ''
    WHERE id = ended_attempt AND ended_at IS NULL;
    RETURN CASE WHEN is_settled THEN to_json(instant)::text END;
END
$function$
"""
MAKE = (MAKE_STATE, MAKE_BEGIN, MAKE_SETTLE)
DROP = (
    """DROP FUNCTION IF EXISTS clevertap_sync_upload_settle_1(
        bigint, bigint, integer, bigint, integer, integer, integer
    )""",
    """DROP FUNCTION IF EXISTS clevertap_sync_upload_begin_1(
        bigint, double precision, jsonb, text, double precision, json
    )""",
    """DROP FUNCTION IF EXISTS clevertap_sync_account_state_1(
        bigint, double precision, jsonb, boolean, integer
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
        ('clevertap_sync', '0017_machinery'),
        ('referrals', '0009_fraud_rules'),
    ]

    operations = [
        migrations.RunPython(make_function, drop_function),
    ]
