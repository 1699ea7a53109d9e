"""CleverTap's limits as the pages name them, and as the sandbox has them a second time.

A sentence of the code reads its figure from `limits`; a page cannot, so it is compared.
"""

import re

import pytest
from django.contrib.admin import site

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.limits import LIVE_HOURS, spell_figure
from clevertap_sync.sandbox import limits as sandbox_limits
from clevertap_sync.sandbox.rules import Rules
from referrals.admin.custom_name_admin import CustomNameAdmin
from referrals.models import CustomName
from tests import documented

MAPPING = "reference/mapping"
EVENT_TYPES = spell_figure(limits.EVENT_TYPES)
IN_FLIGHT = spell_figure(limits.MAX_IN_FLIGHT)
RECORDS = spell_figure(limits.MAX_RECORDS)
LIST_ITEMS = spell_figure(limits.MAX_LIST_ITEMS)
#: A constant of `limits`, and what a page says of it.
QUOTED = [
    ("MAX_TEXT_BYTES", MAPPING, f"| A text | {limits.MAX_TEXT_BYTES} bytes of UTF-8 |"),
    (
        "MAX_PROPERTY_NAME",
        MAPPING,
        f"| A property's name | {spell_figure(limits.MAX_PROPERTY_NAME)} characters |",
    ),
    (
        "MAX_PROPERTIES",
        MAPPING,
        f"included | {limits.MAX_PROPERTIES}, or what the setting says |",
    ),
    (
        "MAX_EVENT_NAME",
        MAPPING,
        f"included | {spell_figure(limits.MAX_EVENT_NAME)} characters |",
    ),
    (
        "MAX_IDENTITY",
        MAPPING,
        f"| An identity | {spell_figure(limits.MAX_IDENTITY)} characters |",
    ),
    (
        "MAX_RECORD_BYTES",
        MAPPING,
        f"| A record | {limits.MAX_RECORD_BYTES // 1024} KB |",
    ),
    (
        "CUSTOM_NAMES_LIMIT",
        MAPPING,
        f"| Custom event names that an app brings by itself | {limits.CUSTOM_NAMES_LIMIT} |",
    ),
    (
        "CUSTOM_NAMES_LIMIT",
        "reference/environment",
        f"| `CUSTOM_NAMES_LIMIT` | `{limits.CUSTOM_NAMES_LIMIT}` |",
    ),
    (
        "CUSTOM_NAMES_LIMIT",
        "glossary",
        f"Beyond the limit of {limits.CUSTOM_NAMES_LIMIT} a name is sent",
    ),
    ("EVENT_TYPES", MAPPING, f"An account has [{EVENT_TYPES} event types]"),
    ("EVENT_TYPES", "reference/environment", f"has {EVENT_TYPES} event types"),
    ("EVENT_TYPES", "troubleshooting", f"has {EVENT_TYPES} event types"),
    ("EVENT_TYPES", "glossary", f"are names; an account has {EVENT_TYPES} of them"),
    ("MAX_LEVELS", MAPPING, f"lie {spell_figure(limits.MAX_LEVELS)} levels deep"),
    (
        "MAX_BRANCHES",
        MAPPING,
        f"may hold {spell_figure(limits.MAX_BRANCHES)} objects or lists",
    ),
    ("MAX_LIST_ITEMS", MAPPING, f"a list {LIST_ITEMS} items"),
    ("MAX_LIST_ITEMS", "performance", f"lists of [{LIST_ITEMS} items at most]"),
    ("MAX_IN_FLIGHT", "performance", f"to reach {IN_FLIGHT} requests in flight"),
    ("MAX_RECORDS", "performance", f"{IN_FLIGHT} requests of {RECORDS} records"),
    ("LIVE_SECONDS", "glossary", f"less than {LIVE_HOURS} hours old"),
    ("LIVE_SECONDS", "operations", f"more than {LIVE_HOURS} hours before they arrived"),
    ("LIVE_SECONDS", "admin", f"newer than {LIVE_HOURS} hours"),
    (
        "PROCESSING_SECONDS",
        "seen-in-clevertap",
        f"*not processed yet* for {limits.PROCESSING_SECONDS // 3600} hours after",
    ),
    (
        "FRESH_SECONDS",
        "seen-in-clevertap",
        f"In the first {limits.FRESH_SECONDS // 60} minutes after that, nothing",
    ),
    (
        "MAX_DELETED",
        "reference/sandbox",
        f"by `identity` or `guid`, at most {limits.MAX_DELETED};",
    ),
]
#: Where the sandbox has the same figure: a constant of each.
TWICE = [
    ("MAX_RECORDS", "RECORDS_PER_REQUEST"),
    ("MAX_IN_FLIGHT", "UPLOADS_IN_FLIGHT"),
    ("MAX_DELETED", "DELETED_PER_REQUEST"),
    ("MAX_PROPERTIES", "PROPERTIES"),
    ("MAX_PROPERTY_NAME", "KEY_CHARACTERS"),
    ("MAX_TEXT_BYTES", "VALUE_BYTES"),
    ("MAX_EVENT_NAME", "NAME_CHARACTERS"),
    ("MAX_IDENTITY", "IDENTITY_CHARACTERS"),
    ("EVENT_TYPES", "EVENT_TYPES"),
    ("MAX_LEVELS", "NESTED_DEPTH"),
    ("MAX_BRANCHES", "NESTED_ROOT_KEYS"),
    ("MAX_RECORD_BYTES", "NESTED_BYTES"),
    ("LATEST_SECOND", "LATEST_SECOND"),
]
#: What no page has to name: it bounds what we send, and is nobody's to reckon with.
OURS_ALONE = {
    *("MAX_BODY_BYTES", "RETRYABLE_CODE", "MIN_INTEGER", "MAX_INTEGER"),
    "LATEST_SECOND",
}


