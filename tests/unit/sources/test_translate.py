"""What a verified call becomes."""

import msgspec
import pytest

from referrals.refusals import Code
from referrals.schema import EventProblem
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.rules import MEANINGS, Choices, Reason
from referrals.sources.mapping.translate import translate_call
from referrals.sources.mapping.validate import validate_mapping
from tests.platforms import KEY, a_call, a_mapping, run_mapping

SENT = {"id": "e-1", "type": "install", "user_id": "u-42", "referrer_id": "u-7"}
EVENT = {
    "id": "e-1",
    "type": "app_install",
    "user": {"identities": {"custom_id": "u-42"}},
    "referrer": {"identities": {"custom_id": "u-7"}},
    "via": "smart_invite",
}


def run(body=SENT, *, mapping=None, **choices):
    (outcome,) = run_mapping(mapping or a_mapping(), body, **choices)
    return outcome


def sent(**changes):
    return {**SENT, **changes}


def test_an_event_has_what_the_call_says_and_nothing_else():
    assert run() == EVENT


def test_user_ids_are_of_the_provider_that_the_source_has_chosen():
    event = run(identity="clevertap_id")

    assert event["user"] == {"identities": {"clevertap_id": "u-42"}}
    assert event["referrer"] == {"identities": {"clevertap_id": "u-7"}}


def test_an_identity_that_the_call_names_by_itself_wins():
    mapping = a_mapping(event={"user.identities": "ids", "user.identities.x": "y"})

    event = run(
        sent(ids={"Custom_ID": "own", "Email": "ann@example.com", "n": None}, y=5),
        mapping=mapping,
    )

    assert event["user"]["identities"] == {
        "custom_id": "own",
        "email": "ann@example.com",
        "x": "5",
    }


@pytest.mark.parametrize("chosen", ["email", "Email", "EMAIL"])
def test_an_identity_that_the_call_names_wins_in_whatever_case_it_was_chosen(chosen):
    mapping = a_mapping(
        event={"user.identities.email": "mail", "referrer.identities": "by"}
    )
    body = {
        "id": "e-1",
        "type": "install",
        "user_id": "u-1",
        "referrer_id": "u-2",
        "mail": "ann@example.com",
        "by": {"eMail": "bob@example.com"},
    }

    (event,) = run_mapping(mapping, body, identity=chosen)

    assert event["user"]["identities"] == {"email": "ann@example.com"}
    assert event["referrer"]["identities"] == {"email": "bob@example.com"}


def test_what_is_no_object_is_no_identities():
    mapping = a_mapping(event={"user.identities": "ids"})

    assert run(sent(ids="https://example.com"), mapping=mapping) == EVENT


@pytest.mark.parametrize("value", [["a", "b"], {"a": 1}, True], ids=repr)
def test_an_identity_that_is_no_text_is_refused_with_its_place(value):
    outcome = run(sent(user_id=value))

    assert (outcome.code, outcome.pointer, outcome.id) == (
        Code.BAD_IDENTITY,
        "/user/identities/custom_id",
        "e-1",
    )


def test_a_parameter_with_two_values_is_not_chosen_from():
    call = a_call(
        method="GET", query_string="id=e&type=install&referrer_id=a&referrer_id=b"
    )

    (outcome,) = translate_call(call, a_mapping(), Choices(), key=KEY)

    assert outcome.code is Code.BAD_IDENTITY


def test_a_user_without_an_identity_is_a_user_all_the_same():
    event = run({"id": "e-1", "type": "install", "referrer_id": "u-7"})

    assert event["user"] == {}


def test_the_first_key_that_is_there_names_the_referrer():
    mapping = a_mapping(
        referrer={"keys": ["a", "b"], "places": [{"path": "link"}, {"path": "more"}]}
    )
    body = {"id": "e-1", "type": "install"}

    def found(**parts):
        outcome = run({**body, **parts}, mapping=mapping)
        return outcome["referrer"]["identities"]["custom_id"]

    assert found(link={"a": "1", "b": "2"}) == "1"
    assert found(link={"b": "2"}, more={"a": "3"}) == "3"
    assert found(link={"a": "None", "b": "2"}) == "2"
    assert found(link={"a": {"x": 1}, "b": 2}) == "2"
    assert found(link={"a": True, "b": "2"}) == "2"


