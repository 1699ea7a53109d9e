"""Every reason is explained: in the code, to people, and in the documentation."""

import ast
import re
from pathlib import Path

import pytest

from clevertap_sync.clevertap import (
    errors,
    identities,
    mapping,
    moulds,
    properties,
)
from clevertap_sync.clevertap.account_faults import AccountFault, describe_fault
from clevertap_sync.clevertap.errors import CleverTapError
from clevertap_sync.clevertap.reasons import (
    REASONS,
    find_reason_for_code,
    shorten_reason,
)
from clevertap_sync.models import DeadLetter

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "reasons.md"

COLUMN = DeadLetter._meta.get_field("reason")

# What the delivery gives as a reason; the rest comes from the mapping or CleverTap.
OF_DELIVERY = {
    "request_rejected",
    "unidentified",
    "outcome_unknown",
    "mapping_failed",
    "event_removed",
    "clevertap_unknown",
    "kept_back",
    "never_known",
    "shared_identity",
}


def rows_under(heading):
    section = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line for line in section.splitlines() if line.startswith("| `")]


def errors_in_order(parent=CleverTapError):
    for error in parent.__subclasses__():
        yield error
        yield from errors_in_order(error)


def refusals_in(module):
    """Return the reasons that a module's source gives, found without running it."""
    for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
        match node:
            case ast.Call(
                func=ast.Name(id="MappingRefusal"), args=[ast.Constant(value=code), *_]
            ):
                yield code
            case ast.Call(
                func=ast.Name(id="MappingRefusal"), args=[ast.Name(id=name), *_]
            ) if name.isupper():
                yield getattr(module, name)
            case ast.Assign(
                targets=[ast.Name(id="reason")], value=ast.Constant(value=str(code))
            ):
                yield code


def test_the_mapping_gives_known_reasons_alone_and_each_of_them():
    modules = (identities, mapping, moulds, properties)
    given = {code for module in modules for code in refusals_in(module)}

    from_clevertap = {code for code in REASONS if code.startswith("clevertap_")}
    of_mapping = set(REASONS) - from_clevertap - OF_DELIVERY
    expected = of_mapping | {"mapping_failed", "clevertap_id_invalid"}
    assert given == expected, (
        "A reason that the mapping gives is explained in clevertap/reasons.py, and what stands "
        "there is given by the mapping, or is in OF_DELIVERY here. These are on one side "
        f"alone: {sorted(given ^ expected)}"
    )


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_a_reason_reads_as_two_sentences_and_fits_its_column(reason):
    assert REASONS[reason.code] is reason
    assert len(reason.code) <= (COLUMN.max_length or 0)
    for sentence in (reason.meaning, reason.remedy):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert "|" not in sentence


def test_errors_and_reasons_do_not_share_a_code_by_accident():
    shared = {e.code for e in errors_in_order()} & set(REASONS)

    # The error of a request becomes the reason of its record, once that stands alone.
    assert shared == {errors.RequestRejectedError.code}


@pytest.mark.parametrize("code", [*range(509, 536), 555])
def test_each_code_of_clevertaps_has_a_reason(code):
    assert find_reason_for_code(code) == f"clevertap_{code}"
    assert f"clevertap_{code}" in REASONS


@pytest.mark.parametrize("code", [None, 0, -1, 200, 401, 508, 536, 5090])
def test_any_other_code_is_unknown(code):
    assert find_reason_for_code(code) == "clevertap_unknown"


def test_the_documentation_lists_the_cause_of_every_refusal_and_its_field():
    rows = rows_under("The cause of `credentials_refused`")

    told = [re.findall(r"^\| `(\w+)` .* `(\w+)` \|$", line) for line in rows]
    assert told == [
        [(fault.value, describe_fault(fault).field)] for fault in AccountFault
    ]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("no_identity", "No identity"),
        ("clevertap_id_invalid", "CleverTap ID invalid"),
        ("clevertap_528", "CleverTap 528"),
        ("unidentified", "Unidentified"),
    ],
)
def test_a_reason_has_a_few_words_where_there_is_little_room(code, words):
    assert shorten_reason(code) == words


def test_the_few_words_tell_every_reason_apart():
    shortened = [shorten_reason(code) for code in REASONS]

    assert len(set(shortened)) == len(REASONS)
    assert max(map(len, shortened)) <= 25
