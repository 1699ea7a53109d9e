"""The page Sources: a platform is connected, seen at work, changed and switched off."""

import html
import re
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from referrals import history, source_setup, words
from referrals.hooks.known_sources import clear_known_sources
from referrals.ingest import background
from referrals.models import Change, Membership, ReferralEvent, Role, Source
from referrals.secret import Secret
from referrals.source_address import read_preset_in_force
from referrals.sources.presets import PLATFORMS, load_preset
from referrals.sources.samples import sign_sample
from tests.builders import a_source, an_app
from tests.integration.admin.conftest import text_of
from tests.integration.hooks.calling import call_hook, sample_of, signed
from tests.platforms import SECRET

LIST = "/admin/referrals/source/"
ADD = f"{LIST}add/"
#: Of what `make_secret` makes.
MADE = re.compile(r'id="step-\d-secret">([\w-]{32})<')
JUST_CALLED = r"Last call \d+ \w+ ago"
NO_REFERRER = {"name": "INSTALL", "last_attributed_touch_data": {"~channel": "sms"}}
CUSTOM = {
    "name": "LEVEL_UP",
    "timestamp": 1795860301422,
    "user_data": {"developer_identity": "u-42", "idfv": "6F0D1C1E"},
    "last_attributed_touch_data": {"referringUserID": "u-7"},
}


@pytest.fixture
def app(db):
    return an_app("shop", name="Shop")


@pytest.fixture
def source(app):
    return a_source(app, "branch", name="Branch")


@pytest.fixture
def viewer(app):
    """The browser of somebody who may look at the app."""
    user = User.objects.create_user("vera", password="x", is_staff=True)
    Membership.objects.create(user=user, app=app, role=Role.VIEWER)
    browser = Client()
    browser.force_login(user)
    return browser


def page_of(source, name="change"):
    return f"{LIST}{source.pk}/{name}/"


def connect(browser, app, platform, **typed):
    form = {"app": app.pk, "platform": platform, **typed}
    return browser.post(f"{ADD}?platform={platform}", form)


def change(browser, source, **typed):
    """Save the page's form as a browser sends it, with some of it typed anew."""
    form = browser.get(page_of(source)).context["adminform"].form
    sent = {
        name: typed[name] if name in typed else form[name].value()
        for name in form.fields
    }
    return browser.post(page_of(source), {k: v for k, v in sent.items() if v})


def call(source, body=None, *, secret=SECRET):
    """Let the platform call, and have it counted; return the status."""
    clear_known_sources()
    made = (
        sample_of(source, secret=secret)
        if body is None
        else signed(source, body, secret=secret)
    )
    answer = call_hook(Client(), source, made)
    background.flush_counts()
    return answer.status_code


def seen_on(browser, address):
    """Return the page's text as somebody reads it."""
    main = re.sub(r"(?s).*<main|<script.*?</script>", "", text_of(browser.get(address)))
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", main)).split())


def test_without_a_source_the_list_has_the_next_step(admin, app):
    page = text_of(admin.get(LIST))

    assert "No source yet: no platform calls." in page
    assert f'<a href="{ADD}">Connect a platform</a>' in page


def test_every_platform_can_be_chosen_and_drafts_are_marked(admin, app):
    page = text_of(admin.get(f"{ADD}?app={app.pk}"))

    cards = re.findall(
        r'<a class="card" href="\?platform=(\w+)&amp;app=\d+">(.*)', page
    )
    assert [name for name, _ in cards] == list(PLATFORMS)
    drafts = {name for name, card in cards if ">draft<" in card}
    assert drafts == {name for name in PLATFORMS if load_preset(name).is_draft}


def test_connecting_branch_shows_a_secret_once_that_its_calls_pass_with(admin, app):
    response = connect(admin, app, "branch", name="Branch", identity="custom_id")

    source = Source.objects.get()
    (secret,) = MADE.findall(text_of(response))
    assert response.headers["Cache-Control"].startswith("no-store")
    assert (source.secret.reveal(), source.identity) == (secret, "")
    address = f"http://testserver/v1/hooks/{source.public_id}?id=${{(id)!}}&amp;deep"
    assert address in text_of(response)
    assert "X-Webhook-Secret" in text_of(response)
    for name in ("change", "connect"):
        assert secret not in text_of(admin.get(page_of(source, name)))
    for log in (LogEntry, Change):
        assert secret not in str(list(log.objects.values()))
    assert call(source, secret=secret) == 200
    assert ReferralEvent.objects.count() == 1


