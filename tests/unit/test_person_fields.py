"""A field of an event or a person is whole: sent, kept, imported, and written about.

Each sentence says what a new field still needs.
"""

import json

import pytest

from referrals.management.commands.import_events import HELP
from referrals.schema import (
    Event,
    EventProblem,
    IncomingEvent,
    IncomingPerson,
    Person,
    build_event,
    decode_event,
)
from tests import documented
from tests.builders import ANN, BOB, NOON

#: What a field of a person is sent as, where it may not be any text.
OF_PERSON = {"identities": {"email": ANN}, "ip": "203.0.113.7"}
WHOLE = {
    "id": "b1c2",
    "type": "custom",
    "name": "Subscription Started",
    "occurred_at": "2026-11-23T12:00:00Z",
    "user": {"identities": {"email": ANN}},
    "referrer": {"identities": {"email": BOB}},
    "via": "smart_link",
    "channel": "Newsletter",
    "content": "spring",
    "status": "suspicious",
    "event_data": {"plan": "gold"},
    "metadata": {"source": "billing"},
    "test": True,
}
#: How the page of privacy calls what is kept of a person.
OF_PRIVACY = {
    "identities": "A user's and a referrer's identities",
    "ip": "IP addresses",
    "device_id": "device IDs",
    "advertising_id": "advertising IDs",
}


def kept(event):
    """Return the event as the log keeps it."""
    checked = decode_event(json.dumps(event).encode(), now=NOON)
    assert not isinstance(checked, EventProblem), checked
    return build_event(checked, received_at=NOON, hash_signal=str)


@pytest.mark.parametrize("name", IncomingPerson.__struct_fields__)
def test_a_field_of_a_person_gets_into_the_log_without_any_other(name):
    person = {"identities": {"email": ANN}, name: OF_PERSON.get(name, "a text")}

    user = kept({**WHOLE, "user": person}).user

    assert getattr(user, name, None), (
        f"A person's {name} is lost on its way to the log: give Person in referrals/schema.py "
        "a field of this name, and let _build_person fill it."
    )


@pytest.mark.parametrize("name", IncomingEvent.__struct_fields__)
def test_a_field_of_an_event_gets_into_the_log(name):
    assert name in WHOLE, f"Say in WHOLE here what {name} may be sent as."
    assert getattr(kept(WHOLE), name, None), (
        f"An event's {name} is lost on its way to the log: give Event in referrals/schema.py "
        "a field of this name, and let build_event fill it."
    )


def test_an_erased_person_keeps_nothing():
    nothing = dict.fromkeys(Person.__struct_fields__)

    assert Person(erased=True) == Person(
        **nothing | {"identities": {}, "erased": True, "last": False}
    )


def test_the_last_referrer_is_kept_as_that_word_alone():
    assert kept({**WHOLE, "referrer": "last"}).referrer == Person(last=True)


def test_nothing_is_kept_that_was_not_sent_or_decided():
    decided = {"name_number", "reasons"}

    assert set(Event.__struct_fields__) == {*IncomingEvent.__struct_fields__, *decided}
    assert set(Person.__struct_fields__) == {
        *IncomingPerson.__struct_fields__,
        "erased",
        "last",
    }


@pytest.mark.parametrize("name", IncomingPerson.__struct_fields__)
def test_a_persons_field_is_described_wherever_files_and_privacy_are(name):
    column = f"user.{name}"

    assert column in documented.page("reference/files"), (
        f"List the column {column} under Columns in docs/reference/files.md."
    )
    assert column in HELP, f"List {column} in the HELP of import_events.py."
    assert OF_PRIVACY.get(name, "?!") in documented.page("privacy"), (
        f'Say under "What is kept" in docs/privacy.md how long a person\'s {name} is kept and '
        "in which form, and in OF_PRIVACY here which words say so."
    )
