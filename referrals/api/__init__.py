"""The HTTP API through which events come in.

A request passes, in this order: `request_id` (a name for it), `edge` (is it for us, and
what refuses it before a view becomes a problem), `guard` (whatever goes wrong
becomes a problem), `auth` (whose app), `body` (bytes, capped), `body_events` (an event
or its problem, one by one), `views` (decode, append, answer). `openapi` and `problems` are what it documents.
"""