def test_the_wait_for_the_first_call_ends_with_what_became_of_it(admin, source):
    steps = page_of(source, "connect")
    assert "Waits for the first call" in seen_on(admin, steps)
    assert f'data-live-at="{steps}"' in text_of(admin.get(steps))

    call(source)

    page = seen_on(admin, steps)
    assert "Waits for" not in page
    assert "1 accepted" in page
    assert re.search(rf'light-good">{JUST_CALLED}<', text_of(admin.get(steps)))


def test_a_call_with_another_secret_is_explained_where_somebody_waits(admin, source):
    assert call(source, secret="another-secret") == 401

    page = seen_on(admin, page_of(source, "connect"))

    assert "Calls fail their check" in page
    assert "1 failed the check the secret is missing or wrong" in page
    assert "another-secret" not in page


def test_a_few_calls_of_strangers_among_good_ones_change_no_light(admin, source):
    call(source)
    lights = []
    for _ in range(3):
        call(source, secret="wrong")
        lights.append("light-bad" in text_of(admin.get(LIST)))

    assert lights == [False, False, True]
    call(source)
    assert "light-bad" not in text_of(admin.get(LIST))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_no_step_of_any_platform_is_left_unfilled_or_shows_its_secret(
    admin, app, platform
):
    source = a_source(app, platform)

    steps = text_of(admin.get(page_of(source, "connect")))
    page = text_of(admin.get(page_of(source)))

    assert not re.findall(r"\{(?:url|address|secret|header)\}", steps)
    assert SECRET not in steps + page
    path = f"http://testserver/v1/hooks/{source.public_id}"
    assert path in steps
    masked = f"{path}/…" if source.preset.has_secret_in_url else path
    assert f"<code>{masked}</code>" in page


def test_adjusts_address_has_the_secret_in_it_once(admin, app):
    response = connect(admin, app, "adjust", name="Adjust")

    source = Source.objects.get()
    path = f"/v1/hooks/{source.public_id}/"
    assert f"{path}{source.secret.reveal()}?kind={{activity_kind}}" in text_of(response)
    assert f"{path}…?kind={{activity_kind}}" in text_of(
        admin.get(page_of(source, "connect"))
    )


def test_a_platform_that_makes_the_secret_gets_its_url_first(admin, app):
    page = text_of(connect(admin, app, "getsocial", name="GetSocial"))
    source = Source.objects.get()
    assert f"http://testserver/v1/hooks/{source.public_id}" in page
    assert "No secret yet" in page
    assert (source.takes_marketing_links, source.preset.identity) == (
        True,
        "getsocial_id",
    )

    refused = admin.post(page_of(source, "connect"), {"secret": "  "})
    admin.post(page_of(source, "connect"), {"secret": f" {SECRET} "})

    assert "The secret is empty. Copy it from GetSocial, whole." in html.unescape(
        text_of(refused)
    )
    assert "Waits for the first call" in text_of(admin.get(page_of(source, "connect")))
    assert call(source) == 200


def test_segment_is_told_its_host_and_where_keys_are_made(admin, app):
    page = text_of(connect(admin, app, "segment", name="CDP"))

    source = Source.objects.get()
    assert '<code id="step-1-host">http://testserver/v1/segment</code>' in page
    assert f"/admin/referrals/apikey/add/?app={app.pk}" in page
    assert not source.secret
    shown = MADE.findall(text_of(admin.post(page_of(source, "secret"))))
    source.refresh_from_db()
    assert shown == [source.secret.reveal()]