def test_a_sources_own_keys_replace_the_mappings():
    mapping = a_mapping(referrer={"keys": ["a"], "places": ["link"]})
    body = {"id": "e-1", "type": "install", "link": {"a": "1", "inviter": "2"}}

    event = run(body, mapping=mapping, referrer_keys=("inviter",))

    assert event["referrer"]["identities"] == {"custom_id": "2"}


def test_a_device_is_a_handle_only_as_its_keyed_hash():
    mapping = a_mapping(event={"user.handles.device_handle": "idfv"})

    lower = run(sent(idfv="ab-01"), mapping=mapping)
    upper = run(sent(idfv="AB-01"), mapping=mapping)
    zeros = run(sent(idfv="00000000-0000-0000-0000-000000000000"), mapping=mapping)

    handle = lower["user"]["identities"]["device_handle"]
    assert lower == upper
    assert "ab-01" not in msgspec.json.encode(lower).decode().lower()
    assert len(handle) == 32
    assert zeros == EVENT


def test_a_signal_of_zeros_is_none():
    mapping = a_mapping(
        event={"user.advertising_id": "idfa", "user.device_id": "d", "user.ip": "ip"}
    )

    event = run(sent(idfa="0000-0000", d="AB", ip="203.0.113.7"), mapping=mapping)

    assert event["user"] == {
        "identities": {"custom_id": "u-42"},
        "ip": "203.0.113.7",
        "device_id": "AB",
    }


def test_a_click_has_no_user():
    mapping = a_mapping(
        kinds={"click": {"type": "link_click"}}, event={"user.ip": "ip"}
    )

    event = run(sent(type="click", ip="203.0.113.7"), mapping=mapping)

    assert "user" not in event
    assert event["referrer"] == EVENT["referrer"]


# What is ignored, and why.


def without_referrer(**changes):
    return {"id": "e-1", "type": "install", "user_id": "u-42", **changes}


def test_a_call_without_a_referrer_is_ignored():
    assert run(without_referrer()) == Ignored(Reason.NO_REFERRER, "install")
    assert run(without_referrer(referrer_id="None")) == Ignored(
        Reason.NO_REFERRER, "install"
    )


def test_a_source_that_takes_marketing_links_takes_it():
    event = run(without_referrer(), takes_marketing_links=True)

    assert event["via"] == "smart_link"
    assert "referrer" not in event


@pytest.mark.parametrize("takes", [True, False])
def test_organic_is_ignored_unless_somebody_invited(takes):
    mapping = a_mapping(organic=[{"path": "media", "in": ["OR GANIC"]}])

    assert run(
        without_referrer(media="Organic"), mapping=mapping, takes_marketing_links=takes
    ) == Ignored(Reason.ORGANIC, "install")
    assert run(sent(media="organic"), mapping=mapping) == EVENT


@pytest.mark.parametrize("body", [{}, {"type": None}, {"type": {"a": 1}}, {"id": "e"}])
def test_a_call_that_names_no_event_is_ignored(body):
    assert run(body) == Ignored(Reason.NO_EVENT)


def test_a_condition_says_why_it_does_not_hold():
    mapping = a_mapping(
        when=[
            {"path": "live", "in": [True], "reason": "no_event"},
            {"path": "x", "exists": False},
        ]
    )

    assert run(sent(live=False), mapping=mapping) == Ignored(Reason.NO_EVENT)
    assert run(sent(live="true", x=1), mapping=mapping) == Ignored(Reason.CONDITION)
    assert run(sent(live="true"), mapping=mapping) == EVENT


KINDS = a_mapping(
    kinds={
        "install": {"type": "app_install"},
        "OPEN": {"type": "app_open", "taken": False},
        "converted": {"name": "Referral Converted"},
        "event": {"name_of": "event_name"},
        "invited": {"ignore": "own_act"},
    }
)


