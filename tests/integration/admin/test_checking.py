"""Does CleverTap know the users? The match rate, one user, and a person's word for it."""

import re
import time

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client

from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.insight import match_rate, user_check
from clevertap_sync.models import Integration
from clevertap_sync.sandbox.faults import Fault
from referrals import log
from tests.builders import ANN, a_sent_event, an_app, an_integration
from tests.integration.admin.conftest import CANARY, text_of
from tests.logs import everything_in
from tests.people import emails, installs_of, knows
from tests.wire import ScriptedServer, answer

SCRIPT = "<script>alert(1)</script>"


def at(integration, name):
    return f"/admin/clevertap_sync/integration/{integration.pk}/{name}/"


def lookups(sandbox):
    return [r for r in sandbox.requests() if r.path.endswith("/profile.json")]


def rows(page):
    """Return the table of the match rate: provider, known, unknown, no answer."""
    body = re.search(r"as CleverTap knows them.*?<tbody>(.*?)</tbody>", page, re.DOTALL)
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", body[1], re.DOTALL)
    words = [re.sub(r"<[^>]+>", " ", cell).split() for cell in cells]
    return [
        " ".join(" ".join(row).split())
        for row in zip(*[iter(map(" ".join, words))] * 4, strict=True)
    ]


def doubted(**changes):
    """Return an integration whose canary found strangers."""
    return an_integration(
        an_app("shop"),
        identities_confirmed_at=None,
        identities_unknown=28,
        identities_known=2,
        hold_reason="identity_mismatch",
        **changes,
    )


@pytest.mark.usefixtures("sandbox")
class TestMatchRate:
    def test_it_counts_known_users_by_each_identity_that_they_carry(
        self, admin, sandbox, integration
    ):
        people = emails(40)
        log.append(integration.app, installs_of(people))
        newest = people[10:]
        knows(sandbox, *newest[:29], *(f"id-of-{one}" for one in newest[:2]))

        page = text_of(admin.post(at(integration, "match-rate")))

        assert "CleverTap knows 29 of 30 recent users by email." in page
        assert rows(page) == ["email (chosen) 29 1 0", "custom_id 2 28 0"]
        assert "@example.com" not in page

    def test_the_provider_that_clevertap_knows_people_by_is_named(
        self, admin, sandbox, integration
    ):
        people = emails(12)
        log.append(integration.app, installs_of(people))
        knows(sandbox, *(f"id-of-{one}" for one in people))

        page = text_of(admin.post(at(integration, "match-rate")))

        assert "CleverTap knows 0 of 12 recent users by email." in page
        assert "It knows 12 by custom_id: choose that as the identity provider." in page

    def test_who_is_known_in_lower_case_only_is_counted(
        self, admin, sandbox, integration
    ):
        log.append(integration.app, installs_of(["Ann@Example.com", "Bob@example.com"]))
        knows(sandbox, "ann@example.com")

        page = text_of(admin.post(at(integration, "match-rate")))

        assert "CleverTap knows 0 of 2 recent users by email." in page
        assert "It knows 1 more in lower case only." in page

    def test_what_clevertap_does_not_tell_is_not_counted_against_anybody(
        self, admin, sandbox, integration
    ):
        log.append(integration.app, installs_of(emails(12)))
        sandbox.switch(faults=(Fault(status=503, only="reads", times=None),))

        page = text_of(admin.post(at(integration, "match-rate")))

        assert "CleverTap did not tell which users it knows." in page
        assert rows(page) == ["email (chosen) 0 0 12", "custom_id 0 0 12"]

    def test_at_most_three_are_asked_about_at_a_time(self, admin, integration):
        log.append(integration.app, installs_of(emails(30)))

        page = text_of(admin.post(at(integration, "match-rate")))

        # A fourth would be refused with 429, which is no answer.
        assert rows(page) == ["email (chosen) 0 30 0", "custom_id 0 30 0"]

    def test_a_silent_clevertap_ends_in_time(
        self, admin, sandbox, integration, monkeypatch, settings
    ):
        monkeypatch.setattr(match_rate, "LOOK_UP_SECONDS", 0.3)
        log.append(integration.app, installs_of(emails(30)))
        hang = Fault(ending="hang_before_storing", only="reads", times=None)
        sandbox.switch(faults=(hang,))
        began = time.monotonic()

        page = text_of(admin.post(at(integration, "match-rate")))

        assert rows(page) == ["email (chosen) 0 0 30", "custom_id 0 0 30"]
        # On a busy machine the time may be over before they have asked.
        assert len(lookups(sandbox)) <= 3
        # Without its own end, it would take as long as a request may.
        assert time.monotonic() - began < settings.REQUEST_SECONDS

    def test_an_empty_log_asks_nobody(self, admin, sandbox, integration):
        page = text_of(admin.post(at(integration, "match-rate")))

        assert "No event in the log names a user yet." in page
        assert sandbox.requests() == []

    def test_a_provider_that_nobody_carries_is_said(self, admin):
        integration = an_integration(identity_provider="phone")
        log.append(integration.app, installs_of(emails(3)))

        page = text_of(admin.post(at(integration, "match-rate")))

        assert "None of the last 3 users carries phone." in page

    def test_a_missing_passcode_is_said(self, admin, sandbox):
        integration = an_integration(passcode="")
        log.append(integration.app, installs_of(emails(3)))

        page = text_of(admin.post(at(integration, "match-rate")))

        assert "No passcode was entered yet." in page
        assert sandbox.requests() == []


