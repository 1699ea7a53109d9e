"""Each cause, planted in an account by the sandbox's switches, and noted in its truth.

A plant is called before anything is delivered. What it returns is called when all is.
"""

from io import StringIO

from django.core.management import call_command

from clevertap_sync.clevertap.causes import codes
from tests.integration.reconciliation.planting.account import (
    DAYS,
    HALF,
    address,
    half_of,
)
from tests.unit.causes.simulator import AMOUNT, DAY, EPOCH, HOUR, Record


def start_of(day, half=0):
    return (day.toordinal() - EPOCH) * DAY + half * HALF


def fill_event_types(account, name):
    account.leave_out(name)
    account.switch(other_event_types=512 - len(account.schema["events"]))
    account.truth.drop(
        codes.EVENT_TYPES_FULL, lambda each: each.name == name, is_whole=True
    )


def leave_undefined(account, name):
    account.leave_out(name, undefined_events="drop")
    account.truth.drop(
        codes.NAME_UNKNOWN, lambda each: each.name == name, is_whole=True
    )


def discard_name(account, name):
    account.switch(discarded_names=[name], discarded_records="drop")
    account.truth.drop(
        codes.NAME_DISCARDED, lambda each: each.name == name, is_whole=True
    )


def discard_later(account, name):
    account.hooks.setdefault(half_of(DAYS[3], 1), []).append(
        lambda: account.switch(discarded_names=[name], discarded_records="drop")
    )
    since = start_of(DAYS[3], 1)
    account.truth.drop(
        codes.NAME_DISCARDED,
        lambda each: each.name == name and each.ts >= since,
        is_whole=True,
    )


def publish_schema(account, name):
    def publish():
        account.leave_out(name, undefined_events="drop")

    account.hooks.setdefault(half_of(DAYS[3], 1), []).append(publish)
    since = start_of(DAYS[3], 1)
    account.truth.drop(
        codes.SCHEMA_PUBLISHED,
        lambda each: each.name == name and each.ts >= since,
        is_whole=True,
    )


def demand_channel(account, name):
    account.demand(name, "Channel", required=True)
    account.truth.drop(
        codes.PROPERTY_MISSING,
        lambda each: each.name == name and "Channel" not in each.properties,
    )


def demand_number(account, name):
    account.demand(name, AMOUNT, type="Integer", mismatch="drop_event")
    account.truth.drop(
        codes.PROPERTY_TYPE,
        lambda each: each.name == name and each.properties[AMOUNT] == "text",
    )


def answer_nothing(account, name):
    """Let a request be stored and never answered: all names of its half day come twice."""
    account.hooks.setdefault(half_of(DAYS[2], 1), []).append(
        lambda: account.sandbox.fault(ending="reset_after_storing", only="uploads")
    )
    begins = start_of(DAYS[2], 1)
    twice = [each for each in account.truth.stored if begins <= each.ts < begins + HALF]
    account.truth.change(codes.SENT_TWICE, lambda: account.truth.stored.extend(twice))


def refuse_some(account, name):
    """Let CleverTap refuse some people's records of one half day, and not say which."""
    number, begins = half_of(DAYS[2]), start_of(DAYS[2])
    people = {0, 1, 2, 3}

    def poison():
        for who in people:
            account.sandbox.poison(
                event_name=name, identity=address(name, who), code=512
            )
        account.sandbox.fault(
            tamper=("without_numbers", "without_records"), only="uploads"
        )

    account.hooks.setdefault(number, []).append(poison)
    account.hooks.setdefault(number + 1, []).append(account.end_faults)
    account.truth.drop(
        codes.MAYBE_REFUSED,
        lambda each: (
            each.name == name
            and begins <= each.ts < begins + HALF
            and each.person in people
        ),
    )


def send_from_elsewhere(account, name):
    begins = start_of(DAYS[2]) + 9 * HOUR
    others = [Record(name, begins + n, 10_000 + n, {}) for n in range(26)]

    account.hooks.setdefault(half_of(DAYS[2], 1), []).insert(
        0, lambda: account.upload(others)
    )
    account.truth.change(
        codes.OTHER_SENDER, lambda: account.truth.stored.extend(others)
    )


def change_zone(account, name):
    def change():
        account.truth.offset = 5 * HOUR + HOUR // 2

    def switch():
        account.switch(time_zone="Asia/Kolkata")

    account.truth.change(codes.OTHER_TIME_ZONE, change)
    return switch


def process_late(account, name):
    since = start_of(DAYS[-1], 1)
    account.truth.drop(codes.NOT_PROCESSED_YET, lambda each: each.ts >= since)
    return lambda: account.switch(counts_visible_after=4 * HOUR)


def retain_few_days(account, name):
    since = start_of(DAYS[1]) - account.truth.offset
    account.truth.drop(
        codes.DATA_RETENTION, lambda each: each.ts < since, is_whole=True
    )
    return lambda: account.switch(retention_days=6)


def delete_profiles(account, name):
    people = [3, 7]

    def delete():
        options = [f"--identity=email={address(name, who)}" for who in people]
        for option in options:
            call_command(
                "forget",
                account.integration.app.slug,
                option,
                "--delete-in-clevertap",
                stdout=StringIO(),
            )
        account.truth.drop(
            codes.PROFILES_DELETED,
            lambda each: each.name == name and each.person in people,
        )

    return delete


def use_up_plan(account, name):
    since = start_of(DAYS[4], 1)
    account.switch(locked_since=since + HALF, locked_queries="zero")
    account.truth.drop(
        codes.ACCOUNT_EMPTY, lambda each: each.ts >= since, is_whole=True
    )


def reset_account(account, name):
    """Let a test account be reset within the week: what had arrived is gone."""
    since = start_of(DAYS[1])
    account.hooks.setdefault(half_of(DAYS[1]), []).append(account.sandbox.empty_account)
    account.truth.drop(
        codes.DATA_RETENTION, lambda each: each.ts < since, is_whole=True
    )


def count_people(account, name):
    def change():
        account.truth.counts_people = True

    account.truth.change(codes.COUNTS_PEOPLE, change)
    return lambda: account.switch(counts="users")


#: What changes days and units first, as the truth is told.
PLANTS = {
    codes.OTHER_TIME_ZONE: change_zone,
    codes.COUNTS_PEOPLE: count_people,
    codes.EVENT_TYPES_FULL: fill_event_types,
    codes.NAME_UNKNOWN: leave_undefined,
    codes.NAME_DISCARDED: discard_name,
    codes.SCHEMA_PUBLISHED: publish_schema,
    codes.ACCOUNT_EMPTY: use_up_plan,
    codes.DATA_RETENTION: retain_few_days,
    codes.PROFILES_DELETED: delete_profiles,
    codes.PROPERTY_MISSING: demand_channel,
    codes.PROPERTY_TYPE: demand_number,
    codes.NOT_PROCESSED_YET: process_late,
    codes.MAYBE_REFUSED: refuse_some,
    codes.SENT_TWICE: answer_nothing,
    codes.OTHER_SENDER: send_from_elsewhere,
}
