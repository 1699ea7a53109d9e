"""How Sphinx builds the site: `make docs`. A broken link or anchor makes it fail.

Reference: https://www.sphinx-doc.org/en/master/usage/configuration.html
"""

import shutil
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from scripts.site.pages import INDEX, list_pages, prepare_page  # noqa: E402 - needs ROOT

project = "Referral events for CleverTap"
copyright = ""  # noqa: A001 - Sphinx's name
root_doc = INDEX
include_patterns = [
    *(f"{page}.md" for page in list_pages()),
    *("README.md", "docs/**/*.md"),
]
exclude_patterns = [".*", "**/node_modules"]
extensions = ["myst_parser"]
# Anchors as GitHub makes them, of headings down to the fourth level.
myst_heading_anchors = 4
nitpicky = True
highlight_language = "text"
# In examples … stands for what is left out, which no grammar knows.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = project
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_static_path = ["static"]
html_css_files = ["site.css"]


def setup(app: Any) -> None:  # noqa: ANN401 - Sphinx is not installed where types are checked
    """Connect what the site changes in pages, and its first page."""
    app.connect("source-read", _read_page)
    app.connect("build-finished", _write_index)


def _read_page(_app: object, name: str, source: list[str]) -> None:
    source[0] = prepare_page(name, source[0])


def _write_index(app: Any, error: Exception | None) -> None:  # noqa: ANN401 - as above
    """Let the README be the page that a web server shows first."""
    if error is None:
        shutil.copyfile(app.outdir / f"{INDEX}.html", app.outdir / "index.html")
