"""The page Fraud rules: other rules are tried on what was received, and taken."""

from datetime import timedelta

import pytest
from django.utils import timezone

from referrals import fraud_preview, history, log
from referrals.fraud import FraudReason
from referrals.fraud_rules import FIRST_RULES, FraudRules, Limit
from referrals.models import App, ReferralEvent
from tests.builders import (
    ANN,
    BOB,
    FIRST_FRAUD_RULES,
    a_sent_event,
    an_app,
)
from tests.integration.admin.conftest import text_of

PUBLIC = "203.0.113.7"
TYPED = {
    "fraud_installs": "2",
    "fraud_installs_days": "7",
    "fraud_advertising_ids": "",
    "fraud_advertising_ids_days": "30",
}
LAX = FraudRules(same_ip=False, installs=Limit(2, 7), advertising_ids=Limit(None))


@pytest.fixture
def app(db):
    return an_app("shop", name="Shop", **FIRST_FRAUD_RULES)


def append_installs(app, number, **changes):
    user = {"identities": {"email": ANN}, "ip": PUBLIC}
    events = [
        a_sent_event(occurred_at=None, **{"user": user, **changes})
        for _ in range(number)
    ]
    log.append(app, events)


def counts(preview):
    return {
        each.reason: (each.now, each.then)
        for each in preview.list_reasons()
        if each.now or each.then
    }


def test_a_preview_counts_what_was_found_and_what_would_be(app):
    append_installs(app, 4)
    append_installs(
        app, 1, referrer={"identities": {"email": "x@example.com"}, "ip": PUBLIC}
    )

    preview = fraud_preview.preview_rules(app, LAX)

    assert preview.judged == 5
    assert (preview.suspicious_now, preview.suspicious_then) == (4, 2)
    assert (preview.found, preview.cleared) == (0, 2)
    assert counts(preview) == {
        FraudReason.INSTALLS_FROM_SAME_IP: (3, 2),
        FraudReason.SAME_IP: (1, 0),
    }
    reset = [(each.is_found, each.reasons) for each in preview.list_samples()]
    assert reset == [(False, ("same_ip",)), (False, ("installs_from_same_ip",))]


def test_a_preview_of_the_rules_as_they_are_finds_what_was_found(app):
    for _ in range(2):
        append_installs(app, 3)

    preview = fraud_preview.preview_rules(app, FIRST_RULES)

    assert (preview.suspicious_now, preview.found, preview.cleared) == (5, 0, 0)
    assert not preview.list_samples()


def test_a_preview_leaves_out_what_it_cannot_judge(app):
    append_installs(app, 1, status="rejected")
    append_installs(app, 2, test=True)
    append_installs(app, 1)
    log.erase_people(app.pk, [4])

    preview = fraud_preview.preview_rules(app, FIRST_RULES)

    assert (preview.judged, preview.decided, preview.tests) == (0, 1, 2)
    assert preview.erased == 1


def test_installs_before_the_days_count_for_those_within(app):
    append_installs(app, 2)
    past = timezone.now() - timedelta(days=31)
    ReferralEvent.objects.filter(position=1).update(received_at=past)

    preview = fraud_preview.preview_rules(app, FIRST_RULES)

    assert (preview.judged, preview.suspicious_then) == (1, 1)


def test_a_preview_of_a_long_log_says_what_it_left_out(app, monkeypatch):
    append_installs(app, 5)
    monkeypatch.setattr(fraud_preview, "EVENTS", 3)
    preview = fraud_preview.preview_rules(app, FIRST_RULES)
    assert (preview.judged, preview.left_out, preview.unread) == (3, 2, 0)

    append_installs(app, 2)
    monkeypatch.setattr(fraud_preview, "EVENTS", 100)
    monkeypatch.setattr(fraud_preview, "SECONDS", -1.0)
    preview = fraud_preview.preview_rules(app, FIRST_RULES)
    assert (preview.judged, preview.left_out, preview.unread) == (5, 0, 2)


def test_trying_rules_changes_nothing(admin, app):
    append_installs(app, 4)
    before = list(ReferralEvent.objects.values())

    page = text_of(
        admin.post(f"/admin/referrals/app/{app.pk}/fraud/", {**TYPED, "preview": "1"})
    )

    assert "Judged anew were 4 events" in page
    assert "/admin/events/shop/2/" in page
    assert ANN not in page
    assert BOB not in page
    app.refresh_from_db()
    assert app.fraud_rules == FIRST_RULES
    assert list(ReferralEvent.objects.values()) == before
    assert not history.list_changes(app).exists()


def test_rules_are_taken_and_in_the_history(admin, app):
    admin.post(f"/admin/referrals/app/{app.pk}/fraud/", {**TYPED, "save": "1"})

    app.refresh_from_db()
    assert app.fraud_rules == FraudRules(
        same_ip=False, installs=Limit(2, 7), advertising_ids=Limit(None, 30)
    )
    assert history.list_changes(app).get().differences == [
        ["Same IP address on both sides", "yes", "no"],
        ["Installs from one IP address", "1", "2"],
        ["Installs: within days", history.EMPTY, "7"],
        ["Advertising IDs of one device", "1", history.EMPTY],
        ["Advertising IDs: within days", history.EMPTY, "30"],
    ]


@pytest.mark.parametrize("wrong", ["0", "21", "many"])
def test_a_wrong_limit_is_refused_and_nothing_is_judged(admin, app, wrong):
    typed = {**TYPED, "fraud_installs": wrong, "save": "1"}

    page = text_of(admin.post(f"/admin/referrals/app/{app.pk}/fraud/", typed))

    assert 'class="errorlist"' in page
    assert "What these rules would have found" not in page
    assert App.objects.get().fraud_rules == FIRST_RULES


def test_a_viewer_tries_rules_and_takes_none(staff, app):
    viewer = staff("referrals.view_app", "referrals.view_referralevent")
    address = f"/admin/referrals/app/{app.pk}/fraud/"

    page = text_of(viewer.post(address, {**TYPED, "preview": "1"}))
    refused = viewer.post(address, {**TYPED, "save": "1"})

    assert "No event of the last 30 days could be judged." in page
    assert 'name="save"' not in page
    assert refused.status_code == 403
    assert App.objects.get().fraud_rules == FIRST_RULES
