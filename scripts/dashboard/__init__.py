"""Grafana's dashboard, described panel by panel: `python -m scripts.dashboard` writes it."""
