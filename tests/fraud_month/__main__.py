"""`python -m tests.fraud_month [INSTALLS]`: plays the month; see the package."""

import gc
import re
import sys
from pathlib import Path
from typing import Final

from tests.fraud_month.month import play_month
from tests.fraud_month.table import RULES, write_tables

PAGE: Final = Path(__file__).parents[2] / "docs/fraud.md"
_MILLION: Final = 1_000_000
_PLACE: Final = re.compile(
    r"(<!-- month: begin -->\n).*?(<!-- month: end -->)", re.DOTALL
)


def main(arguments: list[str]) -> None:
    """Write the tables into the page; with a number, play a shorter month and print them."""
    # Millions of values that hold no cycle: looking for one takes longer than the month.
    gc.disable()
    installs = int(arguments[0]) if arguments else _MILLION
    tables = write_tables(play_month(RULES, scale=installs / _MILLION))
    if arguments:
        print(tables)
        return
    text = PAGE.read_text("utf-8")
    PAGE.write_text(
        _PLACE.sub(lambda found: f"{found[1]}{tables}\n{found[2]}", text), "utf-8"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
