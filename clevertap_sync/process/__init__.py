"""What one process knows and remembers, apart from the database's rows.

The modules stand alone, in any order: `clock` (the database's), `stopping` (claim nothing
more), `slots` (threads per integration), `account_access` (clients of CleverTap), `doorbell`
(rings through the broker), `delivery_faults` (whose delivery met a fault of ours),
`people_wakeups` (which apps may have learned who somebody is) and `worker_presence` (which
workers are at work). What the process writes down along with the counts of what came in:
`process_presence` with `vitals` (what each process takes), and `durations`, `duration_counts`,
`delivery_times` and `duration_rows` (how long things took).
"""
