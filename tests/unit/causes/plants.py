"""Each cause, planted in a simulated account: for one name, or for all of it."""

from dataclasses import replace
from datetime import UTC, datetime

from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.causes.week import QUARTER_SECONDS, SchemaEvent
from clevertap_sync.clevertap.limits import normalise_event_name
from tests.unit.causes.simulator import AMOUNT, DAYS, HOUR, NOW, Record


def instant(day, hour=0):
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp())


def fill_event_types(world, name):
    world.forget(name, is_full=True)
    world.drop(codes.EVENT_TYPES_FULL, lambda each: each.name == name, is_whole=True)


def forget_name(world, name):
    world.forget(name)
    world.drop(codes.NAME_UNKNOWN, lambda each: each.name == name, is_whole=True)


def discard_name(world, name):
    events = dict(world.schema.events)
    folded = normalise_event_name(name)
    events[folded] = SchemaEvent(name, "discarded", is_defined=True)
    world.schema = replace(world.schema, events=events)
    world.drop(codes.NAME_DISCARDED, lambda each: each.name == name, is_whole=True)


def publish_schema(world, name):
    since = instant(DAYS[3], 11)
    world.drop(
        codes.SCHEMA_PUBLISHED,
        lambda each: each.name == name and each.ts >= since,
        is_whole=True,
    )


def demand_channel(world, name):
    world.drop(
        codes.PROPERTY_MISSING,
        lambda each: each.name == name and "Channel" not in each.properties,
    )


def demand_number(world, name):
    world.drop(
        codes.PROPERTY_TYPE,
        lambda each: each.name == name and each.properties.get(AMOUNT) == "text",
    )


def send_twice(world, name):
    day = DAYS[2]
    twice = [
        each
        for each in world.ours
        if each.name == name and world.day_of(each.ts) == day
    ][:17]
    for each in [*twice, *twice[:5]]:
        world.maybe_more[name, each.ts // QUARTER_SECONDS] += 1
    world.change(codes.SENT_TWICE, lambda: world.stored.extend(twice))


def refuse_some(world, name):
    day = DAYS[2]
    refused = [
        each
        for each in world.stored
        if each.name == name and world.day_of(each.ts) == day
    ][:9]
    for each in [*refused, *refused[:3]]:
        world.maybe_fewer[name, each.ts // QUARTER_SECONDS] += 1
    gone = set(map(id, refused))
    world.drop(codes.MAYBE_REFUSED, lambda each: id(each) in gone)


def send_from_elsewhere(world, name):
    others = [
        Record(name, instant(DAYS[2], 9) + n, 10_000 + n, {"Channel": "text"})
        for n in range(26)
    ]
    world.change(codes.OTHER_SENDER, lambda: world.stored.extend(others))


def change_zone(world, name):
    def change():
        world.offset = 5 * HOUR + HOUR // 2

    world.change(codes.OTHER_TIME_ZONE, change)


def process_late(world, name):
    world.settled_at = {DAYS[-1]: NOW - 3 * HOUR}
    since = instant(DAYS[-1], 17)
    world.drop(codes.NOT_PROCESSED_YET, lambda each: each.ts >= since)


def retain_few_days(world, name):
    since = instant(DAYS[1])
    world.drop(codes.DATA_RETENTION, lambda each: each.ts < since, is_whole=True)


def delete_profiles(world, name):
    people = set(range(4))
    world.deleted = {(name, person) for person in people}
    world.drop(
        codes.PROFILES_DELETED,
        lambda each: each.name == name and each.person in people,
    )


def empty_account(world, name):
    since = instant(DAYS[4])
    world.drop(codes.ACCOUNT_EMPTY, lambda each: each.ts >= since, is_whole=True)


def count_people(world, name):
    def change():
        world.counts_people = True

    world.change(codes.COUNTS_PEOPLE, change)


#: In the order in which they are planted: what changes days and units first.
PLANTS = {
    codes.OTHER_TIME_ZONE: change_zone,
    codes.COUNTS_PEOPLE: count_people,
    codes.EVENT_TYPES_FULL: fill_event_types,
    codes.NAME_UNKNOWN: forget_name,
    codes.NAME_DISCARDED: discard_name,
    codes.SCHEMA_PUBLISHED: publish_schema,
    codes.ACCOUNT_EMPTY: empty_account,
    codes.DATA_RETENTION: retain_few_days,
    codes.PROFILES_DELETED: delete_profiles,
    codes.PROPERTY_MISSING: demand_channel,
    codes.PROPERTY_TYPE: demand_number,
    codes.NOT_PROCESSED_YET: process_late,
    codes.MAYBE_REFUSED: refuse_some,
    codes.SENT_TWICE: send_twice,
    codes.OTHER_SENDER: send_from_elsewhere,
}
