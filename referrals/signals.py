"""The one place where the log and its destinations meet."""

from django.dispatch import Signal

# Sent after commit with `app_id` (int), `head` (int) and `only_people` (bool), once per append
# that stored something: `only_people`, where all of it only says who is who. Receivers must be quick and must not raise: they run in the caller's thread.
events_recorded = Signal(use_caching=True)
