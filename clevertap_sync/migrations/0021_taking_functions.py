from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# What `clevertap_sync/delivery/sql/upload_functions.py` calls for a small range: to begin it and
# learn of which versions its integration is, to take the next one by these, and to settle it.
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
# As clevertap_sync_upload_begin_1, with the versions of the rows that its settings came from. They
# are read before the state is compared: what changes in between has an older one, and is found out.
MAKE_BEGIN = """
CREATE FUNCTION clevertap_sync_upload_begin_2(
    for_integration bigint, newly_seconds double precision, floors jsonb,
    expected text, lease_seconds double precision, given json
) RETURNS text
""" + BY_INDEX_ALONE + """DECLARE
    state json;
    instant timestamptz;
    began timestamptz;
    integration_version xid;
    account_version xid;
    app_version xid;
    new_upload bigint;
    new_attempt bigint;
BEGIN
    SELECT i.xmin, a.xmin, app.xmin INTO integration_version, account_version, app_version
    FROM clevertap_sync_integration AS i
    JOIN clevertap_sync_account AS a ON a.id = i.account_id
    JOIN referrals_app AS app ON app.id = i.app_id
    WHERE i.id = for_integration;
    state := clevertap_sync_account_state_1(for_integration, newly_seconds, floors, true, 0)::json;
    IF state->>'fingerprint' IS DISTINCT FROM expected THEN
        RETURN NULL;
    END IF;
    instant := (state->>'now')::timestamptz;
    began := clock_timestamp();
    UPDATE clevertap_sync_integration AS i
    SET last_served_at = instant, cursor = (given->>'last')::bigint
    WHERE i.id = for_integration AND i.xmin = integration_version
    RETURNING i.xmin INTO integration_version;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
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
        'upload', new_upload, 'attempt', new_attempt, 'now', instant, 'began', began,
        'versions', json_build_object('integration', integration_version::text,
            'account', account_version::text, 'app', app_version::text)
    )::text;
END
$function$
"""
# The next small range is leased and begun before anybody has mapped it, and its events are told;
# or null, and nothing is written: something has changed, or there is more to do, or nothing.
#
# The account is locked only where an event waits. All else is looked at once the lock is held, by
# a statement with a snapshot of its own: whatever is written under the account's lock is seen. A
# person who was suppressed meanwhile is, too, though the events were read before.
#
# Of what a claim decides by, the rows of integration, account and app tell their version, whatever
# columns they get. What stands in other tables has to be as it is where a range is simple: no
# upload is open, no replay runs, no name is approved, no other integration shares the account.
MAKE_TAKE = """
CREATE FUNCTION clevertap_sync_upload_take_1(
    for_integration bigint, integration_version xid, for_account bigint, account_version xid,
    for_app bigint, app_version xid, known_cursor bigint, known_suppression bigint,
    open_floor bigint, most_events integer, lease_seconds double precision,
    new_settings jsonb, new_worker text
) RETURNS text
""" + BY_INDEX_ALONE + """DECLARE
    events json;
    head bigint;
    instant timestamptz;
    new_version xid;
    new_upload bigint;
    new_attempt bigint;
BEGIN
    SELECT waiting.head, waiting.events INTO head, events
    FROM clevertap_sync_account AS a CROSS JOIN (
        SELECT count(*) AS number, max(e.position) AS head,
            json_agg(json_build_array(e.position, e.body, e.request_id)) AS events
        FROM (
            SELECT e.position, e.body, e.request_id FROM referrals_referralevent AS e
            WHERE e.app_id = for_app AND e.position > known_cursor
            ORDER BY e.position LIMIT most_events + 1
        ) AS e
    ) AS waiting
    WHERE a.id = for_account AND a.xmin = account_version
        AND waiting.number > 0 AND waiting.number <= most_events
    FOR NO KEY UPDATE OF a;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    instant := clock_timestamp();
    UPDATE clevertap_sync_integration AS i
    SET last_served_at = instant, cursor = head
    WHERE i.id = for_integration AND i.xmin = integration_version AND i.cursor = known_cursor
        AND (
            SELECT app.xmin FROM referrals_app AS app WHERE app.id = for_app
        ) = app_version
        AND (
            SELECT u.id FROM clevertap_sync_upload AS u
            WHERE u.integration_id = for_integration AND u.state = 'open' AND u.id >= open_floor
            LIMIT 1
        ) IS NULL
        AND (
            SELECT r.id FROM clevertap_sync_replay AS r
            WHERE r.integration_id = for_integration AND r.state = 'running' LIMIT 1
        ) IS NULL
        AND (
            SELECT c.id FROM referrals_customname AS c
            WHERE c.app_id = for_app AND c.approved_at IS NOT NULL LIMIT 1
        ) IS NULL
        AND coalesce((
            SELECT s.id FROM referrals_suppression AS s
            WHERE s.app_id >= for_app AND s.app_id <= for_app
            ORDER BY s.app_id, s.id DESC LIMIT 1
        ), 0) = known_suppression
        AND (
            SELECT other.id FROM clevertap_sync_integration AS other
            WHERE other.account_id = for_account AND other.id <> for_integration LIMIT 1
        ) IS NULL
    RETURNING i.xmin INTO new_version;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO clevertap_sync_upload (
        integration_id, state, first, last, settings, body_hash, body_changed, miscounted,
        delivered, dead, waiting, unsent, shortened, created_at, due_at,
        leased_until, lease_token, idle_claims, attempt_count, failures, unknown_outcomes
    )
    VALUES (
        for_integration, 'open', known_cursor + 1, head, new_settings, '', false, false,
        0, 0, 0, 0, 0, instant, instant,
        instant + lease_seconds * interval '1 second', 1, 0, 1, 0, 0
    )
    RETURNING id INTO new_upload;
    INSERT INTO clevertap_sync_attempt (
        integration_id, upload_id, lease_token, dry_run, worker, began_at, outcome,
        outcome_unknown, unknown_cause, records, body_bytes, accepted, refused, detail
    )
    VALUES (
        for_integration, new_upload, 1, false, new_worker, instant, '',
        false, '', 0, 0, 0, 0, ''
    )
    RETURNING id INTO new_attempt;
    RETURN json_build_object(
        'upload', new_upload, 'attempt', new_attempt, 'now', instant, 'last', head,
        'version', new_version::text, 'events', events
    )::text;
END
$function$
"""
# It says at which instant, or null where the lease was lost: then nothing but the attempt ends.
# What of the body was not written when it began is written now; null leaves what is there.
#
# The upload is found by its key: the index of open uploads, which holds all that were open once
# while some transaction stays open, looks as if it were empty.
MAKE_SETTLE = """
CREATE FUNCTION clevertap_sync_upload_settle_2(
    settled_upload bigint, token bigint, settled_records integer, ended_attempt bigint,
    http_status integer, milliseconds integer, accepted_records integer,
    new_hash text, new_unsent integer, new_shortened integer, new_bytes integer
) RETURNS text
""" + BY_INDEX_ALONE + """DECLARE
    instant timestamptz := clock_timestamp();
    is_settled boolean;
BEGIN
    UPDATE clevertap_sync_upload AS u
    SET state = 'settled', records = settled_records, delivered = settled_records,
        dead = 0, miscounted = false, leased_until = NULL, settled_at = instant,
        body_hash = coalesce(new_hash, u.body_hash), unsent = coalesce(new_unsent, u.unsent),
        shortened = coalesce(new_shortened, u.shortened)
    WHERE u.id = settled_upload AND u.state || '' = 'open' AND u.lease_token = token;
    is_settled := FOUND;
    UPDATE clevertap_sync_attempt AS a
    SET ended_at = instant, outcome = 'ok', outcome_unknown = false,
        status = http_status, duration_ms = milliseconds, accepted = accepted_records,
        refused = 0, detail = '', records = settled_records,
        body_bytes = coalesce(new_bytes, a.body_bytes)
    WHERE a.id = ended_attempt AND a.ended_at IS NULL;
    RETURN CASE WHEN is_settled THEN to_json(instant)::text END;
END
$function$
"""
MAKE = (MAKE_BEGIN, MAKE_TAKE, MAKE_SETTLE)
DROP = (
    """DROP FUNCTION IF EXISTS clevertap_sync_upload_settle_2(
        bigint, bigint, integer, bigint, integer, integer, integer, text, integer, integer,
        integer
    )""",
    """DROP FUNCTION IF EXISTS clevertap_sync_upload_take_1(
        bigint, xid, bigint, xid, bigint, xid, bigint, bigint, bigint, integer,
        double precision, jsonb, text
    )""",
    """DROP FUNCTION IF EXISTS clevertap_sync_upload_begin_2(
        bigint, double precision, jsonb, text, double precision, json
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
        ('clevertap_sync', '0020_full_upload_functions'),
        ('referrals', '0011_approved_names'),
    ]

    operations = [
        migrations.RunPython(make_function, drop_function),
    ]
