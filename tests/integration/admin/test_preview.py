"""Preview: what is shown is what delivery sends, and nothing is stored or sent."""

import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.models import Integration
from referrals import log
from referrals.models import App, CustomName, ReferralEvent
from referrals.vocabulary import SIDES, EventType
from tests.builders import (
    ANN,
    BOB,
    a_sent_custom_event,
    a_sent_event,
    an_account,
    an_app,
    an_integration,
)
from tests.integration.admin.conftest import text_of

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def address(integration):
    return f"/admin/preview/{integration.pk}/"


def asked(**changes):
    """What the form posts when nothing but `changes` is other than the stored settings."""
    return {
        "source": "pasted",
        "sample": "app_install",
        "identity_provider": "email",
        "event_data_format": "flattened",
        "property_limit": "100",
        "event_kinds": "production",
        "send_suspicious": "on",
        "send_rejected": "on",
        "sends": [f"{kind}:{side}" for kind in EventType for side in SIDES[kind]],
        **changes,
    }


def records_in(response):
    """The records that the page shows, side by side, as they are sent."""
    return [
        outcome.exact
        for preview in response.context["previews"]
        for outcome in preview.outcomes
    ]


def test_the_menu_leads_to_the_first_integrations_preview(admin, integration, address):
    assert admin.get("/admin/preview/").url == address
    integration.archived_at = integration.created_at
    integration.save()
    assert "There is no integration yet" in text_of(admin.get("/admin/preview/"))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("app_install", ["Referred App Install", "Generated App Install"]),
        ("link_click", ["Generated Link Click"]),
        ("custom", ["Referred Subscription Started", "Generated Subscription Started"]),
    ],
)
def test_a_sample_of_each_type_is_shown(admin, address, kind, names):
    response = admin.get(address, {"sample": kind})

    shown = [json.loads(record)["evtName"] for record in records_in(response)]
    assert shown == names
    assert not ReferralEvent.objects.exists()
    assert not CustomName.objects.exists()


def test_pasted_json_becomes_byte_for_byte_what_delivery_sends(
    admin, sandbox, integration, address
):
    events = [a_sent_event(), a_sent_custom_event(event_data={"plan": "gold", "n": 1})]

    response = admin.post(address, asked(pasted=json.dumps({"events": events})))
    log.append(integration.app, events)
    deliver(integration.pk)

    shown = [json.loads(record) for record in records_in(response)]
    assert len(shown) == 4
    assert sandbox.records() == shown
    assert "Exactly these" in text_of(response)


def test_an_event_of_the_log_is_found_by_id_and_by_position(
    admin, integration, address
):
    log.append(integration.app, [a_sent_event(id="first"), a_sent_event(id="1")])

    by_id = admin.post(address, asked(source="logged", logged="first"))
    by_position = admin.get(address, {"position": "2"})
    nothing = admin.post(address, asked(source="logged", logged="none such"))

    assert ANN in text_of(by_id)
    assert len(records_in(by_position)) == 2
    assert "No event of this app has this ID" in text_of(nothing)


def test_unsaved_settings_are_tried_and_never_saved(admin, integration, address):
    log.append(integration.app, [a_sent_custom_event()])
    before = Integration.objects.values().get(pk=integration.pk)

    response = admin.post(
        address,
        asked(
            source="logged",
            logged="1",
            event_data_format="json",
            send_event_id="on",
            sends=["custom:referred"],
        ),
    )

    referred, generated = response.context["previews"][0].outcomes
    data = json.loads(referred.exact)["evtData"]
    assert data["Event Data"] == '{"plan":"gold"}'
    assert "Event ID" in data
    assert (generated.word, generated.reason) == ("Kept back", "not_sent")
    assert "Tick it under Events to send" in text_of(response)
    assert Integration.objects.values().get(pk=integration.pk) == before


def test_another_identity_provider_shows_who_would_have_no_identity(admin, address):
    body = json.dumps(a_sent_event())

    response = admin.post(address, asked(pasted=body, identity_provider="custom_id"))

    page = text_of(response)
    assert records_in(response) == ["", ""]
    assert "no_identity" in page
    assert "Choose an identity provider that users have" in page


def test_what_would_wait_is_shown_with_what_it_waits_for(admin, integration, address):
    App.objects.update(loose_ids=["branch_id"], remembers_referrers=True)
    user = {"identities": {"branch_id": "b-1", "clevertap_id": "__g123"}}
    body = json.dumps(a_sent_event(type="app_open", user=user, referrer="last"))

    waiting = admin.post(address, asked(pasted=body))
    at_once = admin.post(address, asked(pasted=body, falls_back_to_clevertap_id="on"))

    user, referrer = waiting.context["previews"][0].outcomes
    assert (user.word, user.colour, user.detail) == (
        "Would wait",
        "idle",
        "Nobody is known yet by branch_id.",
    )
    assert (referrer.word, referrer.reason) == ("Would wait", "waiting_for_referrer")
    user, _ = at_once.context["previews"][0].outcomes
    assert json.loads(user.exact)["objectId"] == "__g123"


