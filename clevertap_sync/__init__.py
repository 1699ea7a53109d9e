"""Delivers the log's events to CleverTap as records.

The rooms, in the order of reading; a room imports only from those above it:

* `clevertap/`   all that knows CleverTap; pure
* `models/`      the tables
* `process/`     what one process remembers: clock, doorbell, slots
* `insight/`     reads only: status, books, findings
* `delivery/`    the steps of a delivery; the only writer of uploads and cursors
* `alerting/`    tells people about findings
* `worker/`      the sweep, and the background jobs of a worker
* `provisioning/`  sets apps up by command
* `admin/`       the admin's pages, and `management/` the commands

The modules beside them are entries: `apps` (Django), `tasks` (Celery), `receivers` (the
log's signal), `checks` (system checks) and `key_rotation` (stored secrets). `sandbox/` is our
stand-in for CleverTap.
"""
