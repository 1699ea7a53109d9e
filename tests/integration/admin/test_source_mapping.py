"""The pages of a source's mapping, of its captured call, and of samples."""

import html
import re

import msgspec
import pytest
from django.utils import timezone

from clevertap_sync.models import Integration, Upload
from referrals import source_setup
from referrals.hooks import capture, known_sources
from referrals.models import Change, IngestCount, ReferralEvent, Source
from referrals.sources.presets import load_preset
from tests import builders
from tests.integration.hooks.calling import call_hook, sample_of

pytestmark = pytest.mark.django_db

PRESET = load_preset("branch").mapping


@pytest.fixture
def source(integration):
    return builders.a_source(integration.app, "branch")


def text_of(response):
    """Return what the page's reader reads, with one blank where there is any."""
    page = re.sub(
        r"<style.*?</style>|<[^>]+>", " ", response.content.decode(), flags=re.DOTALL
    )
    return " ".join(html.unescape(page).split())


def address(source, page="mapping"):
    return f"/admin/sources/{source.pk}/{page}/"


def inputs_of(response):
    """Return what a browser would send of the page's form, without its buttons."""
    page = response.content.decode()
    form = page[page.index('id="mapping"') :]
    form = form[: form.index("</form>")]
    sent = {}
    for tag, attributes, inner in re.findall(
        r"<(input|textarea|select)\b([^>]*)>(?:(.*?)</\1>)?", form, re.DOTALL
    ):
        name = re.search(r'name="([^"]+)"', attributes)
        value = re.search(r'value="([^"]*)"', attributes)
        if name is None or "csrf" in name[1]:
            continue
        if tag == "select":
            chosen = re.search(r'value="([^"]*)" selected', inner)
            sent[name[1]] = html.unescape(chosen[1]) if chosen else ""
        elif tag == "textarea":
            sent[name[1]] = html.unescape(inner)
        elif 'type="hidden"' in attributes or 'type="text"' in attributes:
            sent[name[1]] = html.unescape(value[1] if value else "")
        elif "checked" in attributes:
            sent[name[1]] = html.unescape(value[1]) if value else "on"
    return sent


def post_json(browser, source, mapping, do="preview", **more):
    text = (
        mapping if isinstance(mapping, str) else msgspec.json.encode(mapping).decode()
    )
    sent = {"mode": "json", "text": text, "do": do, **more}
    return browser.post(address(source), sent)


def kept(source):
    return Source.objects.get(pk=source.pk).mapping


class TestShowing:
    def test_the_presets_mapping_beside_what_it_makes_of_a_sample(self, admin, source):
        response = admin.get(address(source))

        page = text_of(response)
        assert response.status_code == 200
        assert "It is the preset of Branch, unchanged." in page
        assert '"developer_identity": "u-42"' in page
        assert '"type": "app_install"' in page
        assert '"custom_id": "u-7"' in page

    def test_the_records_of_each_integration_of_the_app(self, admin, source):
        Source.objects.update(identity="email")

        page = text_of(admin.get(address(source)))

        assert f"{Integration.objects.get().name}, for the user who came" in page
        assert '"evtName": "Referred App Install"' in page
        assert '"evtName": "Generated App Install"' in page

    def test_another_sample_is_chosen(self, admin, source):
        page = text_of(admin.get(f"{address(source)}?example=sample-2"))

        assert "Ignored Subscription Started" in page
        assert "The source does not take events of this kind." in page

    def test_as_json(self, admin, source):
        sent = inputs_of(admin.get(f"{address(source)}?as=json"))

        assert msgspec.json.decode(sent["text"]) == PRESET

    @pytest.mark.parametrize("platform", ["branch", "adjust", "segment", "getsocial"])
    def test_a_form_that_is_saved_as_it_is_changes_nothing(
        self, admin, integration, platform
    ):
        source = builders.a_source(integration.app, platform)
        sent = inputs_of(admin.get(address(source)))
        changes = Change.objects.count()

        response = admin.post(address(source), {**sent, "do": "save"})

        assert response.status_code == 302
        assert kept(source) is None
        assert Change.objects.count() == changes

    def test_nothing_is_stored_and_nothing_counted(self, admin, source):
        sent = inputs_of(admin.get(address(source)))

        admin.post(address(source), {**sent, "do": "preview"})

        assert not ReferralEvent.objects.exists()
        assert not Upload.objects.exists()
        assert not IngestCount.objects.exists()
        assert kept(source) is None

    def test_a_mapping_that_was_good_once_is_shown_with_its_mistakes(
        self, admin, source
    ):
        Source.objects.update(mapping={"kind": "a", "unheard_of": 1})

        page = text_of(admin.get(address(source)))

        assert "/unheard_of A mapping has no such part." in page

    def test_a_secret_that_no_key_decrypts(self, admin, source, settings):
        settings.FIELD_ENCRYPTION_KEYS = ["another key, of which nobody knows anything"]

        page = text_of(admin.get(address(source)))

        assert "No key in FIELD_ENCRYPTION_KEYS decrypts" in page

    def test_no_secret_is_on_the_page(self, admin, source):
        page = admin.get(address(source)).content.decode()

        assert source.secret.reveal() not in page


