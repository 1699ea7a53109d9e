"""The log of referral events, and all that happens at its door. Knows no destination.

Read in this order:

1. `vocabulary`, `models`, `schema`, `rules`: what an event is. `refusals` and `diagnosis`
   say why one is refused; `values`, `precision`, `repeated_keys` and `fraud_signals` check
   details of it.
2. `log`: appends events, and reads and removes them. `fraud` judges installs, and
   `hashing` hashes signals and identities.
3. The ways in: `api` (HTTP), `tasks` (Celery), `files` with the command `import_events`.
   `rejections` keeps refused events, and `ingest` counts what comes in.
4. `suppression` and `identity`: people of whom nothing may be sent.
5. `destinations` and `signals`: where destinations connect.
6. `access`, `history` and `admin`: the pages. `words` and `templatetags` format their texts.
"""
