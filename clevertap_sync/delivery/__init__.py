"""The one writer of uploads, attempts, dead letters, cursors and holds.

Each step of a delivery is a short transaction of its own, and none is open while CleverTap
is asked. Read the modules in the order in which a delivery passes through them:

1. `work`: the values that travel between the steps.
2. `deliver`: the loop of the steps.
3. `claim`, with `account_lock` and `caution`: which upload is next, and its lease.
4. `map_upload`, with `split` and `unknown_outcomes`: events become records.
5. `canary`: does CleverTap know the first people?
6. `send`, with `attempt_line`: one attempt, one request.
7. `settle`, with `dead_letters` and `counts`: each record gets its verdict.
8. `failure`, with `hold`, `hold_cause` and `probe`: the request failed as a whole.

What waits for a person to be known is in the folder `people`, apart from these steps; once
somebody is, `revival` sends it, and `pins` say under whom.
What a person orders is apart: `lifecycle` (enable, pause, new settings), `replay`,
`check_integration` and the folder `erasure`. The folder `upkeep` keeps the tables small, and
the folder `sql` has the statements that a delivery composes itself.
"""