@pytest.mark.usefixtures("sandbox")
class TestUserCheck:
    def test_it_shows_what_clevertap_counts_for_the_user(self, admin, delivered):
        page = text_of(admin.post(at(delivered, "user"), {"identity": f" {ANN} "}))

        assert "Known" in page
        cells = re.findall(
            r"<th scope=\"row\">(.*?)</th><td class=\"num\">(.*?)</td>", page
        )
        assert cells == [("Referred App Install", "10")]
        assert "2026-11-23T12:00:00+00:00" in page
        assert "Only referral events." in page

    def test_a_user_with_events_of_the_app_itself_is_linked(
        self, admin, settings, integration
    ):
        events = {
            "App Launched": {"count": 7, "last_seen": 1795435200},
            "Generated App Open": {"count": 2, "last_seen": 1795435200},
        }
        with ScriptedServer() as clevertap:
            clevertap.answers(200, {"status": "success", "record": {"events": events}})
            settings.CLEVERTAP_BASE_URL = clevertap.url
            page = text_of(
                admin.post(at(integration, "user"), {"identity": "ann@example.com"})
            )

        assert "Generated App Open" in page
        assert "App Launched" not in page
        assert "Only referral events." not in page

    def test_an_unknown_user_is_said_to_be_unknown(self, admin, sandbox, integration):
        identity = {"identity": "nobody@example.com"}
        page = text_of(admin.post(at(integration, "user"), identity))

        assert "knows no such user" in page
        assert "letter by letter" in page
        assert [r.path for r in sandbox.requests()] == ["/eu1/1/profile.json"]

    @pytest.mark.parametrize(
        ("known", "case"),
        [("ann@example.com", "lower case"), ("USER-7F", "upper case")],
    )
    def test_a_user_who_is_known_in_another_case_is_said_to_be(
        self, admin, sandbox, integration, known, case
    ):
        asked = known.swapcase()
        knows(sandbox, known)

        page = text_of(admin.post(at(integration, "user"), {"identity": asked}))

        assert f"CleverTap knows this identity in {case}." in page

    def test_a_fault_is_explained_without_the_passcode(self, admin):
        integration = an_integration(passcode=CANARY)

        page = text_of(
            admin.post(at(integration, "user"), {"identity": "ann@example.com"})
        )

        assert "CleverTap in Europe refuses the passcode." in page
        assert CANARY not in page

    def test_silence_ends_in_time(
        self, admin, sandbox, integration, monkeypatch, settings
    ):
        monkeypatch.setattr(user_check, "LOOK_UP_SECONDS", 0.2)
        hang = Fault(ending="hang_before_storing", only="reads", times=None)
        sandbox.switch(faults=(hang,))
        began = time.monotonic()

        page = text_of(
            admin.post(at(integration, "user"), {"identity": "ann@example.com"})
        )

        assert "did not answer in time" in page
        assert time.monotonic() - began < settings.REQUEST_SECONDS

    @pytest.mark.parametrize(
        ("typed", "sentence"),
        [
            ("", "Type the ID of a user."),
            ("   ", "Type the ID of a user."),
            ("a" * 1025, "at most 1,024 characters"),
            ("ann\nbob", "control character"),
        ],
    )
    def test_what_cannot_be_an_identity_is_refused(
        self, admin, sandbox, integration, typed, sentence
    ):
        page = text_of(admin.post(at(integration, "user"), {"identity": typed}))

        assert sentence in page
        assert sandbox.requests() == []

    def test_hostile_answers_are_inert(self, admin, settings, integration):
        events = {
            f"Referred {SCRIPT}": {"count": SCRIPT, "last_seen": 10**30},
            "Generated \u202e": "no object",
        }
        with ScriptedServer() as clevertap:
            clevertap.answers(200, {"status": "success", "record": {"events": events}})
            settings.CLEVERTAP_BASE_URL = clevertap.url
            page = text_of(
                admin.post(at(integration, "user"), {"identity": f"{SCRIPT.lower()}@x"})
            )

        assert SCRIPT not in page
        assert "Referred &lt;script&gt;" in page

    def test_it_needs_the_right_to_see_identities_and_no_other(
        self, staff, integration
    ):
        sees = staff("clevertap_sync.view_integration", "referrals.view_identities")

        page = text_of(
            sees.post(at(integration, "user"), {"identity": "ann@example.com"})
        )

        assert "knows no such user" in page
        assert "Show the match rate" not in page

    @pytest.mark.parametrize(
        "permissions",
        [
            ("clevertap_sync.view_integration", "clevertap_sync.change_integration"),
            ("referrals.view_identities",),
        ],
    )
    def test_whoever_lacks_a_right_asks_nobody(
        self, staff, sandbox, integration, permissions
    ):
        response = staff(*permissions).post(
            at(integration, "user"), {"identity": "ann@example.com"}
        )

        assert response.status_code == 403
        assert sandbox.requests() == []

    def test_an_identity_is_in_no_log(self, admin, integration, caplog):
        caplog.set_level("DEBUG")

        admin.post(at(integration, "user"), {"identity": "ann-the-1st"})

        assert caplog.records
        assert "ann-the-1st" not in everything_in(caplog)
        assert not LogEntry.objects.exists()


