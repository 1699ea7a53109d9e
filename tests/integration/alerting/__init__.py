"""Alerts: what they find, what they say, and that it arrives once."""
