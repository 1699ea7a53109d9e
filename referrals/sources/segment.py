"""Calls of Segment's tracking API, as SDKs and other CDPs make them. Pure.

What becomes of a call is the preset's mapping, as for every platform. Here is what is
Segment's own: the method is in the address, a batch holds many calls, and the write key is
the user of Basic or a member of the body.

Reference: https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/
"""

from typing import Final

import msgspec

from referrals.sources.call import Call
from referrals.sources.document import Document, read_document
from referrals.sources.mapping.outcome import Outcome
from referrals.sources.mapping.rules import Choices
from referrals.sources.mapping.translate import translate_document
from referrals.sources.presets import load_mapping
from referrals.sources.verifiers import read_basic

METHODS: Final = ("track", "batch", "identify", "page", "screen", "group", "alias")
#: Of a batch, decompressed. A 400 would make SDKs drop what is larger.
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
MAX_ITEMS: Final = 2_500
#: A call of an SDK carries some fifty values of context.
MAX_VALUES: Final = 400_000


def find_write_key(call: Call) -> str | None:
    """Return the write key of Basic, or None. Reads nothing of the body.

    SDKs send it as the user with an empty password.
    """
    headers = call.find_headers("authorization")
    credentials = read_basic(headers[0].strip()) if len(headers) == 1 else None
    return credentials[0] or None if credentials else None


def read_segment_call(method: str, call: Call) -> Document:
    """Return what a call to `/v1/{method}` says, each of its items with its type.

    A single call leaves its type to the address. Raises `BrokenRuleError`.
    """
    document = read_document(call, most_values=MAX_VALUES)
    body = document.body
    if not isinstance(body, dict) or method == "batch":
        return document
    return msgspec.structs.replace(document, body={**body, "type": method})


def read_write_key(document: Document) -> str | None:
    """Return the write key that the body names, or None."""
    body = document.body
    key = body.get("writeKey") if isinstance(body, dict) else None
    return key if isinstance(key, str) and key else None


def translate_segment_call(
    document: Document, choices: Choices, *, key: bytes
) -> list[Outcome]:
    """Return what becomes of each item of a call, as `translate_call` does."""
    return translate_document(
        document, load_mapping("segment"), choices, key=key, most_items=MAX_ITEMS
    )
