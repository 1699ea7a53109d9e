"""The Demo Shop's sources: made with it, called over HTTP, and not missed when archived."""

from random import Random

import pytest

from clevertap_sync.models import Integration
from clevertap_sync.process import clock
from clevertap_sync.reconciliation.comparison_plan import find_week
from clevertap_sync.reconciliation.reconciling_account import read_reconciling_account
from integration_project.demo.api import DemoApi
from integration_project.demo.feeder import Feeder, make_history
from integration_project.demo.platforms import BranchHook, SegmentTracking
from integration_project.demo.setup import prepare_demo
from integration_project.demo.story import Carrier, Told
from referrals import log
from referrals.hooks.known_sources import clear_known_sources
from referrals.models import Source
from referrals.source_setup import archive_source

ANN = {"identities": {"email": "ann@example.com", "custom_id": "r-1"}}
USER = {
    "identities": {"email": "ada.ito.1@example.org", "custom_id": "u-1"},
    "device_id": "device-1",
}


def an_install(number, carrier):
    event = {
        "id": f"live-{number}",
        "type": "app_install",
        "via": "smart_invite",
        "channel": "whatsapp",
        "user": {**USER, "device_id": f"device-{number}"},
        "referrer": ANN,
    }
    return Told(event, carrier)


def stored():
    source = Source.objects.get(platform="branch")
    return [entry.event for entry in log.read_range(source.app_id, 1, 99)]


def a_feeder(url, access):
    variables = access.list_variables()
    platforms = {Carrier.SEGMENT: SegmentTracking(url, variables["DEMO_API_KEY"]).carry}
    if "DEMO_BRANCH_PATH" in variables:
        branch = BranchHook(
            f"{url}{variables['DEMO_BRANCH_PATH']}", variables["DEMO_BRANCH_SECRET"]
        )
        platforms[Carrier.BRANCH] = branch.carry
    return Feeder(DemoApi(url, access.api_key), Random(1), platforms)


@pytest.mark.django_db
def test_a_second_start_finds_the_sources_of_the_first(tmp_path):
    first = prepare_demo(tmp_path / "demo.json")
    second = prepare_demo(tmp_path / "demo.json")

    assert first.list_variables() == second.list_variables()
    assert first.list_variables().keys() == {
        "DEMO_API_KEY",
        "DEMO_BRANCH_PATH",
        "DEMO_BRANCH_SECRET",
    }
    made = {source.platform: source for source in Source.objects.all()}
    assert set(made) == {"branch", "segment"}
    assert (made["branch"].identity, made["segment"].identity) == ("email", "")
    assert made["branch"].chosen_events == ["Subscription Started", "First Purchase"]


@pytest.mark.django_db
def test_days_are_compared_that_the_sandbox_has_whole(tmp_path):
    path, history = tmp_path / "demo.json", make_history(Random(1), clock.read_now())
    prepare_demo(path)
    integration = Integration.objects.get()

    days = find_week(read_reconciling_account(integration.account_id), clock.read_now())

    assert integration.reconciles
    assert days[0].isoformat() <= history[0]["occurred_at"][:10]
    log.append(integration.app, history)
    prepare_demo(path)  # another sandbox, which has nothing of that
    account = read_reconciling_account(integration.account_id)
    assert find_week(account, clock.read_now()) == []


@pytest.mark.django_db
def test_a_secret_that_no_key_decrypts_is_made_anew(tmp_path, settings):
    first = prepare_demo(tmp_path / "demo.json")
    settings.FIELD_ENCRYPTION_KEYS = ["another key, under which nothing was stored"]

    second = prepare_demo(tmp_path / "demo.json")

    assert second.branch_secret
    assert second.branch_secret != first.branch_secret
    assert second.branch_path == first.branch_path


@pytest.mark.django_db(transaction=True)
def test_every_carrier_brings_the_story_into_the_log(tmp_path, live_server):
    feeder = a_feeder(live_server.url, prepare_demo(tmp_path / "demo.json"))

    for number, carrier in enumerate(Carrier):
        feeder.send_told(an_install(number, carrier))

    assert [
        (event.user.identities["email"], event.referrer.identities["email"])
        for event in stored()
    ] == [("ada.ito.1@example.org", "ann@example.com")] * 3
    assert [event.id.startswith("branch.") for event in stored()] == [
        False,
        True,
        False,
    ]


@pytest.mark.django_db(transaction=True)
def test_the_story_goes_on_without_an_archived_source(tmp_path, live_server):
    path = tmp_path / "demo.json"
    running = a_feeder(live_server.url, prepare_demo(path))
    archive_source("a person", Source.objects.get(platform="branch"))
    clear_known_sources()
    started_later = a_feeder(live_server.url, prepare_demo(path))

    for number, feeder in enumerate([running, started_later]):
        feeder.send_told(an_install(number, Carrier.BRANCH))

    assert [event.id for event in stored()] == ["live-0", "live-1"]
