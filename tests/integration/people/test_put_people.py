"""`PUT /v1/people`: a backend says which IDs belong to one person."""

import gzip
import itertools
import json
from datetime import timedelta

import pytest

from referrals import log
from referrals.api.body_people import decode_people
from referrals.keys import create_key
from referrals.learning.mentions import make_rules
from referrals.schema import IncomingEvent, Person
from tests.builders import ANN, BOB, NOON, an_api_key, an_app
from tests.integration.people.steps import install, step, whom

pytestmark = pytest.mark.django_db

TIED = {"anonymous_id": "A", "email": ANN}


@pytest.fixture
def app():
    return an_app("shop", loose_ids=["anonymous_id"])


@pytest.fixture
def put(client, app):
    """Return a function that puts a body, JSON unless it is bytes, with the app's key."""
    key = an_api_key(app)

    def send(body, *, query="", content_type="application/json", **headers):
        return client.put(
            f"/v1/people{query}",
            body if isinstance(body, bytes) else json.dumps(body),
            content_type=content_type,
            headers={"Authorization": f"Bearer {key}", **headers},
        )

    return send


def stored(app):
    return [logged.event for logged in log.read_range(app.pk, 1, 10_000)]


def refusals(answer):
    """Return pointer and code of each refusal of an answer."""
    assert answer.status_code == 422, answer.content
    return [(each["pointer"], each["code"]) for each in answer.json()["results"]]


def test_one_person_is_stored_as_an_event_of_type_identify(put, app):
    answer = put({"identities": TIED})

    assert answer.status_code == 202
    (event,) = stored(app)
    assert answer.json() == {
        "accepted": 1,
        "duplicates": 0,
        "conflicts": 0,
        "rejected": 0,
        "results": [{"index": 0, "id": event.id, "status": "accepted", "position": 1}],
    }
    assert (event.type, event.test, event.name) == ("identify", False, "")
    assert event.user == Person(identities=TIED)
    assert event.referrer is None
    assert ANN not in event.id


def test_what_was_put_is_found_by_its_id_and_is_nothing_to_deliver(put, client, app):
    (result,) = put({"identities": TIED}).json()["results"]

    answer = client.get(
        f"/v1/events/{result['id']}",
        headers={"Authorization": f"Bearer {an_api_key(app)}"},
    )

    assert answer.status_code == 200
    assert (answer.json()["type"], answer.json()["outcomes"]) == ("identify", [])
    assert ANN not in answer.content.decode()


def test_several_people_are_judged_one_by_one(put, app):
    answer = put(
        {
            "people": [
                {"identities": TIED},
                {"identities": {"email": BOB}},
                {"identities": {"anonymous_id": "B", "email": BOB}, "test": True},
            ]
        }
    )

    assert answer.status_code == 202
    assert [each["status"] for each in answer.json()["results"]] == [
        "accepted",
        "rejected",
        "accepted",
    ]
    assert [event.test for event in stored(app)] == [False, True]


def test_lines_and_gzip_are_read(put, app):
    lines = "\n".join(
        json.dumps({"identities": {"anonymous_id": each, "email": f"{each}@x.test"}})
        for each in "AB"
    )

    answer = put(
        gzip.compress(lines.encode()),
        content_type="application/x-ndjson",
        **{"Content-Encoding": "gzip"},
    )

    assert answer.json()["accepted"] == 2
    assert len(stored(app)) == 2


def test_the_same_again_is_a_duplicate_in_whatever_order(put, app):
    put({"identities": TIED})

    again = put({"people": [{"identities": dict(reversed(TIED.items()))}]})

    assert again.status_code == 202
    assert (again.json()["duplicates"], again.json()["conflicts"]) == (1, 0)
    assert len(stored(app)) == 1


def test_tests_and_production_are_told_apart(put, app):
    put({"identities": TIED})

    answer = put({"identities": TIED, "test": True})

    assert answer.json()["accepted"] == 1
    assert [event.test for event in stored(app)] == [False, True]


def ids_of(key, link, now):
    (event,) = decode_people(
        "application/json", json.dumps(link).encode(), key, None, now=now
    )
    assert isinstance(event, IncomingEvent)
    return event.id


def make_key(app):
    return create_key(app)[0]


def test_the_id_is_of_the_set_the_hour_and_the_key(app):
    key = make_key(app)
    link = {"identities": TIED}
    first = ids_of(key, link, NOON)

    assert ids_of(key, link, NOON + timedelta(minutes=59)) == first
    assert ids_of(key, {"identities": {**TIED, "phone": None}}, NOON) == first
    assert ids_of(key, {**link, "test": None}, NOON) == first
    others = {
        ids_of(key, link, NOON + timedelta(hours=1)),
        ids_of(key, {"identities": {**TIED, "anonymous_id": "B"}}, NOON),
        ids_of(key, {**link, "test": True}, NOON),
        ids_of(make_key(app), link, NOON),
        ids_of(make_key(an_app()), link, NOON),
    }
    assert len(others | {first}) == 6


