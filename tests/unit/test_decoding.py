"""No thread is the first to decode a class of ours: msgspec would be reading its fields."""

import ast
import importlib
import types
from pathlib import Path

import msgspec
import pytest

from referrals.decoding import is_prepared

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("integration_project", "referrals", "clevertap_sync")
CALLS = {"msgspec.convert", "msgspec.json.decode", "msgspec.msgpack.decode"}
#: What a table of the module says: parts of a `Mapping`, which is prepared. The sandbox has
#: decoders of its own, for it knows nothing of the product.
PREPARED_ELSEWHERE = [
    ("clevertap_sync.sandbox.rules", "Rules"),
    ("clevertap_sync.sandbox.sandbox", "Fault"),
    ("clevertap_sync.sandbox.sandbox", "Poison"),
    ("referrals.sources.mapping.validate", "kind"),
]


def find_decoded():
    """Return (module, type) of each call that decodes as a type, as they are written."""
    found = []
    for package in PACKAGES:
        for path in sorted(ROOT.joinpath(package).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "msgspec" not in text:
                continue
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            module = name.removesuffix(".__init__")
            found += [(module, kind) for kind in list_types(ast.parse(text))]
    return found


def list_types(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
            named = [each.value for each in node.keywords if each.arg == "type"]
            yield from map(ast.unparse, [*node.args[1:2], *named])


def list_classes(kind):
    if isinstance(kind, types.UnionType):
        return [kind] if any(map(list_classes, kind.__args__)) else []
    return [kind] if msgspec.inspect.is_struct_type(kind) else []


DECODED = [each for each in find_decoded() if each not in PREPARED_ELSEWHERE]


@pytest.mark.parametrize(("module", "kind"), DECODED)
def test_a_class_that_is_decoded_was_read_when_it_was_imported(module, kind):
    namespace = vars(importlib.import_module(module))

    assert all(map(is_prepared, list_classes(eval(kind, dict(namespace)))))  # noqa: S307 - our own source


def test_what_decodes_is_found():
    assert ("referrals.source_choices", "Verifier") in DECODED
    assert ("clevertap_sync.insight.mapping_settings", "MappingSettings") in DECODED
    assert len(find_decoded()) == len(DECODED) + len(PREPARED_ELSEWHERE)
