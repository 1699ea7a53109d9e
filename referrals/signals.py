"""The one place where the log and its destinations meet."""

from django.dispatch import Signal

# Sent after commit with `app_id` (int) and `head` (int), once per append that stored
# something. Receivers must be quick and must not raise: they run in the caller's thread.
events_recorded = Signal()
