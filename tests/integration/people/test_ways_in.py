"""Who somebody is, and "last", come in by every way."""

import json
import sys
from io import StringIO

import pytest
from django.core.management import call_command

from referrals import log
from referrals.schema import Person
from referrals.tasks import append_events_task
from tests.builders import ANN, a_sent_custom_event, a_sent_identify, an_api_key, an_app

pytestmark = pytest.mark.django_db

EVENTS = [
    a_sent_identify(id="i-1", test=True),
    a_sent_custom_event(id="e-1", referrer="last", event_data=None),
]
CSV = f"""\
id,type,name,occurred_at,test,user.identities.email,user.identities.anonymous_id,referrer
i-1,identify,,,true,{ANN},A,
e-1,custom,Subscription Started,2026-11-23T12:00:00Z,,{ANN},,last
"""


def call_http(app, client, _folder):
    client.post(
        "/v1/events",
        json.dumps({"events": EVENTS}),
        content_type="application/json",
        headers={"Authorization": f"Bearer {an_api_key(app)}"},
    )


def call_http_with_lines(app, client, _folder):
    client.post(
        "/v1/events",
        "\n".join(map(json.dumps, EVENTS)),
        content_type="application/x-ndjson",
        headers={"Authorization": f"Bearer {an_api_key(app)}"},
    )


def call_celery(app, _client, _folder):
    append_events_task(app.slug, EVENTS)


def call_python(app, _client, _folder):
    log.append(app, EVENTS)


def import_lines(app, _client, folder):
    path = folder / "events.jsonl"
    path.write_text("\n".join(map(json.dumps, EVENTS)))
    call_command("import_events", app.slug, str(path), stdout=StringIO())


def import_csv(app, _client, folder):
    path = folder / "events.csv"
    path.write_text(CSV)
    call_command(
        "import_events", app.slug, str(path), stdout=StringIO(), stderr=sys.stderr
    )


@pytest.mark.parametrize(
    "send",
    [
        call_http,
        call_http_with_lines,
        call_celery,
        call_python,
        import_lines,
        import_csv,
    ],
)
def test_identify_and_last_come_in(send, client, tmp_path):
    app = an_app()

    send(app, client, tmp_path)

    identify, event = (logged.event for logged in log.read_range(app.pk, 1, 9))
    assert (identify.id, identify.type, identify.test) == ("i-1", "identify", True)
    assert identify.user == Person(identities={"email": ANN, "anonymous_id": "A"})
    assert (identify.referrer, identify.reasons) == (None, ())
    assert (event.id, event.referrer) == ("e-1", Person(last=True))
