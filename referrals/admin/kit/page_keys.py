"""Places in lists that are paged by key, as they stand in an address."""

from typing import Final

#: The names by which a page says where it begins.
BEFORE, AFTER = "before", "after"
#: A key is a number of 64 bits.
DIGITS: Final = 18


def read_page_key(text: str | None) -> int | None:
    """Return the key that `text` is; None where it is none."""
    digits = text or ""
    valid = digits.isascii() and digits.isdigit() and len(digits) <= DIGITS
    return int(digits) if valid else None
