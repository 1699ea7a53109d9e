#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

from integration_project import streams
from integration_project.local import running, secrets_file

VAR = Path(__file__).resolve().parent / "var"

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_project.settings")
    is_up = sys.argv[1:2] == ["up"]
    secrets_file.load_secrets(VAR / "secrets.env", os.environ, create=is_up)
    if not is_up:
        running.load_running_settings(VAR, os.environ)
    with streams.guard_streams():
        execute_from_command_line(sys.argv)
