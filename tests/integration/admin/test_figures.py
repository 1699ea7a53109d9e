"""What pages count and when: the same, to the last record, as `delivery_status` says."""

import csv
import io
import json
import re

import pytest
from django.core.management import call_command

from clevertap_sync.delivery import lifecycle
from clevertap_sync.delivery.deliver import deliver
from referrals import log
from tests.builders import (
    NOON,
    a_sent_custom_event,
    a_sent_event,
    an_api_key,
    an_app,
    an_integration,
)
from tests.integration.admin.conftest import text_of


def told():
    """Return what `delivery_status` says of the one integration."""
    output = io.StringIO()
    call_command("delivery_status", "--json", stdout=output)
    (status,) = json.loads(output.getvalue())
    return status


def test_events_uploads_and_problems_agree_with_delivery_status(admin, delivered):
    log.append(delivered.app, [a_sent_event() for _ in range(3)])

    events = text_of(admin.get("/admin/events/?app=shop"))
    file = text_of(admin.get("/admin/clevertap_sync/upload/export/"))
    problems = text_of(admin.get("/admin/problems/"))

    status = told()
    assert {name: status[name] for name in ("head", "backlog", "delivered")} == {
        "head": 15,
        "backlog": 3,
        "delivered": 22,
    }
    assert status["dead_letters"] == {"no_identity": 2}
    assert status["balanced"]
    assert f"Shop has sent {status['head']} events." in events
    positions = re.findall(r"/admin/events/shop/(\d+)/", events)
    assert [int(each) for each in positions] == list(range(status["head"], 0, -1))
    (upload,) = csv.DictReader(io.StringIO(file.removeprefix("\ufeff")))
    assert int(upload["Delivered"]) == status["delivered"]
    assert int(upload["Dead letters"]) == status["dead_letters"]["no_identity"]
    assert int(upload["Last position"]) == status["cursor"]
    assert re.findall(r"<strong>(\d+)</strong> record", problems) == ["2"]


def test_the_overview_says_how_many_event_types_are_ours(admin, settings):
    settings.CUSTOM_NAMES_LIMIT = 2
    app = an_app("shop")
    an_integration(app, not_sent=["app_open:referred"])

    def said():
        page = text_of(admin.get("/admin/"))
        return re.findall(r"At most (\d+) of CleverTap's (\d+) event types", page)

    # A link click has no record for the user: eleven, without the one that is off.
    assert said() == [("10", "512")]
    log.append(app, [a_sent_custom_event(name) for name in ("One", "Two", "Three")])
    # Two records for each name within the limit; the third waits for an approval.
    assert said() == [("14", "512")]


def test_the_two_sides_of_an_event_lead_to_each_other(admin, delivered):
    page = text_of(admin.get("/admin/events/shop/11/"))

    referred, generated = f"referred-{delivered.pk}", f"generated-{delivered.pk}"
    sections = {
        each[0]: each[1]
        for each in re.findall(
            r'(?s)<section class="card side[^>]*? id="([^"]+)"(.*?)</section>', page
        )
    }
    assert list(sections) == [referred, generated]
    (there,) = re.findall(r'<a class="other"[^>]*>[^<]*</a>', sections[referred])
    (back,) = re.findall(r'<a class="other"[^>]*>[^<]*</a>', sections[generated])
    assert there == f'<a class="other" href="#{generated}">The referrer: delivered</a>'
    assert back == f'<a class="other" href="#{referred}">The user: not delivered</a>'


def test_the_first_steps_tick_one_by_one_until_an_event_is_delivered(admin, sandbox):
    def ticked():
        page = text_of(admin.get("/admin/"))
        steps = re.findall(r'(?s)<ol class="checklist">(.*?)</ol>', page)
        return [re.findall(r"<li( class=\"done\")?>", each) for each in steps]

    def first(count):
        return [[' class="done"'] * count + [""] * (5 - count)]

    assert ticked() == first(0)
    app = an_app("shop")
    assert ticked() == first(1)
    an_api_key(app)
    assert ticked() == first(2)
    integration = an_integration(app, enabled=False)
    assert ticked() == first(3)
    lifecycle.enable_integration(integration)
    assert ticked() == first(4)
    log.append(app, [a_sent_event()])
    assert ticked() == first(5)
    deliver(integration.pk)
    assert ticked() == []


@pytest.mark.parametrize("page", ["events/", "events/shop/1/"])
def test_a_shown_time_is_in_utc_until_a_browser_knows_better(admin, delivered, page):
    shown = text_of(admin.get(f"/admin/{page}"))

    utc = "23 Nov 2026, 12:00:00 UTC"
    assert (
        f'<time datetime="{NOON.isoformat()}" title="{utc}" data-local>{utc}</time>'
    ) in shown