def test_the_page_says_what_came_in_and_why_some_did_not(
    admin, source, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        call(source)
        call(source)
        call(source, NO_REFERRER)
        call(source, {**CUSTOM, "name": "INSTALL", "timestamp": 99})
        call(source, secret="wrong")
    background.flush_counts()

    page = seen_on(admin, page_of(source))

    assert "Calls 4 4 Accepted 1 1 Duplicates 1 1 Ignored 1 1 Refused 1 1" in page
    assert "Failed the check 1 1" in page
    assert "The call names nobody who invited" in page
    assert "What stands in occurred_at is no time" in page
    assert "custom_id 100 % 2 of 2 events" in page
    assert "Share without a referrer 33 % 33 %" in page
    chart = admin.get(page_of(source)).context["charts"][0]
    assert [count for _, _, count in chart.kinds] == [1, 1, 1, 1, 1]


def test_a_name_that_was_seen_is_taken_by_one_click(admin, source):
    call(source, CUSTOM)
    page = text_of(admin.get(page_of(source)))
    assert 'name="name" value="LEVEL_UP"' in page

    admin.post(page_of(source, "take"), {"name": "LEVEL_UP"}, follow=True)

    assert Source.objects.get().chosen_events == ["LEVEL_UP"]
    assert 'name="name" value="LEVEL_UP"' not in text_of(admin.get(page_of(source)))
    call(source, CUSTOM)
    assert ReferralEvent.objects.get().name == "LEVEL_UP"
    (recorded,) = Change.objects.filter(what="Changed.")
    assert recorded.differences == [["Events to take", history.EMPTY, "LEVEL_UP"]]


def test_a_kind_that_the_preset_leaves_out_can_be_taken_by_its_name(admin, source):
    admin.post(page_of(source, "take"), {"name": "OPEN"})

    assert Source.objects.get().chosen_events == ["OPEN"]
    form = admin.get(page_of(source)).context["adminform"].form
    assert "open" in form["takes"].value()


@pytest.mark.parametrize("name", ["", " ", "x" * 300, "App Install"])
def test_a_name_that_no_event_can_have_is_not_taken(admin, source, name):
    admin.post(page_of(source, "take"), {"name": name})

    assert Source.objects.get().chosen_events == []


def test_what_a_source_takes_is_changed_with_its_history(admin, source):
    form = admin.get(page_of(source)).context["adminform"].form
    assert form["takes"].value() == [
        *("install", "reinstall", "deep-linked open", "deep-linked web session"),
        "click",
    ]

    change(
        admin,
        source,
        name="Branch live",
        identity="email",
        takes=["install", "reinstall", "open"],
        custom_names="Level up\n\n LEVEL_UP \nPurchase",
        keys="invited_by\nlink.by",
        takes_marketing_links="on",
    )

    source.refresh_from_db()
    assert (source.name, source.identity) == ("Branch live", "email")
    assert source.left_out_events == [
        *("deep-linked open", "deep-linked web session", "click"),
    ]
    assert source.chosen_events == ["open", "Level up", "Purchase"]
    assert source.referrer_keys == ["invited_by", "link.by"]
    assert source.takes_marketing_links
    recorded = Change.objects.filter(what="Changed.").get()
    assert [name for name, _, _ in recorded.differences] == [
        *("Name", "User IDs are", "Referrer keys", "Events to take"),
        *("Custom names", "Marketing links"),
    ]


def test_saving_a_form_as_it_is_changes_nothing(admin, source):
    source.chosen_events, source.left_out_events = ["open", "Level up"], ["click"]
    source.referrer_keys, source.identity = ["by"], "email"
    source.save()
    before = Source.objects.values().get()

    assert change(admin, source).status_code == 302

    assert Source.objects.values().get() == before
    assert Change.objects.filter(what="Changed.").count() == 0


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"identity": "a b"}, "There can be no such identity provider."),
        ({"keys": "a..b"}, "Referrer key 1"),
        ({"custom_names": "App Install"}, "Event 1"),
        ({"name": "Other"}, "The app has a source of that platform and name already."),
    ],
)
def test_what_cannot_work_is_refused_with_a_sentence(
    admin, app, source, typed, sentence
):
    a_source(app, "branch", name="Other")
    before = Source.objects.values().get(pk=source.pk)

    response = change(admin, source, **typed)

    assert sentence in html.unescape(text_of(response))
    assert Source.objects.values().get(pk=source.pk) == before


