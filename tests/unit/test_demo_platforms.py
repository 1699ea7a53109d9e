"""What the Demo Shop's platforms say becomes the event that its story tells."""

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from random import Random

import msgspec
import pytest

from integration_project.demo.api import DemoApi
from integration_project.demo.calls import write_branch_call, write_track_call
from integration_project.demo.feeder import Feeder, make_live_events
from integration_project.demo.story import PURCHASES, Carrier, Told
from referrals.schema import IncomingEvent, check_object
from referrals.sources.call import make_call
from referrals.sources.mapping.translate import translate_call
from referrals.sources.presets import load_mapping
from tests.platforms import KEY, choices_of

NOW = datetime(2026, 11, 29, 7, 0, 0, 250_000, tzinfo=UTC)
MANY = 300


def by_branch(event):
    return write_branch_call(event, at=NOW)


def by_segment(event):
    item = write_track_call(event, at=NOW)
    return item and make_call("POST", body=msgspec.json.encode({"batch": [item]}))


WRITERS = {Carrier.BRANCH: by_branch, Carrier.SEGMENT: by_segment}
CHOICES = {
    Carrier.BRANCH: choices_of("branch", identity="email", chosen=frozenset(PURCHASES)),
    Carrier.SEGMENT: choices_of("segment", chosen=frozenset(PURCHASES)),
}


def told_by(carrier, seed):
    """Return the events that this carrier tells, and what becomes of its calls."""
    for event, by in islice(make_live_events(Random(seed)), MANY):
        call = WRITERS[carrier](event) if by is carrier else None
        if call is not None:
            (outcome,) = translate_call(
                call, load_mapping(carrier), CHOICES[carrier], key=KEY
            )
            assert isinstance(outcome, dict), outcome
            yield event, check_object(outcome, now=NOW)


def emails(event):
    sides = [event.get(side) for side in ("user", "referrer")]
    return [side and side["identities"]["email"] for side in sides]


def emails_of(event):
    sides = (event.user, event.referrer)
    return [side and side.identities["email"] for side in sides]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("carrier", WRITERS)
def test_a_call_becomes_the_event_of_the_story(carrier, seed):
    pairs = list(told_by(carrier, seed))

    assert len(pairs) > MANY / 20
    for event, taken in pairs:
        assert isinstance(taken, IncomingEvent), taken
        assert taken.type == event["type"]
        assert taken.name == event.get("name")
        assert emails_of(taken) == emails(event)
        assert taken.event_data == event.get("event_data")
        assert (taken.channel, taken.content) == (
            event.get("channel"),
            event.get("content"),
        )
        assert taken.via == event["via"] == "smart_invite"
        assert taken.occurred_at == NOW


@pytest.mark.parametrize("carrier", WRITERS)
def test_every_event_has_an_id_of_its_own(carrier):
    ids = [taken.id for _, taken in told_by(carrier, 1)]

    assert len(set(ids)) == len(ids)


def test_what_a_platform_does_not_know_is_left_to_the_backend():
    link = {"via": "smart_link", "channel": "podcast", "type": "link_click", "id": "1"}
    referrer = {"identities": {"email": "ann@example.com"}}
    sign_up = {"id": "2", "type": "web_sign_up", "referrer": referrer}
    reinstall = {"id": "3", "type": "app_reinstall", "referrer": referrer}

    assert by_branch(link) is by_segment(link) is None
    assert by_branch(sign_up) is by_segment(reinstall) is None


class Shop(DemoApi):
    """Stands where the API is, and remembers what was sent."""

    def __init__(self):
        self.sent = []

    def send(self, events):
        self.sent += events
        return Counter(accepted=len(events))


@pytest.mark.parametrize("is_taken", [True, False])
def test_what_is_not_taken_goes_by_the_api(is_taken):
    shop = Shop()
    carried = []

    def carry(event):
        carried.append(event)
        return is_taken

    feeder = Feeder(shop, Random(1), {Carrier.BRANCH: carry})

    for carrier in Carrier:
        feeder.send_told(Told({"id": carrier.value}, carrier))

    assert [event["id"] for event in carried] == ["branch"]
    assert [event["id"] for event in shop.sent] == (
        ["api", "segment"] if is_taken else ["api", "branch", "segment"]
    )
