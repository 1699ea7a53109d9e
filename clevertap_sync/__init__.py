"""Where it goes: CleverTap. Delivers the log's events as records."""
