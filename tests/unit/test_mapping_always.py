"""What holds for any event under any settings, found out by trying many.

The checker knows CleverTap's limits by itself: it imports none of ours.
"""

import json
import re
from datetime import UTC, datetime

from hypothesis import given, strategies as st

from clevertap_sync.clevertap import limits
from clevertap_sync.clevertap.mapping import (
    EventRecord,
    KeptBack,
    MappingSettings,
    Unmappable,
    map_event,
)
from clevertap_sync.clevertap.reasons import REASONS
from clevertap_sync.sandbox import validation
from clevertap_sync.sandbox.rules import Rules
from referrals.schema import Event, Person
from referrals.vocabulary import SIDES, EventType, FraudStatus, Side, Via

# Texts near the limits, and characters that mean something to CleverTap or to JSON.
odd = st.text(st.sampled_from("aZ .$%'\"\\\n\x00é🦊\u0301\u200d"), max_size=8)
long = st.builds(
    lambda unit, count: unit * count,
    st.sampled_from(["k", "é", "🦊", "e\u0301", "\x00"]),
    st.sampled_from(
        [109, 110, 120, 121, 128, 256, 257, 502, 503, 512, 513, 1024, 1025]
    ),
)
texts = st.text(max_size=12) | odd | long
identities = texts | st.sampled_from(["ann@example.com", "null", " None ", "__g1", "0"])
providers = st.sampled_from(["email", "EMAIL", "eMail", "custom_id", "clevertap_id"])
anyone = st.builds(
    Person, identities=st.dictionaries(providers, identities, max_size=3)
)
known = st.sampled_from(["ann@example.com", " Zoë ", "+49170", '"\\', "é" * 1024]).map(
    lambda identity: Person({"email": identity, "clevertap_id": "__g1a2B"})
)
numbers = (
    st.integers()
    | st.floats()
    | st.booleans()
    | st.sampled_from([2**63, 2**64, -(2**63), -(2**64), 2**200])
)
values = st.recursive(
    st.none() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=7) | st.dictionaries(texts, inner, max_size=7)
    ),
    max_leaves=6,
)
many_pairs = st.integers(97, 103).map(lambda count: {f"k{n}": n for n in range(count)})
event_data = st.dictionaries(texts, values, max_size=4) | many_pairs
good_names = st.sampled_from(["Subscription Started", "Coins BOUGHT", "n" * 502])
names = st.sampled_from(["App Install", "Web open"]) | good_names | texts


def events_of(people, names, times, **others):
    return st.builds(
        Event,
        id=texts,
        type=st.sampled_from([*EventType, EventType.CUSTOM, EventType.CUSTOM]),
        occurred_at=times,
        name=names,
        user=st.none() | people,
        referrer=people,
        via=st.none() | st.sampled_from(Via),
        channel=st.none() | st.sampled_from(["", "WhatsApp", "SMS"]) | texts,
        content=st.none() | texts,
        status=st.sampled_from(FraudStatus),
        event_data=event_data,
        **others,
    )


def settings_of(**others):
    return st.builds(
        MappingSettings,
        event_data_format=st.sampled_from(["flattened", "json", "nested"]),
        send_none=st.booleans(),
        refuse_long_texts=st.booleans(),
        send_event_id=st.booleans(),
        property_limit=st.sampled_from([1, 100, 256]),
        **others,
    )


# Anything at all, and what mostly becomes a record: the first seldom gets that far.
events = events_of(
    st.none() | anyone | known,
    names,
    st.datetimes(timezones=st.just(UTC)),
    name_number=st.integers(0, 60),
    test=st.booleans(),
)
mapping_settings = settings_of(
    identity_provider=providers,
    event_kinds=st.sampled_from(["production", "test", "both", "both"]),
    send_suspicious=st.booleans(),
    send_rejected=st.booleans(),
    not_sent=st.lists(
        st.sampled_from(["app_open:referred", "custom:generated", "nonsense"])
    ).map(tuple),
)
good_times = st.integers(1, 10**11).map(lambda ts: datetime.fromtimestamp(ts, tz=UTC))
good_events = events_of(known, good_names, good_times)
open_settings = settings_of(
    identity_provider=st.sampled_from(["email", "CleverTap_ID"])
)

RECORD = re.compile(
    rb'\{"(identity|objectId)":"(?:[^"\\]|\\.)*","ts":[1-9][0-9]*,"type":"event",'
    rb'"evtName":"(?:Referred|Generated) (?:[^"\\]|\\.)*","evtData":\{.*\}\}',
    re.DOTALL,
)
PROHIBITED = re.compile(r"[%><!|&.:;$'\"\\\x00-\x1f\x7f-\x9f]")


def pairs_once(pairs):
    assert len(dict(pairs)) == len(pairs), "a name occurs twice"
    return dict(pairs)