def test_a_platform_of_ones_own_is_verified_as_a_person_says(admin, app):
    source = a_source(app, "custom")
    said = '{"is": "hmac", "header": "X-Sign", "encoding": "base64"}'

    assert change(admin, source, verified_by=said).status_code == 302

    source.refresh_from_db()
    assert source.verifier == {
        "is": "hmac",
        "header": "X-Sign",
        "digest": "sha256",
        "encoding": "base64",
        "prefix": "",
        "over": "body",
    }
    steps = seen_on(admin, page_of(source, "connect"))
    assert "sign each body with HMAC-SHA256 in the header X-Sign" in steps
    # The platform makes its secrets, or we do.
    response = admin.post(page_of(source, "connect"), {"secret": "the platform's own"})
    assert response.status_code == 302
    source.refresh_from_db()
    assert source.secret.reveal() == "the platform's own"
    assert call(source, secret="the platform's own") == 401
    made = sign_sample(
        read_preset_in_force(source), "the platform's own", now=timezone.now()
    )
    assert call_hook(Client(), source, made).status_code == 200
    response = admin.post(page_of(source, "secret"))
    source.refresh_from_db()
    assert source.secret.reveal() in text_of(response)
    assert change(admin, source).status_code == 302
    assert change(admin, source, verified_by="").status_code == 302
    source.refresh_from_db()
    assert source.verifier is None
    changes = Change.objects.filter(what="Changed.").values_list("differences")
    assert [[name for name, _, _ in each] for (each,) in changes] == [
        ["Verified by"],
        ["Verified by"],
    ]


def test_a_secret_that_svix_made_is_entered_where_ours_is_shown(admin, app):
    response = connect(admin, app, "standard_webhooks")

    source = Source.objects.get()
    page = text_of(response)
    assert source.secret.reveal() in page
    assert 'name="secret"' in page
    refused = admin.post(page_of(source, "connect"), {"secret": "whsec_!"})
    assert "it begins with whsec_" in html.unescape(text_of(refused))
    assert admin.post(page_of(source, "connect"), {"secret": SECRET}).status_code == 302
    assert call(source) == 200
    assert ReferralEvent.objects.count() == 1


def test_a_platform_whose_secret_is_ours_has_no_field_for_another(admin, source):
    assert 'name="secret"' not in text_of(admin.get(page_of(source, "connect")))

    admin.post(page_of(source, "secret"), {"secret": "chosen by a person"})

    source.refresh_from_db()
    assert source.secret.reveal() != "chosen by a person"


def test_a_secret_that_cannot_stand_in_an_address_is_told_of(admin, app):
    source = a_source(app, "custom")
    source_setup.set_secret("a test", source, Secret("a/b"))

    change(admin, source, verified_by='{"is": "url"}')

    assert "The secret stands in the address, so" in seen_on(admin, page_of(source))


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("{", "This is no JSON"),
        ('{"is": "magic"}', "Nothing can be verified like that"),
    ],
)
def test_a_verifier_that_is_none_is_refused_with_a_sentence(
    admin, app, typed, sentence
):
    source = a_source(app, "custom")

    response = change(admin, source, verified_by=typed)

    assert sentence in html.unescape(text_of(response))
    assert Source.objects.get().verifier is None


def test_a_second_source_of_a_platform_needs_a_name_of_its_own(admin, app, source):
    refused = connect(admin, app, "branch", name="")
    connect(admin, app, "branch", name="Test", is_test="on")

    assert "of that platform and name already" in text_of(refused)
    made = Source.objects.exclude(pk=source.pk).get()
    assert (made.name, made.is_test) == ("Test", True)


@pytest.mark.parametrize("typed", [{}, {"platform": "nobody"}])
def test_a_platform_that_nobody_knows_makes_no_source(admin, app, typed):
    response = admin.post(ADD, {"app": app.pk, **typed})

    assert response.status_code == 200
    assert not Source.objects.exists()


def test_a_source_whose_calls_hold_our_events_has_nothing_to_choose(admin, app):
    source = a_source(app, "standard_webhooks")

    form = admin.get(page_of(source)).context["adminform"].form
    change(admin, source, name="Gateway", is_test="on")

    assert list(form.fields) == ["name", "is_test"]
    source.refresh_from_db()
    assert (source.name, source.is_test) == ("Gateway", True)