def test_whoever_guesses_learns_not_what_another_caller_told(client, put, app):
    put({"identities": TIED})

    answer = client.put(
        "/v1/people",
        json.dumps({"identities": TIED}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {an_api_key(app)}"},
    )

    assert (answer.json()["accepted"], answer.json()["duplicates"]) == (1, 0)


def test_an_id_that_the_app_does_not_learn_is_kept_with_a_hint(put, app):
    unknown = {"identities": {"brnch_id": "B", "email": ANN}}

    answer = put({"people": [unknown, {"identities": TIED}]})

    hinted, silent = answer.json()["results"]
    assert hinted["status"] == "accepted"
    assert hinted["warnings"][0].startswith("This app learns of one of these IDs alone")
    assert "warnings" not in silent


@pytest.mark.parametrize(
    ("person", "pointer", "code"),
    [
        ({"identities": {"email": ANN}}, "/identities", "no_link"),
        ({"identities": {}}, "/identities", "no_link"),
        ({"identities": {"email": ANN, "custom_id": None}}, "/identities", "no_link"),
        ({"identities": {"email": ANN, "custom_id": ""}}, "/identities", "no_link"),
        ({"identities": {"email": ANN, "Email": ANN}}, "/identities", "no_link"),
        ({"identities": {**TIED, "Email": BOB}}, "/identities", "no_link"),
        ({"identities": None}, "/identities", "bad_identity"),
        ({"identities": [ANN]}, "/identities", "bad_identity"),
        ({"identities": {**TIED, "custom_id": 7}}, "/identities/custom_id", "bad_identity"),
        ({"identities": {**TIED, "": "x"}}, "/identities/", "bad_identity"),
        ({"identities": {**TIED, "x": "\0"}}, "/identities/x", "bad_text"),
        ({}, "/identities", "missing_field"),
        ({"identities": TIED, "email": ANN}, "/email", "unknown_field"),
        ({"identities": TIED, "id": "a"}, "/id", "unknown_field"),
        ({"identities": TIED, "test": "yes"}, "/test", "wrong_type"),
        ({"identities": {**TIED, "x": "y" * 40_000}}, "", "event_too_large"),
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_a_person_that_ties_nothing_is_refused(put, app, person, pointer, code):
    answer = put(person)

    assert refusals(answer) == [(pointer, code)]
    assert answer.json()["results"][0]["detail"].endswith((".", "}"))
    assert stored(app) == []


@pytest.mark.parametrize(
    "value",
    [
        *("null", "undefined", " NULL ", "[object Object]", "0000-0000"),
        *("{{user_id}}", "x" * 257),
    ],
    ids=lambda value: value[:20],
)
def test_a_value_that_names_nobody_is_no_second_id(put, app, value):
    """Case 7: what programs send where an ID is missing ties nobody together."""
    answer = put({"identities": {"email": ANN, "anonymous_id": value}})

    assert refusals(answer) == [("/identities/anonymous_id", "bad_identity")]
    assert value not in answer.json()["results"][0]["detail"]
    assert stored(app) == []


def test_a_value_that_names_nobody_is_harmless_beside_two_that_do(put, app):
    answer = put({"identities": {**TIED, "phone": "undefined"}})

    assert answer.json()["accepted"] == 1


def test_ids_of_which_none_names_a_person_are_refused_with_those_that_would(put, app):
    answer = put({"identities": {"anonymous_id": "A", "branch_id": "B"}})

    assert refusals(answer) == [("/identities", "no_link")]
    detail = answer.json()["results"][0]["detail"]
    assert "custom_id, email, phone" in detail
    assert stored(app) == []


def test_a_key_counts_in_any_case_of_its_provider(app):
    body = json.dumps({"identities": {"anonymous_id": "A", "EMAIL": ANN}}).encode()
    key = make_key(app)

    (event,) = decode_people("application/json", body, key, make_rules((), ("x",)))

    assert isinstance(event, IncomingEvent)


def test_an_app_that_learns_nothing_keeps_it_and_says_so(put, app):
    app.loose_ids = []
    app.save()

    answer = put({"identities": {"anonymous_id": "A", "branch_id": "B"}})

    assert answer.json()["accepted"] == 1
    (warning,) = answer.json()["results"][0]["warnings"]
    assert warning.startswith("This app does not learn who is who yet.")


def test_a_strict_request_with_one_bad_person_stores_nothing(put, app):
    people = [{"identities": TIED}, {"identities": {"email": BOB}}]

    answer = put({"people": people}, query="?strict=1")

    assert [each["code"] for each in answer.json()["results"]] == ["strict", "no_link"]
    assert stored(app) == []


@pytest.mark.parametrize(
    ("body", "status", "problem"),
    [
        (b"{", 400, "not-json"),
        (b'{"identities": {"email": NaN}}', 400, "not-json"),
        (b"[]", 422, "wrong-shape"),
        (b'{"people": []}', 422, "wrong-shape"),
        (b'{"people": {}}', 422, "wrong-shape"),
        (b'{"people": [], "people": []}', 422, "wrong-shape"),
        (b'{"people": [], "identities": {}}', 422, "wrong-shape"),
        (b'{"people": [' + b",".join([b"{}"] * 1001) + b"]}", 413, "too-many-events"),
        (
            b'{"people": [' + b",".join([b"[" + b"1," * 999 + b"1]"] * 101) + b"]}",
            422,
            "too-many-values",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_body_that_is_no_list_of_people_is_a_problem(put, app, body, status, problem):
    answer = put(body)

    assert answer.status_code == status
    assert answer.json()["type"] == f"/docs#problem-{problem}"
    assert "event" not in answer.json()["detail"]
    assert stored(app) == []


@pytest.mark.parametrize(
    ("text", "pointer", "code"),
    [
        ('{"email": "a", "email": "b"}', "/identities/email", "repeated_key"),
        ('{"email": "a", "custom_id": "\\ud800"}', "/identities/custom_id", "bad_text"),
    ],
)
def test_half_a_character_and_a_key_twice_are_refused(put, app, text, pointer, code):
    answer = put(f'{{"people": [{{"identities": {text}}}]}}'.encode())

    assert refusals(answer) == [(pointer, code)]


def test_nan_in_a_list_costs_its_own_person(put, app):
    good = json.dumps({"identities": TIED})

    answer = put(f'{{"people": [{{"identities": {{"a": NaN}}}}, {good}]}}'.encode())

    assert [each["status"] for each in answer.json()["results"]] == [
        "rejected",
        "accepted",
    ]


def test_a_nan_that_a_second_key_hides_is_refused_in_words_that_fit_a_person(put, app):
    good = json.dumps(TIED)

    answer = put(
        f'{{"people": [{{"identities": {{"a": NaN}}, "identities": {good}}}]}}'.encode()
    )

    assert refusals(answer) == [("", "not_json")]
    assert answer.json()["results"][0]["detail"].startswith("It is not valid JSON")


@pytest.mark.parametrize("query", ["?dry_run=1", "?strict=2", "?x=1"])
def test_another_parameter_is_refused(put, app, query):
    answer = put({"identities": TIED}, query=query)

    assert answer.status_code == 400
    assert stored(app) == []


@pytest.mark.parametrize("method", ["get", "post", "delete"])
def test_who_is_who_can_be_told_and_never_asked(client, app, method):
    answer = getattr(client, method)(
        "/v1/people", headers={"Authorization": f"Bearer {an_api_key(app)}"}
    )

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "PUT"


def test_a_caller_without_a_key_is_refused(client, app):
    answer = client.put(
        "/v1/people", json.dumps({"identities": TIED}), content_type="application/json"
    )

    assert answer.status_code == 401
    assert stored(app) == []


@pytest.mark.parametrize("is_first", [True, False])
def test_a_link_and_its_install_come_in_one_request_in_either_order(
    client, app, is_first
):
    """Case 3."""
    tie = {"id": "t", "type": "identify", "user": {"identities": TIED}}
    events = [tie, {"id": "i", **install(anonymous_id="A")}]

    client.post(
        "/v1/events",
        json.dumps({"events": events if is_first else events[::-1]}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {an_api_key(app)}"},
    )
    step(app)

    assert whom(app, anonymous_id="A") == ANN


def test_what_was_put_names_the_person_of_an_id(put, app):
    put({"people": [{"identities": TIED}, {"identities": {"email": BOB, "x": "A"}}]})
    step(app)

    assert whom(app, anonymous_id="A") == ANN
    assert whom(app, anonymous_id="B") is None


def test_a_value_that_names_nobody_ties_nobody(put, app):
    """Case 7: beside two IDs that tie, it is not learned either."""
    for email in (ANN, BOB):
        put(
            {"identities": {"custom_id": "null", "anonymous_id": email, "email": email}}
        )
    step(app)

    assert whom(app, anonymous_id=ANN) == ANN
    assert whom(app, anonymous_id=BOB) == BOB
    assert whom(app, custom_id="null") is None


def test_tests_and_production_know_nothing_of_each_other(put, app):
    """Case 22: the same ID is Ann's in production and Bob's in tests."""
    put({"identities": TIED})
    put({"identities": {"anonymous_id": "A", "email": BOB}, "test": True})
    step(app)

    assert whom(app, anonymous_id="A") == ANN
    assert whom(app, anonymous_id="A", test=True) == BOB
