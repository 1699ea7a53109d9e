"""A week of an account: events that are appended, delivered and counted, and the truth of it.

Two custom and two built-in names, of two sides, with 20 to 28 records a day, and a name with
fewer. Every half day is delivered when it is over. `truth` is told what is planted, and knows
by how much that changes each count.
"""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO

from django.core.management import call_command

from clevertap_sync.clevertap.limits import encode_body
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.upkeep import tallies
from clevertap_sync.models import Comparison, Integration, Statement, Upload
from clevertap_sync.process.account_access import open_client
from referrals import log
from tests.builders import a_sent_custom_event, a_sent_event, a_sent_link_click
from tests.integration.delivery.conftest import end_pauses, is_left
from tests.unit.causes.simulator import AMOUNT, DAY, EPOCH, HOUR, Record, World

INSTALL, INVITED = "Referred App Install", "Generated App Install"
COUPON, GIVEN = "Referred Coupon Used", "Generated Coupon Used"
CLICK = "Generated Link Click"
NAMES = (INSTALL, INVITED, COUPON, GIVEN, CLICK)
HALF = DAY // 2
#: Lately, since the database's own clock decides what is too old to be counted.
TODAY = datetime.now(UTC).date() - timedelta(days=1)
DAYS = tuple(TODAY - timedelta(days=back) for back in range(7, 0, -1))
#: By night, as the account's clock has it.
NOW = (TODAY.toordinal() - EPOCH) * DAY + 2 * HOUR + HOUR // 2
#: Nine days, so that the days of other time zones are whole.
BEGINS = (TODAY.toordinal() - EPOCH - 8) * DAY
#: No rule of reading is in the way.
AT_ONCE = {"counts_visible_after": 0, "schema_visible_after": 0, "visible_jitter": 0}
CHANNELS = ("whatsapp", "sms", "email")


class Truth(World):
    """What was delivered and what CleverTap has, as records."""

    def __init__(self, halves):
        self.halves = halves
        super().__init__(names=NAMES, days=DAYS)

    def __post_init__(self):
        self.ours = [record for half in self.halves for _, record in half]
        self.stored = list(self.ours)

    def count_theirs(self):
        return self.counts or self.count(self.stored)

    def count_ours(self):
        return Counter(
            (each.name, self.day_of(each.ts - self.offset)) for each in self.ours
        )