def test_a_secret_is_rotated_with_both_live_until_the_old_one_is_ended(admin, source):
    (new,) = MADE.findall(text_of(admin.post(page_of(source, "secret"))))
    assert [call(source, secret=each) for each in (SECRET, new)] == [200, 200]
    page = seen_on(admin, page_of(source))
    rotated = Change.objects.get(what=source_setup.ROTATED).at
    assert f"Two are live since {words.format_utc(rotated)}" in page
    assert "End the old secret" in page

    admin.post(page_of(source, "end-secret"))

    assert [call(source, secret=each) for each in (SECRET, new)] == [401, 200]
    assert "End the old secret" not in text_of(admin.get(page_of(source)))


def test_a_secret_that_no_key_decrypts_is_named_and_can_be_replaced(
    admin, source, settings
):
    settings.FIELD_ENCRYPTION_KEYS = ["another-key"]
    assert "Secret unreadable" in seen_on(admin, LIST)
    assert "Put the key back" in seen_on(admin, page_of(source))

    (new,) = MADE.findall(text_of(admin.post(page_of(source, "secret"))))

    source.refresh_from_db()
    assert source.secret.reveal() == new
    assert "Waits for the first call" in seen_on(admin, page_of(source))


def test_an_archived_source_is_asked_about_and_then_answers_410(admin, source):
    asked = seen_on(admin, page_of(source, "archive"))
    assert "stops for good" in asked
    assert not Source.objects.get().archived_at

    admin.post(page_of(source, "archive"))

    assert call(source) == 410
    archived = Source.objects.get()
    assert not archived.secret
    page = text_of(admin.get(page_of(source)))
    assert "Its address answers 410, for good." in page
    assert 'type="submit"' not in page.partition("<main")[2]
    for name in ("secret", "end-secret", "take", "archive", "connect"):
        assert admin.post(page_of(source, name)).status_code in {403, 404}
    assert admin.post(page_of(source), {"name": "x"}).status_code == 403


def test_the_list_says_how_each_source_stands(admin, app):
    now = timezone.now()
    a_source(app, "branch", name="waiting")
    theirs, silent, busy, archived = (
        a_source(app, "branch", name=name)
        for name in ("theirs", "silent", "busy", "archived")
    )
    Source.objects.filter(pk=theirs.pk).update(secret="")
    old = now - timedelta(days=3)
    Source.objects.filter(pk=silent.pk).update(first_call_at=old)
    Source.objects.filter(pk=archived.pk).update(archived_at=now)
    call(busy)

    page = seen_on(admin, LIST)

    for name, word in (
        ("waiting", "Waits for the first call"),
        ("theirs", "No secret yet"),
        ("silent", "Silent for 3 days"),
        ("busy", JUST_CALLED),
        ("archived", "Archived"),
    ):
        assert re.search(rf"{name} {word} \d Shop Branch Production", page), name
    assert re.search(rf"busy {JUST_CALLED} 1 Shop", page)
    found = seen_on(admin, f"{LIST}?q={busy.public_id}")
    assert ("busy" in found, "silent" in found) == (True, False)
    exported = text_of(admin.get(f"{LIST}export/"))
    assert len(exported.splitlines()) == 6
    assert SECRET not in exported


def test_thirty_sources_cost_the_list_no_more_than_one(admin, app):
    def read():
        with CaptureQueriesContext(connection) as queries:
            admin.get(LIST)
        return len(queries)

    a_source(app, "branch", name="0")
    one = read()
    for number in range(29):
        a_source(app, "branch", name=f"{number + 1}")

    assert read() == one


def test_a_viewer_sees_state_and_counts_and_no_button(viewer, source):
    call(source)
    call(source, CUSTOM)

    page = text_of(viewer.get(page_of(source)))
    steps = text_of(viewer.get(page_of(source, "connect")))

    main = page.partition("<main")[2]
    assert not re.findall(r'<button|type="submit"|<textarea', main)
    assert "install, reinstall, deep-linked open" in page
    assert "LEVEL_UP" in page
    assert "<form" not in steps.partition("<main")[2]
    assert viewer.get(ADD).status_code == 403
    for name in ("secret", "end-secret", "take", "archive", "connect", "change"):
        assert viewer.post(page_of(source, name)).status_code == 403


