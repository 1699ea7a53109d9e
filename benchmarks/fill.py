"""Fills a log, or an outbox, as if so many events had come in: by SQL, in seconds.

The events are those of `events.event`, in the form in which each keeps them.
"""

from benchmarks.others import Outbox
from benchmarks.ours import Ours

#: The type of event number n, as `events.HUNDRED` has it.
_KIND = """
    CASE WHEN n % 100 < 45
        THEN (ARRAY['app_install', 'app_open', 'custom'])[1 + n % 100 % 3]
    WHEN n % 100 < 75 THEN (ARRAY['app_install', 'app_open'])[1 + (n % 100 - 45) % 2]
    WHEN n % 100 < 95 THEN (ARRAY['web_sign_up', 'web_open'])[1 + (n % 100 - 75) % 2]
    ELSE 'link_click' END
"""
_CHANNEL = """
    (ARRAY['whatsapp', 'email', 'twitter', 'sms', 'facebook', 'facebookmessenger'])[1 + n % 6]
"""
_NAME = "(ARRAY['Subscription Started', 'Level Reached', 'Order Placed'])[1 + n % 3]"
# Of eight digits: an event is as long at the log's end as at its beginning.
_NUMBERED = f"""
    SELECT n, number, {_KIND} AS kind, {_CHANNEL} AS channel, {_NAME} AS name,
        'spring-' || n % 20 AS content,
        format('{{"email":"u%s@example.com","custom_id":"u-%s"}}', number, number) AS who,
        format('{{"email":"r%s@example.com","custom_id":"r-%s"}}', n % 50000, n % 50000)
            AS by_whom
    FROM generate_series(FIRST::bigint, LAST::bigint) AS n,
        lpad(n::text, 8, '0') AS number
"""
# Rows of the log. Custom events carry their name's number and their data.
_OURS = """
    INSERT INTO referrals_referralevent
        (app_id, position, key, fingerprint, received_at, occurred_at,
         type, name, channel, status, test, body)
    SELECT app.id, n, 'fill-' || number, md5(n::text)::uuid, clock_timestamp(),
        date_trunc('second', now()), kind,
        CASE WHEN kind = 'custom' THEN event.name ELSE '' END, channel, 'valid', false,
        format('{{"id":"fill-%s","type":"%s","occurred_at":"%s",', number, kind,
            to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
        || CASE WHEN kind = 'custom' THEN
            format('"name":"%s","name_number":%s,', event.name, 1 + n % 3) ELSE '' END
        || CASE WHEN kind <> 'link_click' THEN
            format('"user":{{"identities":%s}},', who) ELSE '' END
        || format('"referrer":{{"identities":%s}},"channel":"%s","content":"%s"',
            by_whom, channel, content)
        || CASE WHEN kind = 'custom' THEN format(
            ',"event_data":{{"plan":"gold","amount":%s,"currency":"EUR"}}', n % 90)
            ELSE '' END
        || '}}'
    FROM ({numbered}) AS event, referrals_app AS app
    ORDER BY n
"""
_NAMES = """
    INSERT INTO referrals_customname (app_id, name, normalised, number, first_position)
    SELECT app.id, custom.name, lower(replace(custom.name, ' ', '')), number, number
    FROM referrals_app AS app,
        unnest(ARRAY['Subscription Started', 'Level Reached', 'Order Placed'])
            WITH ORDINALITY AS custom(name, number)
    ON CONFLICT DO NOTHING
"""
_EVENTS = """
    INSERT INTO peers_event (id, key, received_at, type, body)
    SELECT n, 'fill-' || number, clock_timestamp(), kind, jsonb_build_object(
        'id', 'fill-' || number, 'type', kind, 'occurred_at', extract(epoch FROM now())::bigint,
        'user', jsonb_build_object('identities', who::jsonb),
        'referrer', jsonb_build_object('identities', by_whom::jsonb),
        'channel', channel, 'content', content)
    FROM ({numbered}) AS event ORDER BY n
"""
_DELIVERIES = """
    INSERT INTO peers_delivery (event_id, record, state, attempts)
    SELECT n, format('{{"identity":"%s%s@example.com","ts":%s,"type":"event",'
        || '"evtName":"%s %s","evtData":{{"Channel":"%s","Content":"%s","Status":"valid"}}}}',
        letter, CASE letter WHEN 'u' THEN number ELSE (n % 50000)::text END,
        extract(epoch FROM now())::bigint, side, initcap(replace(kind, '_', ' ')),
        channel, content), 'pending', 0
    FROM ({numbered}) AS event,
        (VALUES ('Referred', 'u'), ('Generated', 'r')) AS sides(side, letter)
    WHERE letter = 'r' OR kind <> 'link_click'
    ORDER BY n, letter DESC
"""

