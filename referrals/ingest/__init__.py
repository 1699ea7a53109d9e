"""Ingest health: how much came in, by which way, and what was refused at the door and why.

`counter` counts in memory, `writing` adds that to the database, `background` does so from
time to time, `health` reads it, `removal` lets go of it. Whoever takes events in calls
`background.count_ingest`; nothing here knows the API or the log.

A *way* is how events came in: the first characters of the API key that brought them, or
one of `counter.WayIn`.
"""
