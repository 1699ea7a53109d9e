"""The log against a model of it: a dict and a list."""

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from referrals import log
from referrals.log import Status
from tests.builders import a_sent_custom_event, a_sent_event, an_app

pytestmark = pytest.mark.django_db

KEYS = st.sampled_from([f"k{n}" for n in range(8)])
CONTENTS = st.sampled_from(["spring", "summer"])
BUILT_IN = st.builds(
    lambda key, content: a_sent_event(id=key, content=content), KEYS, CONTENTS
)
CUSTOM = st.builds(
    lambda key, name: a_sent_custom_event(name, id=key),
    KEYS,
    st.sampled_from(["A", "a", "B"]),
)
BAD = st.builds(lambda key: a_sent_event(id=key, type="install"), KEYS)
REQUESTS = st.lists(st.lists(BUILT_IN | CUSTOM | BAD, max_size=6), max_size=6)


class Model:
    """What the log must hold and answer, in the simplest form that can be right."""

    def __init__(self):
        self.events = []
        self.numbers = {}

    def append(self, sent):
        if sent["type"] == "install":
            return Status.REJECTED, None
        for position, stored in enumerate(self.events, start=1):
            if stored["id"] == sent["id"]:
                status = Status.DUPLICATE if stored == sent else Status.CONFLICT
                return status, position
        self.events.append(sent)
        if "name" in sent:
            self.numbers.setdefault(sent["name"].lower(), len(self.numbers) + 1)
        return Status.ACCEPTED, len(self.events)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REQUESTS)
def test_the_log_answers_and_holds_what_a_dict_and_a_list_would(db, requests):
    app, model = an_app(), Model()

    for request in requests:
        results = log.append(app, request)

        expected = [model.append(sent) for sent in request]
        assert [(r.status, r.position) for r in results] == expected
        assert [r.index for r in results] == list(range(len(request)))

    logged = log.read_range(app.pk, 1, 99)
    assert [e.position for e in logged] == list(range(1, len(model.events) + 1))
    assert [(e.event.id, e.event.content) for e in logged] == [
        (sent["id"], sent.get("content")) for sent in model.events
    ]
    assert [e.event.name_number for e in logged] == [
        model.numbers.get(sent.get("name", "").lower(), 0) for sent in model.events
    ]
    received = [e.received_at for e in logged]
    assert received == sorted(received)
    assert log.read_head(app.pk) == len(model.events)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(REQUESTS)
def test_a_strict_request_is_stored_whole_or_not_at_all(db, requests):
    app, stored = an_app(), {}

    for request in requests:
        results = log.append(app, request, strict=True)

        seen, good = dict(stored), True
        for sent in request:
            is_known = seen.setdefault(sent["id"], sent) == sent
            good = good and is_known and sent["type"] != "install"
        stored = seen if good else stored
        refused = {Status.REJECTED, Status.CONFLICT}
        assert any(r.status in refused for r in results) is not good
        assert log.read_head(app.pk) == len(stored)
        for result in results:
            if result.position is not None:
                assert result.position <= log.read_head(app.pk)


@given(st.lists(st.text(max_size=20), max_size=5), st.text(max_size=50))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_that_is_accepted_is_read_back_as_it_was(db, keys, text):
    app = an_app()
    data = dict.fromkeys(keys, text)

    (result,) = log.append(app, [a_sent_custom_event(event_data=data, content=text)])

    if "\0" in "".join([*keys, text]):
        assert result.status is Status.REJECTED
    else:
        assert result.status is Status.ACCEPTED
        event = log.read_range(app.pk, 1, 1)[0].event
        assert (event.event_data, event.content) == (data, text)