def make_halves(times=1):
    """Return each half day's events, as sent, each beside one of its records."""
    chance = random.Random(1)
    halves = []
    for begins in range(BEGINS, int(NOW) // HALF * HALF + HALF, HALF):
        spans = [times * chance.randint(*span) for span in ((10, 14), (10, 14), (2, 4))]
        makers = [make_install, make_coupon, make_click]
        half = []
        for maker, count in zip(makers, spans, strict=True):
            for ts in sorted(begins + chance.randrange(HALF) for _ in range(count)):
                if ts < NOW:
                    half += maker(chance, ts)
        halves.append(half)
    return halves


def make_install(chance, ts):
    properties = {"Status": "text"}
    if has_channel := chance.random() < 0.75:
        properties["Channel"] = "text"
    if has_content := chance.random() < 0.55:
        properties["Content"] = "text"
    event = a_sent_event(
        occurred_at=ts,
        channel=chance.choice(CHANNELS) if has_channel else None,
        content="spring" if has_content else None,
    )
    return put_people(event, (INSTALL, INVITED), ts, chance, properties)


def make_coupon(chance, ts):
    is_text = chance.random() < 0.35
    event = a_sent_custom_event(
        name="Coupon Used",
        occurred_at=ts,
        event_data={"Amount": "seven" if is_text else chance.randint(1, 9)},
    )
    properties = {AMOUNT: "text" if is_text else "number"}
    return put_people(event, (COUPON, GIVEN), ts, chance, properties)


def make_click(chance, ts):
    event = a_sent_link_click(occurred_at=ts)
    event["referrer"] = person(CLICK, who := chance.randrange(8))
    properties = dict.fromkeys(("Status", "Channel", "Content"), "text")
    yield event, Record(CLICK, ts, who, properties)


def put_people(event, names, ts, chance, properties):
    referred, generated = names
    who, by = chance.randrange(20), chance.randrange(20)
    event["user"], event["referrer"] = person(referred, who), person(generated, by)
    yield event, Record(referred, ts, who, properties)
    yield None, Record(generated, ts, by, properties)


def address(name, number):
    """Return who somebody is. Nobody is among the people of two names."""
    return f"n{number}.{name.replace(' ', '-').lower()}@example.com"


def person(name, number):
    return {"identities": {"email": address(name, number)}}


class PlantedAccount:
    """An integration of a compared account, the sandbox behind it, and the truth.

    `hooks` are called with a half day's number before it is delivered.
    """

    def __init__(self, sandbox, integration, present):
        self.sandbox = sandbox
        self.integration = integration
        self._present = present
        self._halves = make_halves()
        self.forget_plants()

    def forget_plants(self):
        """Take everything back that was planted, but for what was delivered."""
        self.truth = Truth(self._halves)
        self.hooks = {}
        self.schema = {"events": {}}
        self._left_out = set()
        self._rules = dict(AT_ONCE)
        self.end_faults()

    def multiply(self, times):
        """Let so many times as much happen."""
        self._halves = make_halves(times)
        self.forget_plants()

    def switch(self, **rules):
        self._rules |= rules
        self.sandbox.switch(**rules)

    def end_faults(self):
        self.sandbox.switch(reset=True, **self._rules)

    def define(self, *names, **rules):
        """Let the schema have these names, and these further rules."""
        for name in names:
            self.schema["events"].setdefault(name, {"properties": {}})
        self.schema |= rules
        self.switch(schema=self.schema)

    def leave_out(self, name, **rules):
        """Let the schema have all names but those that were left out."""
        self._left_out.add(name)
        self.schema["events"].pop(name, None)
        self.define(*(each for each in NAMES if each not in self._left_out), **rules)

    def demand(self, name, property_name, **rule):
        self.define(name)
        self.schema["events"][name]["properties"][property_name] = rule
        self.switch(schema=self.schema)

    def deliver(self):
        """Append and deliver half day after half day, each when it is over."""
        for number, half in enumerate(self.truth.halves):
            ends = min(BEGINS + (number + 1) * HALF, NOW)
            self._present.at = datetime.fromtimestamp(ends, UTC)
            for hook in self.hooks.get(number, ()):
                hook()
            log.append(self.integration.app, [event for event, _ in half if event])
            self._deliver_all()
            if number == 9:
                tallies.add_up_tallies(worthwhile=1)

    def _deliver_all(self):
        for _ in range(50):
            deliver(self.integration.pk)
            if not is_left(self.integration):
                # The database's own clock is ahead of the week's.
                late = Upload.objects.filter(settled_at__gt=self._present.at)
                late.update(settled_at=self._present.at)
                return
            self._present.passes(minutes=1)
            end_pauses(self.integration)
        msg = "Not all was delivered."
        raise AssertionError(msg)

    def upload(self, records):
        """Post records straight to CleverTap, as another sender."""
        bodies = [
            json.dumps(
                {
                    "identity": f"other-{each.person}@example.com",
                    "ts": each.ts,
                    "type": "event",
                    "evtName": each.name,
                    "evtData": {},
                }
            ).encode()
            for each in records
        ]
        account = Integration.objects.get(pk=self.integration.pk)
        result = open_client(account).upload(encode_body(bodies), bodies)
        assert result.accepted == len(records)

    def compare(self):
        """Run the command, and return its rows by name and day."""
        self._present.passes(seconds=1)
        output = StringIO()
        call_command("reconcile", self.integration.app.slug, "--json", stdout=output)
        rows = json.loads(output.getvalue())
        found = {
            (row["name"], datetime.fromisoformat(row["day"]).date()): row
            for row in rows
        }
        assert len(found) == len(rows)
        return found

    def causes(self):
        """Return the sizes that the last comparison named, by name and day."""
        return {
            (row.name, row.day): {cause["code"]: cause["size"] for cause in row.causes}
            for row in Statement.objects.all()
            if row.causes
        }

    def requests(self):
        return Comparison.objects.latest("pk").requests


def half_of(day, half=0):
    """Return the number of a half day."""
    return 2 * (day.toordinal() - EPOCH - BEGINS // DAY) + half
