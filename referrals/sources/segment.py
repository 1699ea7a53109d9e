"""Calls of Segment's tracking API, as SDKs and other CDPs make them. Pure.

What becomes of a call is the preset's mapping, as for every platform. Here is what is
Segment's own: the method is in the address, a batch holds many calls, and the write key may
be a member of the body.

Reference: https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

from typing import Final

import msgspec

from referrals.sources.call import Call
from referrals.sources.document import Document, read_document
from referrals.sources.mapping.outcome import Outcome
from referrals.sources.mapping.rules import Choices, Mapping
from referrals.sources.mapping.translate import translate_document

METHODS: Final = ("track", "batch", "identify", "page", "screen", "group", "alias")
#: What some SDKs call `batch`: Java and older ones, Kotlin and Swift.
BATCH_ALIASES: Final = ("import", "b")
#: An SDK's host ends so; it adds `/v1/batch` by itself.
PATH: Final = "/v1/segment"
#: Of a batch, decompressed. A 400 would make SDKs drop what is larger.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
MAX_ITEMS: Final = 2_500
#: A call of an SDK carries some fifty values of context. Each may take two hundred bytes of
#: memory, also of a batch whose caller turns out to be nobody.
MAX_VALUES: Final = 165_000
_KEY_NAME: Final = "writeKey"


def read_segment_call(method: str, call: Call) -> Document:
    """Return what a call to `/v1/{method}` says, each of its items with its type.

    A single call leaves its type to the address. Raises `BrokenRuleError`.
    """
    document = read_document(call, most_values=MAX_VALUES)
    body = document.body
    if not isinstance(body, dict) or method in ("batch", *BATCH_ALIASES):
        return document
    return msgspec.structs.replace(document, body={**body, "type": method})


def take_write_key(document: Document) -> tuple[str, Document]:
    """Return the write key that the body names, or "", and the document without it.

    A mapping can read any member of the body, and what it finds is stored.
    """
    body = document.body
    if not isinstance(body, dict) or _KEY_NAME not in body:
        return "", document
    key = body[_KEY_NAME]
    rest = {name: value for name, value in body.items() if name != _KEY_NAME}
    return (
        key if isinstance(key, str) else "",
        msgspec.structs.replace(document, body=rest),
    )


def translate_segment_call(
    document: Document, mapping: Mapping, choices: Choices, *, key: bytes
) -> list[Outcome]:
    """Return what becomes of each item of a call, as `translate_call` does."""
    return translate_document(document, mapping, choices, key=key, most_items=MAX_ITEMS)


def count_items(document: Document) -> int:
    """Return how many calls a batch holds; 1 for a call that is none."""
    body = document.body
    batch = body.get("batch") if isinstance(body, dict) else body
    return len(batch) if isinstance(batch, list) else 1
