"""JSON without blanks, as platforms sign it: cut out of the text, never written anew. Pure.

Writing it anew would change numbers, escapes and the order of keys, and with one byte the
signature.
"""

import re
from typing import Final

import msgspec

# A text is kept whole, even one without an end; blanks are what is between texts.
_TEXT_OR_BLANKS: Final = re.compile(
    rb'("[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z))|[ \t\r\n]++', re.DOTALL
)
_items: Final = msgspec.json.Decoder(list[msgspec.Raw])


def minify_json(text: bytes) -> bytes:
    """Return `text` without the blanks outside its texts. Never raises."""
    return _TEXT_OR_BLANKS.sub(lambda found: found[1] or b"", text)


def find_first_item(text: bytes) -> bytes | None:
    """Return the first element of a JSON list without blanks, or None where it has none."""
    try:
        items = _items.decode(text)
    except (ValueError, RecursionError):
        return None
    return minify_json(bytes(items[0])) if items else None
