"""Looks at the built site: no page may load anything from another host. `make docs` ends so."""

import sys
from pathlib import Path

from scripts.check_repository import ROOT
from scripts.site.foreign import find_foreign


def main(folder: Path) -> int:
    """Say where the site is, or what its pages would load from elsewhere."""
    pages = sorted(folder.rglob("*.html"))
    problems = [
        f"{page.relative_to(folder)} loads {address}\n"
        for page in pages
        for address in find_foreign(page.read_text(encoding="utf-8"))
    ]
    sys.stdout.writelines(problems)
    sys.stdout.write(f"{len(pages)} pages: {folder.name}/index.html\n")
    return 1 if problems or not pages else 0


if __name__ == "__main__":
    sys.exit(main(ROOT / "site"))
