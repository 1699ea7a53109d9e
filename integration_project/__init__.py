"""Runs the apps, and owns no rule."""

from integration_project.celery import app as celery_app

__all__ = ["celery_app"]
