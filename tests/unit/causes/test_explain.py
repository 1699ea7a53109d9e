"""The rules by which causes are named, each at its edge."""

from dataclasses import replace
from datetime import timedelta

import pytest

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.explain import explain_week
from clevertap_sync.clevertap.causes.questions import MAX_COUNTS, MAX_SCANS
from clevertap_sync.clevertap.causes.week import Cause
from tests.unit.causes import plants
from tests.unit.causes.plants import instant
from tests.unit.causes.simulator import (
    AMOUNT,
    DAYS,
    HOUR,
    NAMES,
    NOW,
    Record,
    World,
    schema_of,
)

DAY = DAYS[2]


def explained(world, **changes):
    return explain_week(replace(world.week(), **changes), world)


def causes_of(world, name=NAMES[0], day=DAY, **changes):
    for each in explained(world, **changes):
        if (each.name, each.day) == (name, day):
            return {cause.code: cause.size for cause in each.causes}, each.unexplained
    return None


def lose(world, count, name=NAMES[0], day=DAY):
    """Let CleverTap lose so many records of a day, whatever they have."""
    lost = [
        each
        for each in world.stored
        if each.name == name and world.day_of(each.ts) == day
    ][:count]
    world.stored = [each for each in world.stored if each not in lost]


def add(world, count, name=NAMES[0], day=DAY, properties=("Status", "Channel")):
    first = instant(day, 12)
    world.stored += [
        Record(name, first + n, 99_000 + n, dict.fromkeys(properties, "text"))
        for n in range(count)
    ]


def test_what_was_not_asked_is_no_difference():
    world = World()
    plants.forget_name(world, NAMES[0])
    week = world.week()
    names = [replace(each, counted={}) for each in week.names]

    assert explain_week(replace(week, names=names), world) == []


def test_a_name_that_is_spelled_otherwise_in_clevertap_is_said():
    world = World()
    plants.forget_name(world, NAMES[0])
    world.schema = schema_of(*NAMES[1:], "referred_app-install")

    (cause,) = explained(world)[0].causes

    assert cause.code == codes.NAME_UNKNOWN
    assert (
        "but it has referred_app-install. Send events under that name" in cause.sentence
    )


def test_a_name_in_the_schema_that_a_terminal_would_obey_is_not_repeated():
    world = World()
    plants.forget_name(world, NAMES[0])
    world.schema = schema_of(*NAMES[1:], "\x1b[Referred\u202eApp Install")

    (cause,) = explained(world)[0].causes

    assert cause.code == codes.NAME_UNKNOWN
    assert cause.sentence.isprintable()


def test_a_name_that_differs_in_case_and_spaces_only_is_known():
    world = World()
    world.schema = schema_of("REFERRED  app install", *NAMES[1:])
    lose(world, 1_000)

    assert codes.NAME_UNKNOWN not in causes_of(world)[0]


def test_all_names_unknown_where_they_were_counted_before_is_an_emptied_account():
    world = World()
    world.stored = []
    world.schema = schema_of("App Launched")

    assert causes_of(world)[0].keys() == {codes.NAME_UNKNOWN}
    world.counted_before = {(NAMES[0], DAY): 7}
    assert causes_of(world)[0].keys() == {codes.ACCOUNT_EMPTY}


def test_without_a_schema_no_name_is_called_unknown():
    world = World()
    plants.forget_name(world, NAMES[0])
    world.schema = None

    assert causes_of(world, schema=None) == ({}, -len(list_ours(world)))


def list_ours(world, name=NAMES[0], day=DAY):
    return [
        each
        for each in world.ours
        if each.name == name and world.day_of(each.ts) == day
    ]


def test_what_a_demand_forbids_on_a_whole_day_is_told_by_other_days():
    world = World()
    world.ours = [
        replace(each, properties={"Status": "text", AMOUNT: "number"})
        if each.name == NAMES[0] and world.day_of(each.ts) == DAY
        else each
        for each in world.ours
    ]
    world.stored = list(world.ours)
    plants.demand_channel(world, NAMES[0])

    assert causes_of(world) == (
        {codes.PROPERTY_MISSING: -len(list_ours(world))},
        0,
    )