@pytest.mark.parametrize(
    ("body", "pointer", "said"),
    [
        ("{", "", "cannot be read as JSON"),
        ("[1]", "", "is JSON, but no object"),
        ('{"id": "a", "type": "nonsense"}', "/type", ""),
        (
            json.dumps(a_sent_event(referrer=None)),
            "/referrer",
            "An event without a referrer is no referral",
        ),
        (json.dumps(a_sent_event(id="with space")), "/id", ""),
        ('{"events": [], "more": 1}', "/more", "Beside `events`"),
        ("[" * 100_000, "", ""),
    ],
)
def test_what_the_api_would_refuse_is_refused_with_its_pointer(
    admin, address, body, pointer, said
):
    response = admin.post(address, asked(pasted=body))

    ((found, detail),) = response.context["previews"][0].problems
    assert found == pointer
    assert said in detail
    assert "Refused" in text_of(response)


def test_a_warning_is_shown_beside_the_records(admin, address):
    body = json.dumps(a_sent_event(channel="carrier pigeon"))

    response = admin.post(address, asked(pasted=body))

    assert response.context["previews"][0].warnings[0][0] == "/channel"
    assert len(records_in(response)) == 2


def test_a_long_list_is_cut_and_said_to_be(admin, address):
    body = json.dumps({"events": [a_sent_event() for _ in range(25)]})

    response = admin.post(address, asked(pasted=body))

    assert len(response.context["previews"]) == 20
    assert "5 more are not shown" in text_of(response)


def test_hostile_payloads_are_inert(admin, address):
    events = [
        a_sent_custom_event(
            f"{{{{ 7|add:7 }}}} {SCRIPT}", user={"identities": {"email": SCRIPT}}
        ),
        a_sent_custom_event("Gift \u202etnes", event_data={SCRIPT: "\u202etxt"}),
        {"id": SCRIPT, "type": SCRIPT, SCRIPT: SCRIPT},
    ]

    page = text_of(admin.post(address, asked(pasted=json.dumps({"events": events}))))

    body = page[page.index('class="results"') :]
    assert SCRIPT not in page
    assert "{{ 7|add:7 }}" in body
    assert "\u202e" not in body
    assert "\\u202e" in body


def test_a_payload_never_stands_in_an_address(admin, address):
    page = text_of(admin.post(address, asked(pasted=json.dumps(a_sent_event()))))

    assert 'method="post" class="card"' in page
    assert all(ANN not in part.split('"')[0] for part in page.split('href="')[1:])


def test_events_of_the_log_need_the_permission_to_see_identities(
    staff, integration, address
):
    viewer = staff("clevertap_sync.view_integration", "referrals.view_referralevent")
    log.append(integration.app, [a_sent_event()])

    page = text_of(viewer.get(address))
    refused = viewer.post(address, asked(source="logged", logged="1"))

    assert "One from the log" not in page
    assert refused.status_code == 403
    assert viewer.get(address, {"position": "1"}).status_code == 403
    assert viewer.post(address, asked(pasted="{}")).status_code == 200


def test_somebody_elses_integration_is_not_there(staff, address):
    assert staff().get(address).status_code == 403


def test_a_preview_costs_few_queries(admin, integration, address):
    an_integration(an_app())
    body = json.dumps({"events": [a_sent_custom_event() for _ in range(20)]})

    with CaptureQueriesContext(connection) as captured:
        response = admin.post(address, asked(pasted=body))

    assert len(records_in(response)) == 40
    assert BOB in text_of(response)
    assert len(captured) <= 14


def test_a_few_integrations_stand_side_by_side_and_many_in_a_list_to_search(
    admin, address, integration
):
    def others(numbers):
        for n in numbers:
            an_integration(
                integration.app, name=f"n{n}", account=an_account(account_id=f"A-{n}")
            )

    others(range(5))
    few = text_of(admin.get(address))
    others(range(5, 26))
    many = text_of(admin.get(address))

    assert "data-narrows" not in few
    entry = r'<li><a href="/admin/preview/\d+/"'
    assert len(re.findall(entry, few)) == 6
    assert f"<summary>{integration}</summary>" in many
    assert 'data-narrows="switchable" aria-label="Find an integration"' in many
    assert len(re.findall(entry, many)) == 27
