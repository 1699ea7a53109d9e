"""`make docs` builds the site without a warning, and all of it is there."""

import fcntl
import os
import subprocess

from tests.documented import list_pages
from tests.harness.commands import ROOT
from tests.ops.programs import find_program


def run_make(target):
    return subprocess.run(
        [find_program("make"), target],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )


def test_the_site_is_built_without_a_warning_and_has_every_page():
    # Another run of the tests may build it, too.
    with (ROOT / "requirements-docs.txt").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        # What pip has to say of its indexes is none of the site's warnings.
        run_make(".venv-docs/.requirements-docs")
        built = run_make("docs")

    # Sphinx prints warnings only, and each of them makes it fail.
    assert built.stderr == ""
    assert built.returncode == os.EX_OK
    built_pages = [ROOT / "site" / path.relative_to(ROOT) for path in list_pages()]
    assert all(page.with_suffix(".html").exists() for page in built_pages)
    assert (ROOT / "site/index.html").exists()
    assert (ROOT / "site/searchindex.js").exists()
