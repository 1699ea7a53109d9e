"""What was sent: uploads, attempts, dead letters, replays, and ordering a replay.

* `upload_admin`, `attempt_admin`, `dead_letter_admin`, `replay_admin`  a table each
* `replay_plan`   what a replay would send, and ordering it
* `range_replay`  the page that orders the replay of a range
"""
