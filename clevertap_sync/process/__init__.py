"""What one process knows and remembers, apart from the database's rows.

The modules stand alone, in any order: `clock` (the database's), `stopping` (claim nothing
more), `slots` (threads per integration), `account_access` (clients of CleverTap), `doorbell`
(rings through the broker), `people_wakeups` (which apps may have learned who somebody is) and
`worker_presence` (which workers are at work).
"""