def test_one_silent_name_is_not_an_emptied_account():
    world = World(names=NAMES[:1])
    world.stored = []

    assert causes_of(world) == ({}, -len(list_ours(world)))


def test_an_account_emptied_at_noon_is_told_to_the_record():
    world = World()
    since = instant(DAYS[4], 12)
    world.drop(codes.ACCOUNT_EMPTY, lambda each: each.ts >= since, is_whole=True)

    found = {
        (each.name, each.day): {cause.code: cause.size for cause in each.causes}
        for each in explained(world)
    }

    assert found == world.expected()
    assert {day for _, day in found} == set(DAYS[4:])


def test_a_name_that_is_counted_since_a_day_was_defined_then():
    world = World()
    until = instant(DAYS[2], 12)
    world.drop(
        codes.SCHEMA_PUBLISHED, lambda each: each.name == NAMES[0] and each.ts < until
    )

    found = [each for each in explained(world) if each.day == DAYS[0]]

    (cause,) = found[0].causes
    assert cause.code == codes.SCHEMA_PUBLISHED
    assert "since 5 March 2026 only" in cause.sentence


def test_old_days_of_one_name_alone_are_retention_only_if_they_were_counted_before():
    world = World(names=NAMES[:1])
    world.stored = [each for each in world.ours if each.ts >= instant(DAYS[3])]

    assert causes_of(world)[0] == {}
    world.counted_before = {(NAMES[0], DAYS[0]): 30}
    assert causes_of(world)[0].keys() == {codes.DATA_RETENTION}


@pytest.mark.parametrize(("deleted", "is_named"), [(5, True), (4, False)])
def test_no_more_is_put_down_to_deletions_than_was_deleted(deleted, is_named):
    world = World()
    people = [each.person for each in list_ours(world)]
    lone = [person for person in people if people.count(person) == 1][:deleted]
    world.deleted = {(NAMES[0], person) for person in lone}
    erased = sum((each.name, each.person) in world.deleted for each in list_ours(world))
    lose(world, 5)

    causes, rest = causes_of(world)

    assert erased == deleted
    assert (causes, rest) == (
        ({codes.PROFILES_DELETED: -5}, 0) if is_named else ({}, -5)
    )


def test_without_a_deletion_at_our_order_erased_events_explain_nothing():
    world = World()
    plants.delete_profiles(world, NAMES[0])

    assert causes_of(world, were_deleted=False)[0] == {}


@pytest.mark.parametrize(("off", "is_named"), [(0, True), (1, False)])
def test_below_twenty_records_a_size_fits_exactly(off, is_named):
    world = World(answers_counts=False)
    plants.demand_channel(world, NAMES[0])
    size = world.planted[NAMES[0], DAY][codes.PROPERTY_MISSING]
    world.counts = {}
    lose(world, off)

    assert -20 < size < 0
    assert causes_of(world) == (
        ({codes.PROPERTY_MISSING: size}, 0) if is_named else ({}, size - off)
    )


def test_from_twenty_on_five_percent_are_left_unexplained():
    world = World(low=200, high=240)
    plants.demand_channel(world, NAMES[0])
    size = world.planted[NAMES[0], DAY][codes.PROPERTY_MISSING]
    world.counts = {}
    lose(world, 2)

    assert size < -40
    assert causes_of(world) == ({codes.PROPERTY_MISSING: size}, -2)


def test_what_clevertaps_own_counts_refute_is_not_named():
    world = World()
    lacking = [each for each in list_ours(world) if "Channel" not in each.properties]
    lose(world, len(lacking))

    assert causes_of(world) == ({}, -len(lacking))


def test_a_type_that_the_other_days_do_not_show_is_chance():
    world = World()
    texts = [each for each in list_ours(world) if each.properties[AMOUNT] == "text"]
    lose(world, len(texts))

    assert causes_of(world) == ({}, -len(texts))


def test_a_zone_that_nobody_proposed_is_found_by_its_quarter_hours():
    world = World(low=60, high=90)
    world.offset = 5 * HOUR + 3 * HOUR // 4

    causes = {each.sentence for part in explained(world) for each in part.causes}

    assert len(explained(world)) > 10
    assert all("fits the time zone UTC+05:45" in sentence for sentence in causes)