class TestEditing:
    def test_the_preview_is_of_the_mapping_that_is_edited(self, admin, source):
        sent = inputs_of(admin.get(address(source)))
        changed = {
            name: "user_data.platform"
            if value == "user_data.developer_identity"
            else value
            for name, value in sent.items()
        }

        page = text_of(admin.post(address(source), {**changed, "do": "preview"}))

        assert '"custom_id": "IOS_APP"' in page
        assert kept(source) is None

    def test_a_change_is_saved_with_what_changed(self, admin, source):
        mapping = {**PRESET, "event": {**PRESET["event"], "user.id": "user_data.uid"}}

        response = post_json(admin, source, mapping, "save")

        assert response.status_code == 302
        assert kept(source) == mapping
        change = Change.objects.latest("pk")
        assert (change.by, change.what) == ("ann", "Changed.")
        assert change.differences == [
            ["Mapping /event/user.id", "user_data.developer_identity", "user_data.uid"]
        ]
        assert "has a mapping of its own" in text_of(admin.get(address(source)))

    def test_calls_follow_it(self, admin, client, source):
        kinds = {**PRESET["kinds"], "install": {"ignore": "own_act"}}
        post_json(admin, source, {**PRESET, "kinds": kinds}, "save")
        known_sources.clear_known_sources()

        call_hook(client, source, sample_of(source))

        assert not ReferralEvent.objects.exists()

    def test_the_presets_own_is_saved_as_none(self, admin, source):
        post_json(admin, source, {**PRESET, "id_prefix": "x"}, "save")

        post_json(admin, source, PRESET, "save")

        assert kept(source) is None

    def test_reset(self, admin, source):
        post_json(admin, source, {**PRESET, "id_prefix": "x"}, "save")

        response = admin.post(address(source), {"do": "reset", "mode": "json"})

        assert response.status_code == 302
        assert kept(source) is None
        assert Change.objects.latest("pk").differences == [
            ["Mapping /id_prefix", "x", "branch"]
        ]

    def test_from_the_form_to_json_and_back_keeps_what_was_typed(self, admin, source):
        sent = inputs_of(admin.get(address(source)))
        sent["part-id_prefix"] = "mine"

        as_json = inputs_of(admin.post(address(source), {**sent, "do": "json"}))
        as_form = inputs_of(admin.post(address(source), {**as_json, "do": "form"}))

        assert msgspec.json.decode(as_json["text"]) == {**PRESET, "id_prefix": "mine"}
        assert as_form == sent

    def test_what_no_form_can_say_stays_json(self, admin, source):
        mapping = {**PRESET, "kinds": {" install": {"type": "app_install"}}}

        response = post_json(admin, source, mapping, "form")

        assert 'name="text"' in response.content.decode()

    def test_a_mistake_in_a_row_stands_beside_it_above_and_where_previews_lead(
        self, admin, source
    ):
        sent = inputs_of(admin.get(address(source)))
        sent["rule-0"] = "a b..c"

        response = admin.post(address(source), {**sent, "do": "save"})

        page = text_of(response)
        assert "/event/id This is no path." in page
        assert page.count("This is no path.") == 3
        _, _, below = page.partition("Correct this, then preview it again: ")
        assert below.startswith("/event/id This is no path.")
        assert 'aria-invalid="true">a b..c</textarea>' in response.content.decode()
        assert kept(source) is None

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "This is no whole JSON"),
            ("[" * 60_000, "nested too deeply"),
            ("[]", "A mapping is an object of rules."),
            ('{"kinds": {"a": {"type": "x"}}}', "/kinds/a/type"),
            ('{"a": "\\u0000"}', "NUL"),
            ('{"kind": "a", "kind": "b"}', "/kind"),
            ('{"event": {"id": {"const": "' + "x" * 40_000 + '"}}}', "32 KB"),
            (
                '{"event": {' + ",".join(f'"f{n}": "a"' for n in range(99)) + "}}",
                "99 rules",
            ),
            ('{"event": {"id": ' + '{"first": [' * 300 + "]}" * 300 + "}}", "deep"),
            ("<script>alert(1)</script>", "This is no JSON"),
        ],
        ids=range(10),
    )
    def test_hostile_json_ends_in_sentences(self, admin, source, text, told):
        response = post_json(admin, source, text, "save")

        assert response.status_code == 200
        assert told in text_of(response)
        assert "<script>alert" not in response.content.decode()
        assert kept(source) is None

    def test_many_mistakes_are_counted(self, admin, source):
        mapping = {"kinds": {f"k{n}": {} for n in range(99)}}

        page = text_of(post_json(admin, source, mapping))

        assert "51 more." in page

    def test_an_archived_source_is_not_changed(self, admin, source):
        source_setup.archive_source("ann", source)

        post_json(admin, source, {**PRESET, "id_prefix": "x"}, "save")
        page = text_of(admin.get(address(source)))

        assert kept(source) is None
        assert "Save" not in page