@pytest.mark.parametrize(
    ("kind", "chosen", "became"),
    [
        ("Install", (), ("app_install", None)),
        ("open", (), Reason.NOT_CHOSEN),
        ("open", ("Open",), ("app_open", None)),
        ("converted", (), ("custom", "Referral Converted")),
        ("invited", ("invited",), Reason.OWN_ACT),
        ("Level Up", (), Reason.NOT_CHOSEN),
        (" Level Up ", ("level_up",), ("custom", "Level Up")),
        ("event", ("event",), Reason.NOT_CHOSEN),
        ("event", ("Gold Plan",), ("custom", "gold plan")),
    ],
    ids=repr,
)
def test_a_kind_is_taken_where_the_source_has_chosen_it(kind, chosen, became):
    outcome = run(
        sent(type=kind, event_name="gold plan"), mapping=KINDS, chosen=frozenset(chosen)
    )

    if isinstance(outcome, Ignored):
        assert outcome.reason == became
    else:
        assert (outcome["type"], outcome.get("name")) == became


def test_a_kind_that_was_left_out_is_not_taken():
    left_out = frozenset({"INSTALL"})

    assert run(left_out=left_out) == Ignored(Reason.NOT_CHOSEN, "install")


def test_what_was_not_chosen_is_named_for_whoever_chooses():
    outcome = run(sent(type="event", event_name="Level Up"), mapping=KINDS)
    longest = run(sent(type="x" * 300))

    assert outcome == Ignored(Reason.NOT_CHOSEN, "Level Up")
    assert longest == Ignored(Reason.NOT_CHOSEN, "x" * 255)


def test_every_reason_has_a_meaning():
    assert set(MEANINGS) == set(Reason)


# What is refused.


def test_a_call_without_an_id_is_refused():
    outcome = run({"type": "install", "referrer_id": "u-7"})

    assert (outcome.code, outcome.pointer) == (Code.MISSING_FIELD, "/id")


def test_a_time_that_cannot_be_read_is_refused_and_none_is_invented():
    mapping = a_mapping(event={"occurred_at": {"path": "at", "time": "unix_s"}})

    outcome = run(sent(at="soon"), mapping=mapping)

    assert (outcome.code, outcome.id) == (Code.BAD_TIME, "e-1")
    assert run(mapping=mapping) == EVENT
    assert run(sent(at=""), mapping=mapping) == EVENT


def test_an_event_over_32_kb_is_refused_before_anybody_walks_it():
    mapping = a_mapping(event={"content": "text"})

    outcome = run(sent(text="x" * 40_000), mapping=mapping)

    assert (outcome.code, outcome.id) == (Code.EVENT_TOO_LARGE, "e-1")


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"{", Code.NOT_JSON), (b'{"a":1,"a":2}', Code.REPEATED_KEY)],
)
def test_a_body_that_cannot_be_read_is_one_refusal(body, code):
    outcome = run(body)

    assert isinstance(outcome, EventProblem)
    assert outcome.code is code


# The other fields.


def test_valid_is_no_status_of_ours():
    mapping = a_mapping(
        event={
            "status": {
                "path": "risk",
                "map": {"LOW": "valid", "MEDIUM": "suspicious", "HIGH": "rejected"},
            }
        }
    )

    def status(risk):
        return run(sent(risk=risk), mapping=mapping).get("status")

    assert [status(risk) for risk in ("LOW", "medium", "High", "other", None)] == [
        None,
        "suspicious",
        "rejected",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("value", "is_test"),
    [
        (True, True),
        ("true", True),
        ("1", True),
        (1, True),
        (False, False),
        ("false", False),
        ("", False),
        ("no", False),
    ],
    ids=repr,
)
def test_a_flag_may_be_a_text(value, is_test):
    event = run(sent(t=value), mapping=a_mapping(event={"test": "t"}))

    assert event == ({**EVENT, "test": True} if is_test else EVENT)


def test_a_test_source_marks_every_event():
    assert run(is_test=True) == {**EVENT, "test": True}


def test_event_data_is_for_custom_events_and_never_names_the_referrer():
    mapping = a_mapping(
        kinds={"install": {"type": "app_install"}, "sale": {"name": "Sale"}},
        referrer={"keys": ["referrer_id"], "places": [".", "data"]},
        event={"event_data": "data", "metadata": "data"},
    )
    data = {"plan": "gold", "referrer_id": "u-7", "deep": {"a": [1]}}
    body = {"id": "e-1", "user_id": "u-42", "data": data}

    sale = run({**body, "type": "sale"}, mapping=mapping)
    install = run({**body, "type": "install"}, mapping=mapping)

    assert sale["event_data"] == {"plan": "gold", "deep": {"a": [1]}}
    assert "event_data" not in install
    assert install["metadata"] == {"plan": "gold", "deep": {"a": [1]}}