REFUSED = {
    "custom": (
        {"type": "app_open", "id": "1", "referrer_id": "u-7", "timestamp": "x"},
        "Say in the mapping how the platform writes the time of occurred_at.",
    ),
    "standard_webhooks": (
        {"data": {"type": "web_sign_up", "occurred_at": "27.11.2026"}},
        "Send occurred_at as RFC 3339 with an offset, or as Unix seconds.",
    ),
    "cloudevents": (
        {
            "specversion": "1.0",
            "id": "1",
            "source": "shop",
            "type": "signed-up",
            "data": {
                "type": "web_sign_up",
                "occurred_at": 1795860301,
                "user": {"identities": {"email": "ann@example.com"}},
            },
        },
        "Name who invited the user in referrer",
    ),
}


@pytest.mark.parametrize("platform", REFUSED)
def test_a_refusal_is_corrected_where_the_event_is_made(
    admin, app, platform, django_capture_on_commit_callbacks
):
    source = a_source(app, platform)
    body, remedy = REFUSED[platform]

    with django_capture_on_commit_callbacks(execute=True):
        assert call(source, body, secret=source.secret.reveal()) == 200
    background.flush_counts()

    assert remedy in seen_on(admin, page_of(source))


def test_whoever_waits_for_the_first_call_can_send_a_sample(admin, viewer, source):
    sample = f'href="/admin/sources/{source.pk}/sample/"'

    assert sample in admin.get(page_of(source, "connect")).content.decode()
    assert sample not in viewer.get(page_of(source, "connect")).content.decode()


def test_the_pages_around_a_source_lead_back_to_it_and_on_to_the_events(admin, source):
    back = f'<a href="{page_of(source)}">Shop: Branch</a>'
    for name in ("mapping", "sample"):
        page = text_of(admin.get(f"/admin/sources/{source.pk}/{name}/"))
        assert f'<a href="{LIST}">Sources</a> &rsaquo; {back}' in page, name

    assert '<a href="/admin/events/?app=shop">' in text_of(admin.get(page_of(source)))


def test_segments_page_names_the_address_that_sdks_have(admin, app):
    source = a_source(app, "segment", name="CDP")

    page = seen_on(admin, page_of(source))

    assert "SDKs send to http://testserver/v1/segment , the webhook" in page
    assert "It is called at" not in page


def test_what_the_log_refuses_of_a_source_is_for_its_owner_to_mend(
    admin, source, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        call(source, {**CUSTOM, "name": "INSTALL", "timestamp": 99})
    background.flush_counts()

    assert "RFC 3339" not in seen_on(admin, page_of(source))
    page = seen_on(admin, "/admin/ingest/")
    assert "Correct what the mapping makes of such a call" in page
    assert "RFC 3339" not in page
    linked = f'<a href="{page_of(source)}">Branch</a> · <code>bad_time</code>'
    assert linked in text_of(admin.get("/admin/ingest/"))


def test_whoever_may_not_change_a_source_reads_what_holds(viewer, source):
    page = seen_on(viewer, page_of(source))

    for shown in (
        "Kind: Production",
        "User IDs are: custom_id",
        "Marketing links: Ignored",
    ):
        assert shown in page
    assert "icon-no" not in text_of(viewer.get(page_of(source)))


def test_a_sample_without_a_secret_leads_to_the_steps(admin, app):
    source = a_source(app, "getsocial", name="GetSocial")
    Source.objects.update(secret="")

    page = text_of(admin.post(f"/admin/sources/{source.pk}/sample/", {"number": "0"}))

    assert "GetSocial makes it: copy it from there" in page
    assert f'<a href="{page_of(source, "connect")}">To the steps</a>' in page


def test_a_source_of_a_later_version_is_shown_and_can_be_archived(admin, source):
    Source.objects.filter(pk=source.pk).update(platform="later")
    own = [page_of(source, name) for name in ("change", "connect", "archive")]
    others = ("mapping/", "mapping/?as=json", "sample/")
    own += [f"/admin/sources/{source.pk}/{name}" for name in others]

    answers = [admin.get(page) for page in (LIST, f"{LIST}export/", *own)]
    admin.post(page_of(source, "archive"))

    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert "later, which this version does not know" in text_of(answers[0])
    source.refresh_from_db()
    assert source.archived_at
