"""Write ops/grafana/dashboard.json."""

from scripts.dashboard.dashboard import FILE, render_dashboard

FILE.write_text(render_dashboard(), "utf-8")
