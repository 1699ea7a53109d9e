"""What a set-up file may say: a table for each of its tables."""

from clevertap_sync.provisioning.file_keys import Table, list_tables
from scripts.reference.parts import fill_part, write_table


def fill_set_up_file(page: str) -> str:
    """Return the page with every key of every table."""
    tables = "\n\n".join(map(_write_keys, list_tables()))
    return fill_part(page, "the keys", tables)


def _write_keys(table: Table) -> str:
    rows = [
        (
            f"`{key.name}`",
            key.takes,
            f"{'**Required.** ' if key.is_required else ''}{key.meaning}",
        )
        for key in table.keys.values()
    ]
    written = write_table(("Key", "Takes", "Meaning"), rows)
    return f"### {table.title}: `[{table.place}]`\n\n{written}"
