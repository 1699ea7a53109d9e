"""Debian's programs, found by name. One that is missing fails its tests, and says so."""

import os
import shutil


def find_program(name):
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert path, f"{name} is missing: run scripts/programs.sh"
    return path
