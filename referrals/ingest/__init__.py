"""Ingest health: counts of events by way in, and of refusals at the door by cause.

Read in this order: `counter` counts in memory, `writing` adds the counts to the database,
`background` does that every few seconds, `ingest_health` reads them, `source_health` those of
sources, and `count_removal` removes old ones. The API, the log and the Celery task call `background.count_ingest`; nothing here
knows them.

A *way* is how events came in: the first characters of the API key that brought them, or
one of `counter.WayIn`.
"""