@pytest.mark.usefixtures("sandbox")
class TestConfirming:
    def test_the_page_of_a_doubted_integration_offers_it(self, admin):
        integration = doubted()

        for name in ("change", "check"):
            page = text_of(admin.get(at(integration, name)))
            assert "CleverTap knows 2 of the first 30 users by" in page, name
            assert at(integration, "confirm-identities") in page, name

    def test_the_overview_and_the_status_tell_the_reason(self, admin):
        integration = doubted()

        page = text_of(admin.get("/admin/"))

        assert "CleverTap knows too few of the first users" in page
        assert at(integration, "confirm-identities") in page

    def test_confirming_lets_delivery_go_on(self, admin, sandbox):
        integration = an_integration(an_app("shop"), identities_confirmed_at=None)
        log.append(integration.app, installs_of(emails(20)))
        deliver(integration.pk)
        assert sandbox.records() == []

        response = admin.post(at(integration, "confirm-identities"))
        deliver(integration.pk)

        assert response.url == at(integration, "change")
        assert len(sandbox.records()) == 20
        assert LogEntry.objects.get().change_message == "Confirmed the identities."

    def test_moving_to_another_location_asks_again(self, admin, integration):
        admin.post(at(integration, "move"), {"location": "in1"})

        integration.refresh_from_db()
        assert integration.identities_confirmed_at is None


@pytest.mark.parametrize("name", ["match-rate", "user", "confirm-identities"])
class TestEach:
    def test_a_get_asks_nobody(self, admin, sandbox, integration, name):
        assert admin.get(at(integration, name)).status_code == 405
        assert sandbox.requests() == []

    def test_a_post_from_elsewhere_is_refused(self, admin, sandbox, name):
        integration = doubted()
        forged = Client(enforce_csrf_checks=True)
        forged.cookies = admin.cookies

        response = forged.post(at(integration, name), {"identity": "ann@example.com"})

        assert response.status_code == 403
        assert sandbox.requests() == []
        assert Integration.objects.get().identities_confirmed_at is None

    def test_whoever_may_only_look_is_refused(self, staff, sandbox, name):
        integration = doubted()
        viewer = staff("clevertap_sync.view_integration")

        response = viewer.post(at(integration, name), {"identity": "ann@example.com"})

        assert response.status_code == 403
        assert sandbox.requests() == []
        assert Integration.objects.get().identities_confirmed_at is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["match-rate", "user", "check"])
def test_no_transaction_and_no_connection_is_held_while_clevertap_is_asked(
    admin, settings, integration, name
):
    log.append(integration.app, [a_sent_event()])
    seen = []

    def look(sock):
        seen.append((connection_of_the_page.in_atomic_block, holds_a_connection()))
        answer(404, {"status": "fail", "code": 404}).play(sock)

    connection_of_the_page = connections["default"]

    def holds_a_connection():
        is_pooled = connection_of_the_page.vendor == "postgresql"
        return is_pooled and connection_of_the_page.connection is not None

    with ScriptedServer() as clevertap:
        clevertap.plays(*[type(answer(200))(look)] * 3)
        settings.CLEVERTAP_BASE_URL = clevertap.url
        assert (
            admin.post(
                at(integration, name), {"identity": "ann@example.com"}
            ).status_code
            == 200
        )

    assert seen
    assert set(seen) == {(False, False)}
