"""A type of event is whole: table, title, documentation, migration, sample and OpenAPI.

Each sentence says what a new type still needs.
"""

import tracemalloc

import pytest
from django.db.migrations.loader import MigrationLoader
from django.test import override_settings

from clevertap_sync.clevertap.mapping import MappingSettings, map_event
from referrals.api import openapi
from referrals.refusals import Code
from referrals.rules import BrokenRuleError, check_people
from referrals.samples import make_sample_event
from referrals.schema import EventProblem, build_event, check_object
from referrals.vocabulary import (
    REFERRAL_TYPES,
    SIDES,
    TITLES,
    EventType,
    Side,
    find_referrals_without,
    normalise_name,
)
from referrals.words import NOTHING
from tests import documented
from tests.builders import ANN, BOB, NOON

BUILT_IN = [each for each in REFERRAL_TYPES if each is not EventType.CUSTOM]
MIGRATE = "DEBUG=true .venv/bin/python manage.py makemigrations"


def record_names(event_type):
    """Return what CleverTap calls the event, for the user and for the referrer."""
    title = TITLES.get(event_type, "?")
    return [
        f"{side.title()} {title}" if side in SIDES.get(event_type, ()) else NOTHING
        for side in (Side.REFERRED, Side.GENERATED)
    ]


def listed(words, last):
    """Return "`a`, `b` or `c`", as a page lists them."""
    *others, end = (f"`{word}`" for word in words)
    return f"{', '.join(others)} {last} {end}" if others else end


def line_of(page, start):
    """Return the line of a page that begins so."""
    lines = documented.page(page).splitlines()
    return next((line for line in lines if line.startswith(start)), "")


@pytest.mark.parametrize("event_type", REFERRAL_TYPES)
def test_a_type_has_its_sides_in_the_table(event_type):
    assert SIDES.get(event_type), (
        f"Say in SIDES of referrals/vocabulary.py whom an event of type {event_type} can "
        "be about."
    )


@pytest.mark.parametrize("event_type", BUILT_IN)
def test_a_built_in_type_has_a_title_of_its_own(event_type):
    title = TITLES.get(event_type)

    assert title, f"Give {event_type} a title in TITLES of referrals/vocabulary.py."
    alike = [normalise_name(each) for each in TITLES.values()]
    assert alike.count(normalise_name(title)) == 1, (
        f"Two types have the title {title}. CleverTap would count them as one."
    )


def test_who_somebody_is_is_about_no_side_and_becomes_no_record():
    assert set(EventType) - set(REFERRAL_TYPES) == {EventType.IDENTIFY}
    assert SIDES[EventType.IDENTIFY] == ()
    assert EventType.IDENTIFY not in TITLES


def test_a_custom_event_has_no_title_but_its_name():
    assert EventType.CUSTOM not in TITLES


@pytest.mark.parametrize("event_type", BUILT_IN)
def test_the_pages_say_which_records_a_type_becomes(event_type):
    names = " | ".join(record_names(event_type))

    assert f"\n| `{event_type}` | {names} |\n" in documented.page(
        "reference/mapping"
    ), (
        f'Add the row "| `{event_type}` | {names} |" to the table under "Which records" in '
        "docs/reference/mapping.md."
    )
    assert f" | {names} |\n" in documented.page("../README"), (
        f'Add a row that ends in "| {names} |" to the first table of README.md.'
    )


def test_the_api_reference_lists_every_type():
    row = f"| `type` | **Required.** {listed(EventType, 'or')}. |"

    assert line_of("reference/http-api", "| `type` |") == row, (
        f'Correct the row of `type` in docs/reference/http-api.md to: "{row}"'
    )


def test_the_api_reference_says_which_types_need_no_user():
    without = listed(find_referrals_without(Side.REFERRED), "and")
    row = f"| `user` | Who did it. Required, except for {without}. |"

    assert line_of("reference/http-api", "| `user` |") == row, (
        f'Correct the row of `user` in docs/reference/http-api.md to: "{row}"'
    )


def test_the_api_reference_quotes_the_refusal_of_an_event_without_a_user():
    with pytest.raises(BrokenRuleError) as refused:
        check_people(EventType.APP_OPEN, None, has_user=False, has_referrer=True)

    assert refused.value.code is Code.NO_USER
    assert refused.value.detail in documented.page("reference/http-api"), (
        "Correct the example of `nothing-stored` in docs/reference/http-api.md to: "
        f'"{refused.value.detail}"'
    )


def test_the_column_and_its_migrations_know_every_type():
    with override_settings(MIGRATION_MODULES={}):
        state = MigrationLoader(None).project_state()
    column = state.models["referrals", "referralevent"].fields["type"]

    assert [value for value, _ in column.choices] == [
        each.value for each in EventType
    ], (
        f"The column's choices changed: run `{MIGRATE} referrals --name event_types`, and "
        "commit the file."
    )
    assert max(map(len, EventType)) <= column.max_length, (
        "The name of a type is longer than its column in referrals/models.py."
    )


@pytest.mark.parametrize("event_type", REFERRAL_TYPES)
def test_a_sample_of_a_type_is_accepted_and_becomes_a_record_for_each_side(event_type):
    sample = make_sample_event(
        event_type, event_id="s", user={"email": ANN}, referrer={"email": BOB}
    )
    checked = check_object(sample, now=NOON)

    assert not isinstance(checked, EventProblem), (
        f"referrals/samples.py makes no good event of type {event_type}: {checked.detail}"
    )
    event = build_event(checked, received_at=NOON, hash_signal=str)
    records = map_event(event, MappingSettings(identity_provider="email"))
    assert [each.side for each in records] == list(SIDES[event_type])


def test_openapi_lists_every_type_and_which_of_them_need_no_user():
    fields = openapi.EVENT_FIELDS

    assert listed(EventType, "or") in fields["type"], "OpenAPI describes other types."
    for each in find_referrals_without(Side.REFERRED):
        assert each in fields["user"], f"OpenAPI demands a user of {each}."
    schema = openapi.build_document()["components"]["schemas"]["EventType"]
    assert sorted(schema["enum"]) == sorted(EventType)


def test_nothing_is_kept_of_names_that_are_too_long():
    tracemalloc.start()
    try:
        folded = [
            len(normalise_name(f"{n} \U0001f600".ljust(30_000, "N")))
            for n in range(100)
        ]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert folded == [30_000 - 1] * 100
    assert kept < 100_000
