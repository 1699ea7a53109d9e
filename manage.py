#!/usr/bin/env python
"""Django's command line for this project."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

from integration_project.local import secrets_file

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_project.settings")
    secrets_file.load(
        Path(__file__).resolve().parent / "var" / "secrets.env",
        os.environ,
        create=sys.argv[1:2] == ["up"],
    )
    execute_from_command_line(sys.argv)
