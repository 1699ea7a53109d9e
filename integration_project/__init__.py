"""Runs the two Django apps: settings, processes, and what every page and request shares.

Owns no rule about events or deliveries. Read in this order:

1. `settings` and its readers: `environment`, `addresses`, `databases`, `broker`, `mail`.
2. The web process: `wsgi`, `urls`, then the folder `web`; the middlewares `health`,
   `api_shortcut`, `security_headers` and `inert_pages`.
3. The admin's frame: `admin_config`, `admin_site`, `admin_menu`, `login_throttle`,
   `session_end`, `error_pages`.
4. The worker: `celery`, `consumer`.
5. What operators see: `metrics` with `prometheus`, and the folder `observability`.
6. `manage.py up`: the folders `local`, `supervisor` and `demo`.
"""

from integration_project.celery import app as celery_app

__all__ = ["celery_app"]