@pytest.mark.parametrize(
    ("constant", "page", "words"), QUOTED, ids=[f"{q[0]} {q[1]}" for q in QUOTED]
)
def test_a_page_names_the_limit_as_the_code_has_it(constant, page, words):
    text = re.sub(r"\s+", " ", documented.page(page))

    assert words in text, (
        f"docs/{page}.md names another {constant} than clevertap/limits.py has. It is to "
        f'say: "{words}"'
    )


def test_each_limit_is_on_a_page():
    figures = {
        name
        for name, value in vars(limits).items()
        if name.isupper() and isinstance(value, int) and not name.startswith("_")
    }

    assert figures - {name for name, *_ in QUOTED} == OURS_ALONE, (
        "Say in docs/reference/mapping.md what the new limit is, and here in QUOTED where "
        "that stands."
    )


@pytest.mark.parametrize(("ours", "sandboxes"), TWICE, ids=[t[0] for t in TWICE])
def test_the_sandbox_is_as_strict_as_we_take_clevertap_to_be(ours, sandboxes):
    assert getattr(limits, ours) == getattr(sandbox_limits, sandboxes), (
        f"clevertap/limits.py has another {ours} than sandbox/limits.py has {sandboxes}. "
        "Look the figure up, and correct the one that is wrong."
    )


def test_the_sandboxs_page_has_the_figures_of_its_rules():
    text = documented.page("reference/sandbox")
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| ([0-9, ]+) \|", text, re.MULTILINE)

    told = {
        name: int(figure)
        for names, figures in rows
        for name, figure in zip(
            re.findall(r"\w+", names), figures.split(", "), strict=True
        )
    }

    rules = {
        name: value
        for name in Rules.__struct_fields__
        if type(value := getattr(Rules(), name)) is int
    }
    assert told == rules, (
        "Correct the defaults under Rules in docs/reference/sandbox.md."
    )


def test_the_page_of_custom_names_says_how_many_event_types_there_are():
    # It knows of no destination, so it cannot read the figure.
    intro = CustomNameAdmin(CustomName, site).intro
    assert f"has {EVENT_TYPES} event types" in intro, (
        "Correct the intro in referrals/admin/custom_name_admin.py."
    )


@pytest.mark.parametrize(
    ("figure", "spelt"),
    [(0, "no"), (3, "three"), (12, "twelve"), (13, "13"), (1024, "1,024")],
)
def test_a_small_figure_is_a_word_and_a_large_one_has_a_comma(figure, spelt):
    assert spell_figure(figure) == spelt
