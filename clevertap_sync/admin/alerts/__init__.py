"""Alerts: who is told about what, and silencing them."""
