"""Every platform's samples, signed as it would sign them, and the events that they become.

`events/` holds these, a line for each outcome, byte for byte. Whoever changes a mapping
sees there what becomes of people's calls.
"""

import re
from pathlib import Path

import msgspec
import pytest

from referrals.schema import IncomingEvent, check_object
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.translate import translate_call
from referrals.sources.presets import PLATFORMS, load_mapping, load_preset
from referrals.sources.samples import sign_sample
from referrals.sources.verifiers import (
    HeaderVerifier,
    Unverified,
    UrlVerifier,
    Verified,
    hide_secret,
    verify_call,
)
from tests.builders import a_sent_event, a_sent_identify
from tests.platforms import KEY, NOW, OLD_SECRET, SECRET, a_call, choices_of

EVENTS = Path(__file__).parent / "events"
#: What a person would choose for the samples that are custom events.
CHOSEN = frozenset({"Subscription Started", "level_reached"})
EVERY = [
    (platform, number)
    for platform in PLATFORMS
    for number in range(len(load_preset(platform).samples))
]
every_platform = pytest.mark.parametrize("platform", PLATFORMS)
every_sample = pytest.mark.parametrize(("platform", "number"), EVERY)


def outcomes_of(platform, number, **choices):
    preset = load_preset(platform)
    call = hide_secret(
        preset.verifier, sign_sample(preset, SECRET, now=NOW, number=number)
    )
    usual = {"chosen": CHOSEN, "learns_people": True}
    made = choices_of(platform, **{**usual, **choices})
    return translate_call(call, load_mapping(platform), made, key=KEY)


def as_line(outcome):
    if isinstance(outcome, Ignored):
        outcome = {"ignored": outcome.reason, "kind": outcome.kind}
    return msgspec.json.encode(outcome).decode()


@every_platform
def test_the_samples_become_exactly_these_events(platform):
    expected = (EVENTS / f"{platform}.jsonl").read_text().splitlines()
    numbers = range(len(load_preset(platform).samples))

    lines = [
        as_line(each) for number in numbers for each in outcomes_of(platform, number)
    ]

    assert lines == expected


def test_there_are_events_for_every_platform_and_for_no_other():
    assert {path.stem for path in EVENTS.iterdir()} == set(PLATFORMS)
    files = {path.stem for path in Path("referrals/sources/presets").glob("*.json")}
    assert files == set(PLATFORMS)


@every_sample
def test_an_event_is_one_that_the_log_takes(platform, number):
    for outcome in outcomes_of(platform, number):
        if isinstance(outcome, dict):
            assert isinstance(check_object(outcome, now=NOW), IncomingEvent)


@every_platform
def test_every_platform_has_a_sample_that_becomes_an_event(platform):
    assert isinstance(outcomes_of(platform, 0)[0], dict)


@every_sample
def test_a_sample_passes_with_its_secret_and_with_no_other(platform, number):
    preset = load_preset(platform)
    call = sign_sample(preset, SECRET, now=NOW, number=number)

    assert verify_call(preset.verifier, call, [SECRET], now=NOW) == Verified(0)
    assert isinstance(
        verify_call(preset.verifier, call, [OLD_SECRET], now=NOW), Unverified
    )


@every_sample
def test_no_id_shows_a_person_or_a_device(platform, number):
    for outcome in outcomes_of(platform, number):
        if not isinstance(outcome, dict):
            continue
        people = [outcome.get("user", {}), outcome.get("referrer", {})]
        shown = [
            value
            for person in people
            for value in (
                *person.get("identities", {}).values(),
                person.get("ip"),
                person.get("device_id"),
                person.get("advertising_id"),
            )
            if value
        ]
        assert all(value not in outcome["id"] for value in shown)


@every_sample
def test_sent_again_it_is_the_same_event_and_with_another_key_another(platform, number):
    call = sign_sample(load_preset(platform), SECRET, now=NOW, number=number)
    mapping, choices = load_mapping(platform), choices_of(platform, chosen=CHOSEN)

    once = translate_call(call, mapping, choices, key=KEY)

    assert translate_call(call, mapping, choices, key=KEY) == once


@every_sample
def test_a_secret_never_reaches_an_event(platform, number):
    lines = "".join(map(as_line, outcomes_of(platform, number)))

    assert SECRET not in lines


@every_platform
def test_an_empty_call_is_ignored(platform):
    call = sign_sample(load_preset(platform), SECRET, now=NOW)
    empty = msgspec.structs.replace(call, body=b"{}", query=(), headers=())

    (outcome,) = translate_call(
        empty, load_mapping(platform), choices_of(platform), key=KEY
    )

    assert isinstance(outcome, Ignored)


@every_platform
def test_a_preset_says_how_to_connect_and_what_to_expect(platform):
    preset = load_preset(platform)
    said = "\n".join((*preset.connect, preset.address))

    assert preset.title
    assert preset.retries.endswith(".")
    assert "{url}" in said
    assert all(step.endswith(".") for step in preset.connect)
    assert all(doubt.startswith("[doubt] ") for doubt in preset.doubts)
    if preset.secret != "theirs" and not isinstance(preset.verifier, UrlVerifier):
        assert "{secret}" in said
    if isinstance(preset.verifier, HeaderVerifier):
        assert "{header}" in said
    if preset.secret == "theirs":
        assert any("field here" in step for step in preset.connect)
    if preset.address != "{url}":
        assert "{address}" in said