@pytest.mark.parametrize(
    ("permissions", "method", "answer"),
    [
        ((), "get", 403),
        (("referrals.view_source",), "get", 200),
        (("referrals.view_source",), "post", 403),
        (("referrals.change_source",), "get", 200),
        (("referrals.change_source",), "post", 200),
    ],
)
def test_who_may_see_and_who_may_change(staff, source, permissions, method, answer):
    browser = staff(*permissions)

    assert getattr(browser, method)(address(source)).status_code == answer


class TestCapture:
    def test_it_is_switched_on_for_an_hour_and_off_again(self, admin, source):
        page = text_of(admin.get(address(source)))
        assert "No call is kept." in page

        admin.post(address(source, "capture"), {"do": "start"})
        source.refresh_from_db()
        left = (source.capture_until - timezone.now()).total_seconds()
        assert 3500 < left <= 3600
        assert "the shape of the last call is kept" in text_of(
            admin.get(address(source))
        )

        admin.post(address(source, "capture"), {"do": "end"})
        source.refresh_from_db()
        assert source.capture_until is None

    def test_the_captured_call_is_shown_with_what_it_becomes(
        self, admin, client, source
    ):
        admin.post(address(source, "capture"), {"do": "start"})
        call_hook(client, source, sample_of(source))
        capture.write_captures()

        page = text_of(admin.get(address(source)))

        assert "The captured call" in page
        assert '"developer_identity": "text-' in page
        assert '"type": "app_install"' in page
        assert "u-42" not in page
        assert "203.0.113.7" not in page

    def test_an_archived_source_captures_nothing(self, admin, source):
        source_setup.archive_source("ann", source)

        admin.post(address(source, "capture"), {"do": "start"})

        source.refresh_from_db()
        assert source.capture_until is None


class TestSample:
    def test_an_accepted_one_leads_to_its_event(self, admin, source):
        assert "What became of it" not in text_of(admin.get(address(source, "sample")))

        response = admin.post(address(source, "sample"), {"number": "0"})

        assert "Accepted A test event, at position 1." in text_of(response)
        assert 'href="/admin/events/shop/1/"' in response.content.decode()
        assert ReferralEvent.objects.count() == 1

    def test_an_ignored_one_says_why(self, admin, source):
        response = admin.post(address(source, "sample"), {"number": "2"})

        assert "Ignored The source does not take events of this kind." in text_of(
            response
        )

    def test_any_number_ends_in_an_answer(self, admin, source):
        for number in ("", "x", "-1", "9" * 40, "1\0"):
            response = admin.post(address(source, "sample"), {"number": number})

            assert response.status_code == 200

    def test_what_cannot_be_sent_says_what_to_do(self, admin, integration):
        source = Source(app=integration.app, platform="dub")
        source_setup.create_source("ann", source)

        page = text_of(admin.post(address(source, "sample"), {"number": "0"}))

        assert "The source has no secret yet" in page
