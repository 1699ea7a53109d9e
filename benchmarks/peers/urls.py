# mypy: ignore-errors
"""The address that each peer takes events at."""

import os
from importlib import import_module

from django.urls import path

# A peer is one way of doing it; a process imports only what that one needs.
view = import_module(os.environ["PEER_VIEW"]).receive

urlpatterns = [path("v1/events", view)]
