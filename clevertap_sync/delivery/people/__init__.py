"""Records that wait for a person to be known: written down, matched, or given up.

Read `waiting` first: a record that waits, and by which IDs. `step` learns from the log and
matches, in one transaction; `match` is how. `lookups` lets all be looked up anew
where an integration sends another identity, and `expiry` ends what has waited in vain.
"""