def test_only_what_could_not_be_read_is_a_draft():
    drafts = {platform for platform in PLATFORMS if load_preset(platform).is_draft}

    assert drafts == {"rewardful", "extole", "kochava", "singular", "referralhero"}


def test_a_secret_is_in_the_address_only_where_nothing_else_carries_it():
    in_url = {each for each in PLATFORMS if load_preset(each).has_secret_in_url}

    assert in_url == {"adjust", "singular", "kochava", "referralcandy"}


@pytest.mark.parametrize(
    ("platform", "header"),
    [
        ("branch", "X-Webhook-Secret"),
        ("growsurf", "GrowSurf-Signature"),
        ("getsocial", "X-Getsocial-Signature"),
        ("standard_webhooks", "webhook-signature"),
        ("adjust", None),
    ],
)
def test_a_header_carries_the_secret_or_the_signature(platform, header):
    assert load_preset(platform).header == header


def test_platforms_that_never_send_again_are_known():
    """Where nothing says that a platform repeats a call, nothing may rest on it."""
    never = {each for each in PLATFORMS if not load_preset(each).resends}

    assert never == {"branch", "appsflyer", "referralcandy", "referralhero"}
    for platform in never - {"branch"}:  # whose rule for retries is documented
        assert any("it does not" in doubt for doubt in load_preset(platform).doubts)


@every_platform
def test_a_busy_source_answers_what_senders_understand(platform):
    assert load_preset(platform).busy in (429, 503)


@pytest.mark.parametrize(
    "platform", ["rewardful", "extole", "kochava", "singular", "referralhero"]
)
def test_a_draft_has_none_of_the_platforms_menu_words(platform):
    """Of a draft nobody knows them: its steps say what to do, and not where to click."""
    preset = load_preset(platform)
    said = " ".join(preset.connect)

    assert preset.is_draft
    assert not re.search(r'→| > |["“”]|\b(open|click|press|tab|menu)\b', said)
    assert preset.doubts


@every_platform
def test_a_preset_has_no_doubt_without_its_mark(platform):
    said = [*load_preset(platform).connect, *load_preset(platform).cannot]

    assert not any("doubt" in each for each in said)


def test_adjust_is_asked_for_all_that_its_mapping_reads():
    preset = load_preset("adjust")
    asked = set(re.findall(r"[?&]([a-z_]+)=\{", preset.address))
    # What the app adds by itself.
    of_the_app = {"user_id", "referrer_id"}
    read = set(preset.mapping["event"]["event_data"]["without"])

    assert read - of_the_app == asked


def test_the_platforms_have_the_names_that_people_type():
    assert sorted(PLATFORMS) == sorted(
        (
            *("getsocial", "branch", "appsflyer", "adjust", "growsurf", "friendbuy"),
            *("dub", "voucherify", "rewardful", "impact_advocate", "talkable"),
            *("referralhero", "extole", "singular", "kochava", "referralcandy"),
            *("cloudevents", "standard_webhooks", "segment", "custom"),
        )
    )


#: What a platform's user is known by at the platform, and what its app's backend calls the
#: user: where a call has both, the event ties them together.
SIDE_BY_SIDE = {
    "branch": {"device_handle", "custom_id"},
    "appsflyer": {"appsflyer_id", "custom_id"},
    "adjust": {"adjust_adid", "custom_id"},
    "segment": {"anonymous_id", "custom_id", "email"},
    "getsocial": {"getsocial_id", "custom_id"},
    "growsurf": {"growsurf_id", "email"},
    "friendbuy": {"custom_id", "email"},
    "dub": {"dub_customer_id", "custom_id", "email"},
    "voucherify": {"voucherify_customer_id", "custom_id", "email"},
    "rewardful": {"rewardful_customer_id", "email"},
    "impact_advocate": {"custom_id"},
    "talkable": {"custom_id", "email"},
    "referralhero": {"referralhero_id", "email"},
    "extole": {"extole_person_id", "custom_id", "email"},
    "singular": {"device_handle", "custom_id"},
    "kochava": {"device_handle", "custom_id"},
    "referralcandy": {"email"},
    "cloudevents": {"email"},
    "standard_webhooks": {"email"},
    "custom": {"custom_id", "email"},
}


def test_it_is_known_of_every_platform_which_ids_stand_side_by_side():
    assert set(SIDE_BY_SIDE) == set(PLATFORMS)


@every_platform
def test_the_platforms_id_and_the_backends_stand_side_by_side(platform):
    found = [
        set(outcome.get("user", {}).get("identities", ()))
        for number in range(len(load_preset(platform).samples))
        for outcome in outcomes_of(platform, number)
        if not isinstance(outcome, Ignored)
    ]

    assert SIDE_BY_SIDE[platform] in found


@pytest.mark.parametrize(
    ("platform", "headers"),
    [("cloudevents", [("ce-id", "x")]), ("standard_webhooks", [])],
)
@pytest.mark.parametrize(
    "event",
    [
        a_sent_identify(id="e-1"),
        a_sent_event(id="e-1", type="app_open", referrer="last"),
    ],
    ids=["identify", "last"],
)
def test_an_event_of_ours_comes_as_it_was_sent(platform, headers, event):
    body = event if headers else {"data": event}
    call = a_call(body, headers=headers)

    (outcome,) = translate_call(
        call, load_mapping(platform), choices_of(platform), key=KEY
    )

    assert outcome == event
    assert isinstance(check_object(outcome), IncomingEvent)


def test_a_platform_that_is_not_known_is_no_preset():
    with pytest.raises(KeyError):
        load_preset("../custom")
    with pytest.raises(KeyError):
        load_mapping("none")
