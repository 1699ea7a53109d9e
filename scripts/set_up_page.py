"""The tables of docs/reference/set-up-file.md, written from what a set-up file may say.

`python -m scripts.set_up_page` writes them between the two marks. What a person wrote around
them stays.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import django

PAGE: Final = Path(__file__).resolve().parent.parent / "docs/reference/set-up-file.md"
BEGIN: Final = "<!-- written from the keys: begin -->"
END: Final = "<!-- written from the keys: end -->"


def write_page(text: str) -> str:
    """Return the page with its tables written afresh."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    tables = "\n".join(_list_lines())
    return f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}"


def _list_lines() -> Iterator[str]:
    # Its columns are those of the models.
    from clevertap_sync.provisioning.file_keys import (  # noqa: PLC0415 - after the set-up
        list_tables,
    )

    for number, table in enumerate(list_tables()):
        if number:
            yield ""
        yield f"### {table.title}: `[{table.place}]`"
        yield ""
        yield "| Key | Takes | Meaning |"
        yield "|---|---|---|"
        for key in table.keys.values():
            required = "**Required.** " if key.is_required else ""
            yield f"| `{key.name}` | {key.takes} | {required}{key.meaning} |"


def main() -> None:
    """Write the page."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integration_project.settings")
    os.environ.setdefault("DEBUG", "true")
    django.setup()
    PAGE.write_text(write_page(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