_LETTERS = """
    INSERT INTO clevertap_sync_deadletter
        (integration_id, upload_id, position, side, event_name, reason, detail, state,
         failures, created_at, changed_at)
    SELECT integration_id, id, first + n, 'referred', 'Referred App Install',
        (ARRAY['no_identity', 'identity_forbidden', 'clevertap_528'])[1 + (id + n) % 3],
        'There is none.', 'open', 1, created_at, created_at
    FROM clevertap_sync_upload, generate_series(0, 199) AS n
    WHERE state = 'settled' AND first + n <= last ORDER BY id, n LIMIT {count}
"""


def fill_letters(system: Ours, count: int) -> None:
    """Add up to `count` dead letters, as if the settled uploads had lost them."""
    system.ask(_LETTERS.format(count=count))
    system.ask("VACUUM (ANALYZE)")


#: What has been delivered: range uploads of 500 events, each with the attempt that was taken.
_UPLOADS = """
    INSERT INTO clevertap_sync_upload
        (integration_id, state, first, last, settings, body_hash, body_changed, miscounted,
         records, delivered, dead, waiting, unsent, shortened, counts, created_at,
         settled_at, due_at, lease_token, idle_claims, attempt_count, failures,
         unknown_outcomes)
    SELECT i.id, 'settled', first, least(first + 499, {last}), '{{}}', '', false, false,
        975, 975, 0, 0, 0, 0, '[]', at, at, at, 1, 0, 1, 0, 0
    FROM clevertap_sync_integration AS i,
        generate_series(i.cursor + 1, {last}, 500) AS first,
        LATERAL (SELECT received_at AS at FROM referrals_referralevent
                 WHERE app_id = i.app_id AND position = first) AS event
    ORDER BY first
"""
_ATTEMPTS = """
    INSERT INTO clevertap_sync_attempt
        (integration_id, upload_id, lease_token, dry_run, worker, began_at, ended_at,
         outcome, outcome_unknown, unknown_cause, status, duration_ms, records, body_bytes,
         accepted, refused, detail)
    SELECT u.integration_id, u.id, 1, false, 'fill', settled_at, settled_at,
        'ok', false, '', 200, 200, records, 200000, records, 0, ''
    FROM clevertap_sync_upload AS u JOIN clevertap_sync_integration AS i
        ON i.id = u.integration_id
    WHERE u.first > i.cursor ORDER BY u.id
"""


def fill_uploads(system: Ours, last: int) -> None:
    """Let all events up to position `last` be delivered, as if a worker had done it."""
    for statement in (
        *(_UPLOADS, _ATTEMPTS),
        "UPDATE clevertap_sync_integration SET cursor = {last}",
        "VACUUM (ANALYZE)",
    ):
        system.ask(statement.format(last=last))


def fill(system: Ours | Outbox, first: int, last: int) -> None:
    """Add events number `first` to `last`, ready to be delivered.

    For us they become the positions first … last. Statistics and visibility are then as
    after a quiet hour.
    """
    numbered = _NUMBERED.replace("FIRST", str(first)).replace("LAST", str(last))
    statements = (_NAMES, _OURS) if isinstance(system, Ours) else (_EVENTS, _DELIVERIES)
    for statement in statements:
        system.ask(statement.format(numbered=numbered))
    system.ask("VACUUM (ANALYZE)")
    system.ground.ask("CHECKPOINT")
