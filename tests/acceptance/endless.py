"""A test that never ends, with every kind of process around it: for runs that are cut off.

Not collected by itself: test_cut_off_runs.py names it, and the migrated database that it
copies.
"""

import os
import shutil
import threading
from pathlib import Path

from tests.harness.databases import SQLite

#: Names the database.
COPIED = "ENDLESS_DATABASE"


def test_for_ever(make_stack, tmp_path):
    path = tmp_path / "db.sqlite3"
    shutil.copyfile(Path(os.environ[COPIED]), path)
    make_stack("sqlite", database=SQLite(path, is_migrated=False), warm=True).start()

    threading.Event().wait()