def test_what_is_late_has_to_grow():
    world = World()
    day = DAYS[-1]
    lose(world, 9, day=day)
    young = {day: NOW - 4 * HOUR}
    lose(world, 9, NAMES[1], day)
    lose(world, 9, NAMES[2], day)
    world.answers_counts = False
    counted = world.count(world.stored)[NAMES[0], day]

    def late(before):
        changes = {"counted_before": {(NAMES[0], day): before}, "settled_at": young}
        return causes_of(world, day=day, **changes)[0].keys() == {
            codes.NOT_PROCESSED_YET
        }

    assert [late(counted - 1), late(counted)] == [True, False]


def test_an_old_day_is_not_called_late():
    world = World()
    lose(world, 9)

    assert causes_of(world)[0] == {}


def test_another_integration_of_the_account_is_said_to_be_the_other_sender():
    world = World(has_other_integrations=True)
    add(world, 12)

    found = next(each for each in explained(world) if each.day == DAY)

    assert "another integration of this account" in found.causes[0].sentence
    assert found.causes[0].size == 12


def test_a_surplus_beside_what_a_neighbouring_day_lacks_is_nobody_elses():
    world = World()
    lose(world, 12)
    add(world, 12, day=DAY + timedelta(days=1), properties=("Status", AMOUNT))

    assert {cause.code for each in explained(world) for cause in each.causes} == set()


def test_repeats_and_another_sender_are_told_apart():
    world = World()
    plants.send_twice(world, NAMES[0])
    world.counts = {}
    add(world, 30, properties=())

    assert causes_of(world) == ({codes.SENT_TWICE: 17, codes.OTHER_SENDER: 30}, 0)


def test_what_is_asked_of_a_week_is_bounded_and_asked_once():
    names = tuple(f"Referred {n}" for n in range(40))
    world = World(names=names, low=8, high=8)
    for name in names:
        for day in DAYS:
            lose(world, 3, name, day)

    found = explained(world)

    assert len(found) == 280
    assert (world.scans <= MAX_SCANS, world.filtered <= MAX_COUNTS) == (True, True)
    assert world.scans > 0


def test_causes_come_in_the_order_of_their_codes_and_name_no_person():
    world = World(low=60, high=90)
    for plant in (plants.change_zone, plants.send_from_elsewhere):
        plant(world, NAMES[0])

    found = next(each for each in explained(world) if len(each.causes) == 2)

    assert [cause.code for cause in found.causes] == [
        codes.OTHER_SENDER,
        codes.OTHER_TIME_ZONE,
    ]
    assert isinstance(found.causes[0], Cause)
    assert found.unexplained == 0


@pytest.mark.parametrize(
    ("hours", "code"), [(4, codes.NAME_UNKNOWN), (0.1, codes.NOT_PROCESSED_YET)]
)
def test_yesterday_is_judged_once_other_names_of_it_show(hours, code):
    world = World()
    day = DAYS[-1]
    world.ours = [
        each
        for each in world.ours
        if each.name != NAMES[0] or world.day_of(each.ts) == day
    ]
    world.stored = [each for each in world.ours if each.name != NAMES[0]]
    world.forget(NAMES[0])
    week = world.week()
    days = {
        quarter for quarter in week.names[0].delivered if quarter * 900 >= instant(day)
    }
    names = [
        replace(
            week.names[0],
            delivered={quarter: week.names[0].delivered[quarter] for quarter in days},
        ),
        *week.names[1:],
    ]

    (found,) = explained(world, names=names, settled_at={day: NOW - hours * HOUR})

    assert [cause.code for cause in found.causes] == [code]


def test_a_handful_moved_by_some_offset_is_no_other_zone():
    world = World()
    lose(world, 2, day=DAYS[2])
    add(world, 2, day=DAYS[3])

    assert not [
        cause
        for each in explained(world)
        for cause in each.causes
        if cause.code == codes.OTHER_TIME_ZONE
    ]
