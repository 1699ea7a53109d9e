"""Drafts are the same, whether the forms of their events were made before or not."""

import json
from datetime import UTC, datetime

import pytest

from referrals.event_forms import make_forms
from referrals.log.drafts import PackedEvent, make_drafts, pack_drafts, unpack_event
from referrals.log.rows import LogRow
from referrals.models import App
from referrals.schema import decode_event
from tests.builders import a_sent_custom_event, a_sent_event
from tests.harness.memory import measure_peak

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SENT = [
    a_sent_event(id="plain"),
    a_sent_custom_event(id="custom"),
    a_sent_event(id="warned", channel="pigeon"),
    *[a_sent_event(id=f"n{number}") for number in range(150)],
]


def read_good_event(sent):
    return decode_event(json.dumps(sent).encode(), now=NOW)


@pytest.fixture(name="good")
def read_good():
    return {index * 2: read_good_event(sent) for index, sent in enumerate(SENT)}


@pytest.mark.parametrize("every", [1, 3, 4])
def test_forms_that_were_made_before_change_nothing(good, every):
    app = App(pk=1, slug="shop")
    made = dict(zip(good, make_forms(list(good.values())), strict=True))
    forms = [
        made.get(index) if index % every == 0 else None
        for index in range(2 * len(SENT))
    ]

    drafts = make_drafts(app, good, request_id="request", forms=forms)

    assert drafts == make_drafts(app, good, request_id="request")
    assert [draft.index for draft in drafts] == list(good)


def test_a_form_is_what_the_fingerprint_is_made_of(good):
    app = App(pk=1, slug="shop")
    forms = [b"another"] * (2 * len(SENT))

    (first, *_), (other, *_) = (
        make_drafts(app, good),
        make_drafts(app, good, forms=forms),
    )

    assert first.fingerprint != other.fingerprint
    assert first.content != other.content


def test_forms_are_there_for_few_events_at_a_time():
    app, sent = App(pk=1, slug="shop"), a_sent_custom_event()
    text, number = "x" * 8_000, 1_000
    sent["event_data"] = {"text": text}
    events = {n: read_good_event({**sent, "id": f"n{n}"}) for n in range(number)}

    drafts, peak = measure_peak(lambda: make_drafts(app, events))

    assert len(drafts) == number
    assert peak < number * len(text) / 2


def test_a_packed_draft_is_unpacked_as_it_was(good):
    drafts = make_drafts(App(pk=1, slug="shop"), good)

    packed = pack_drafts(drafts)

    kinds = [type(draft.content) for draft in packed]
    assert kinds[:2] == [LogRow, PackedEvent]
    for before, after in zip(drafts, packed, strict=True):
        assert (after.content.type, after.content.name, after.content.occurred_at) == (
            before.content.type,
            before.content.name,
            before.content.occurred_at,
        )
        if isinstance(after.content, PackedEvent):
            assert unpack_event(after.content) == before.content