def test_metadata_that_does_not_fit_is_left_out_and_the_event_stands():
    mapping = a_mapping(event={"metadata": "m"})
    metadata = {"long": "x" * 2100, "half": "ä" * 900, "other": "y" * 300, "a": 1}

    event = run(sent(m=metadata), mapping=mapping)

    assert event["metadata"] == {"half": "ä" * 900, "a": 1}


def test_metadata_with_half_a_character_is_left_out():
    mapping = a_mapping(event={"metadata": "m"})
    body = b'{"id":"e-1","type":"install","user_id":"u-42","referrer_id":"u-7","m":{"a":"\\ud800","b":1}}'

    assert run(body, mapping=mapping) == {**EVENT, "metadata": {"b": 1}}


# Several items.


def test_each_element_is_an_item_and_a_bad_one_costs_its_neighbours_nothing():
    mapping = a_mapping(each="data", kind="$.type")
    items = [
        {"id": "e-1", "referrer_id": "u-7"},
        {"referrer_id": "u-7"},
        {"id": "e-3"},
        5,
    ]

    event, refused, ignored, number = run_mapping(
        mapping, {"type": "install", "data": items}
    )

    assert (event["id"], refused.code) == ("e-1", Code.MISSING_FIELD)
    assert ignored == Ignored(Reason.NO_REFERRER, "install")
    assert number == Ignored(Reason.NO_REFERRER, "install")


def test_a_body_that_is_a_list_has_its_elements_as_items():
    outcomes = run_mapping(a_mapping(), [SENT, {**SENT, "id": "e-2"}])

    assert [outcome["id"] for outcome in outcomes] == ["e-1", "e-2"]


@pytest.mark.parametrize("body", [[], {"data": []}], ids=repr)
def test_a_call_without_an_item_says_nothing(body):
    assert run_mapping(a_mapping(each="data"), body) == [Ignored(Reason.NO_EVENT)]


def test_where_the_list_is_not_there_the_body_is_the_item():
    assert run_mapping(a_mapping(each="data"), SENT) == [EVENT]


def test_of_10_000_items_1_000_are_taken_and_one_refusal_stands_for_the_others():
    items = [{**SENT, "id": f"e-{number}"} for number in range(10_000)]

    outcomes = run_mapping(a_mapping(each="data"), {"data": items})

    assert len(outcomes) == 1_001
    assert outcomes[999]["id"] == "e-999"
    assert outcomes[1_000].code is Code.TOO_MANY_EVENTS
    assert "10,000" in outcomes[1_000].detail


# Events of ours.

OURS = {
    "type": "web_sign_up",
    "user": {"identities": {"email": "ann@example.com"}},
    "referrer": {"identities": {"email": "bob@example.com"}},
    "content": "None",
}


@pytest.fixture
def native():
    return validate_mapping(
        {
            "native": {"path": "data", "when": [{"path": "kind", "in": ["Own Event"]}]},
            "event": {"id": "id", "occurred_at": {"path": "at", "time": "rfc3339"}},
        }
    )


def test_an_event_of_ours_stays_as_it_is(native):
    whole = {**OURS, "id": "own", "occurred_at": 1795860301, "name": None}

    assert run({"kind": "own_event", "id": "x", "data": whole}, mapping=native) == {
        **OURS,
        "id": "own",
        "occurred_at": 1795860301,
    }


def test_what_an_event_of_ours_leaves_out_comes_from_the_call(native):
    event = run(
        {"kind": "own_event", "id": "x", "at": "2026-11-28T10:05:01Z", "data": OURS},
        mapping=native,
    )

    assert event == {**OURS, "id": "x", "occurred_at": "2026-11-28T10:05:01Z"}


def test_what_is_no_event_of_ours_is_said(native):
    assert run({"id": "x"}, mapping=native) == Ignored(Reason.NO_EVENT)
    assert (
        run({"kind": "own_event", "id": "x", "data": "text"}, mapping=native).code
        is Code.WRONG_SHAPE
    )
