"""How much the admin writes into a CSV file. Pure."""

from typing import Final

#: How many rows a file has at most.
MOST_ROWS: Final = 50_000
#: How many keys are looked through for them, a stretch at a time: a filter that hardly
#: anything passes must not read a table of millions.
MOST_KEYS: Final = 1_000_000
KEYS_PER_READ: Final = 5_000
CUT_NOTE: Final = (
    "# This file ends here, and the list goes on: filter it to get the rest. A file has "
    f"at most {MOST_ROWS:,} rows, out of the newest {MOST_KEYS:,}."
)