def check_record(json_bytes, settings):
    assert RECORD.fullmatch(json_bytes)
    assert len(json_bytes) <= 131_072
    record = json.loads(json_bytes, object_pairs_hook=pairs_once)
    assert 0 < record["ts"] <= 10**11
    identity = record.get("identity", record.get("objectId"))
    assert identity.strip()
    assert len(identity) <= 1024
    assert identity.strip().lower() not in {"null", "none", "0"}
    assert len(record["evtName"]) <= 512
    assert not PROHIBITED.search(record["evtName"])
    check_properties(record["evtData"], settings)


def check_properties(data, settings):
    assert count_pairs(data, settings) <= settings.property_limit
    for name, value in data.items():
        if isinstance(value, dict):
            assert name == "Event Data"
            assert settings.event_data_format == "nested"
            check_nested(value, level=1)
        else:
            check_pair(name, value)


def count_pairs(value, settings):
    if isinstance(value, list):
        return sum(count_pairs(item, settings) for item in value)
    if isinstance(value, dict):
        return len(value) + sum(count_pairs(v, settings) for v in value.values())
    return 0


def check_pair(name, value):
    assert name.strip() == name != ""
    assert len(name) <= 120
    assert not PROHIBITED.search(name)
    check_scalar(value)


def check_scalar(value):
    assert isinstance(value, str | int | float)
    if isinstance(value, str):
        assert len(value.encode()) <= limits.MAX_TEXT_BYTES
    elif isinstance(value, int):
        assert -(2**63) <= value < 2**63


def check_nested(value, level):
    assert level <= 3
    if isinstance(value, list):
        assert 0 < len(value) <= 100
        for item in value:
            if isinstance(item, dict | list):
                check_nested(item, level + 1)
            else:
                check_scalar(item)
        return
    assert value, "an empty object"
    assert sum(isinstance(item, dict | list) for item in value.values()) <= 5
    for name, item in value.items():
        check_pair(name, 0)
        if isinstance(item, list):
            check_nested(item, level)
        elif isinstance(item, dict):
            check_nested(item, level + 1)
        else:
            check_scalar(item)


def sides_named_by(event):
    if event.user is not None and Side.REFERRED in SIDES[event.type]:
        yield Side.REFERRED
    if event.referrer is not None and Side.GENERATED in SIDES[event.type]:
        yield Side.GENERATED


@given(events | good_events, mapping_settings | open_settings)
def test_every_side_that_an_event_names_yields_exactly_one_value(event, settings):
    sides = list(map_event(event, settings))

    assert [s.side for s in sides] == list(sides_named_by(event))


@given(good_events, open_settings)
def test_every_record_keeps_to_clevertaps_limits(event, settings):
    for side in map_event(event, settings):
        if isinstance(side, EventRecord):
            check_record(side.json, settings)
            assert json.loads(side.json)["evtName"] == side.name


@given(good_events, open_settings)
def test_the_sandbox_accepts_every_record_that_is_not_nested(event, settings):
    rules = Rules(properties=settings.property_limit)

    for side in map_event(event, settings):
        if isinstance(side, EventRecord) and settings.event_data_format != "nested":
            assert validation.check(json.loads(side.json), rules) is None


@given(events | good_events, mapping_settings | open_settings)
def test_every_refusal_has_a_known_reason_and_fits_its_columns(event, settings):
    for side in map_event(event, settings):
        if isinstance(side, Unmappable):
            assert side.reason in REASONS
            assert side.reason != "mapping_failed"
            assert len(side.name) <= 512
            assert len(side.detail) <= 500
            assert (side.name + side.detail).isprintable()


@given(events | good_events, mapping_settings | open_settings)
def test_the_same_event_always_becomes_the_same_bytes(event, settings):
    again = MappingSettings(
        **{f: getattr(settings, f) for f in settings.__struct_fields__}
    )

    assert list(map_event(event, settings)) == list(map_event(event, again))


@given(identities)
def test_an_identity_that_is_sent_is_sent_byte_for_byte(identity):
    event = Event(
        id="1",
        type=EventType.APP_OPEN,
        occurred_at=datetime(2026, 11, 23, tzinfo=UTC),
        user=Person({"email": identity}),
    )

    (side,) = map_event(event, MappingSettings("email"))

    if isinstance(side, EventRecord):
        assert json.loads(side.json)["identity"].encode() == identity.encode()


@given(events, mapping_settings)
def test_what_is_withheld_is_withheld_by_a_setting(event, settings):
    for side in map_event(event, settings):
        kept_back = (
            f"{event.type}:{side.side}" in settings.not_sent
            or (settings.event_kinds, event.test)
            in {("production", True), ("test", False)}
            or (event.status == "suspicious" and not settings.send_suspicious)
            or (event.status == "rejected" and not settings.send_rejected)
        )
        assert isinstance(side, KeptBack) is kept_back
