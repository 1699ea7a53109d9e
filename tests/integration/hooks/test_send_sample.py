"""Samples: signed calls of ours to a source's own hook, and what is told of them."""

import io

import pytest
from django.core.management import CommandError, call_command

from referrals import source_setup
from referrals.hooks import calling, known_sources
from referrals.hooks.send_sample import SampleError, send_sample
from referrals.models import Source
from referrals.secret import Secret
from referrals.sources.presets import PLATFORMS, load_preset
from tests import builders
from tests.harness.process import free_port
from tests.integration.hooks.calling import call_hook, events_of, sample_of

pytestmark = pytest.mark.django_db

#: What becomes of samples of events that nobody has chosen, or that tell of nothing.
WORDS = {
    ("branch", 2): ["Ignored"],
    ("appsflyer", 2): ["Ignored"],
    ("adjust", 2): ["Ignored"],
    ("segment", 1): ["Accepted", "Ignored"],
}


@pytest.fixture
def branch(app):
    return builders.a_source(app, "branch")


def run(source, *options):
    out = io.StringIO()
    call_command("send_sample", source.public_id, *options, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("platform", "number"),
    [(p, n) for p in PLATFORMS for n in range(len(load_preset(p).samples))],
)
def test_every_sample_of_every_platform_is_taken(app, platform, number):
    source = builders.a_source(app, platform)

    answer = send_sample(source, number)

    assert answer.trouble == ""
    assert answer.title == source.preset.samples[number].title
    words = WORDS.get((platform, number), ["Accepted"])
    assert [each.word for each in answer.items] == words
    events = events_of(app)
    assert [each.position for each in answer.items if each.position] == [
        *range(1, len(events) + 1)
    ]
    assert all(each.test for each in events)
    assert all(each.id.startswith("sample.") for each in events)


def test_a_sample_is_another_event_each_time_and_never_one_of_the_platforms(
    client, app, branch
):
    first, second = send_sample(branch), send_sample(branch)
    call_hook(client, branch, sample_of(branch))

    assert [answer.items[0].position for answer in (first, second)] == [1, 2]
    assert [event.test for event in events_of(app)] == [True, True, False]


def test_it_is_not_the_first_call(branch):
    send_sample(branch)

    branch.refresh_from_db()
    assert branch.first_call_at is None


def test_it_goes_through_the_hook_itself(branch, monkeypatch):
    asked = []
    answer = calling.call_within

    def note(path, call):
        asked.append((path, answer(path, call)))
        return asked[-1][1]

    monkeypatch.setattr("referrals.hooks.send_sample.call_within", note)

    send_sample(branch)

    assert asked == [(f"/v1/hooks/{branch.public_id}", 200)]


def test_a_kind_that_is_not_chosen_is_ignored_and_says_what_to_do(branch):
    answer = send_sample(branch, 2)

    (item,) = answer.items
    assert (item.word, item.position) == ("Ignored", None)
    assert item.detail == (
        "The source does not take events of this kind. Choose the event "
        '"Subscription Started" to take it.'
    )


def test_a_mapping_of_its_own_decides(app):
    mapping = load_preset("branch").mapping
    event = mapping["event"] | {"user.id": "user_data"}
    source = builders.a_source(app, "branch", mapping={**mapping, "event": event})

    (item,) = send_sample(source).items

    assert (item.word, item.is_refused) == ("Refused", True)
    assert item.detail.startswith(
        "/user/identities/custom_id: What should be an identity"
    )


def test_without_a_secret_it_says_where_to_get_one(app):
    source = Source(app=app, platform="dub")
    source_setup.create_source("ann", source)

    with pytest.raises(SampleError, match=r"has no secret yet.* Dub .*makes it"):
        send_sample(source)


def test_a_new_secret_works_at_once(branch):
    known_sources.find_source(branch.public_id)
    source_setup.set_secret("ann", branch, Secret("a-new-secret-of-somebody"))
    source_setup.end_previous_secret("ann", branch)

    assert send_sample(branch).items[0].word == "Accepted"


def test_an_archived_source(branch):
    source_setup.archive_source("ann", branch)

    with pytest.raises(SampleError, match="archived: its address answers 410"):
        send_sample(branch)


@pytest.mark.parametrize("number", [3, -1, 10**20])
def test_a_sample_that_there_is_not(branch, number):
    with pytest.raises(SampleError, match=r"It has: 0 \(install\), 1 \(click\), 2"):
        send_sample(branch, number)


def test_a_secret_that_no_key_decrypts(branch, settings):
    settings.FIELD_ENCRYPTION_KEYS = ["another key, of which nobody knows anything"]

    with pytest.raises(SampleError, match="FIELD_ENCRYPTION_KEYS"):
        send_sample(Source.objects.get())


def test_behind_a_proxy_that_ends_https(branch, settings):
    settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.ALLOWED_HOSTS = [".example.com"]

    assert send_sample(branch).items[0].position == 1


@pytest.mark.parametrize(
    ("hosts", "url", "expected"),
    [
        (["*"], "", "localhost"),
        ([".example.com", "b.example"], "", "example.com"),
        (["b.example"], "https://a.example:8443", "a.example:8443"),
    ],
)
def test_by_which_name_it_calls_itself(settings, hosts, url, expected):
    settings.ALLOWED_HOSTS, settings.PUBLIC_URL = hosts, url

    assert calling.find_host() == expected


class TestByHttp:
    """A server that answers for the hook; on the tests' own database, by its thread."""

    @pytest.mark.parametrize(
        "platform", ["branch", "adjust", "dub", "standard_webhooks"]
    )
    @pytest.mark.django_db(transaction=True)
    def test_a_server(self, app, platform, live_server):
        source = builders.a_source(app, platform)

        answer = send_sample(source, url=live_server.url)

        assert (answer.trouble, answer.items[0].position) == ("", 1)

    @pytest.mark.django_db(transaction=True)
    def test_a_server_with_another_secret_is_told_from_a_check_that_failed(
        self, branch, live_server
    ):
        other = Source.objects.get(pk=branch.pk)
        other.secret = Secret("of-another-installation")

        assert send_sample(other, url=live_server.url).trouble.startswith(
            "The hook refused it, though this process would verify it"
        )

    @pytest.mark.django_db(transaction=True)
    def test_a_redirect_is_not_followed(self, app, live_server):
        source = builders.a_source(app, "adjust")
        url = f"{live_server.url}/admin/nowhere?"

        assert send_sample(source, url=url).trouble == (
            "The hook answered 302. Its platform would take that for a failure."
        )

    def test_nobody_listens(self, branch):
        with pytest.raises(SampleError, match="does not answer"):
            send_sample(branch, url=f"http://127.0.0.1:{free_port()}")

    @pytest.mark.parametrize("url", ["file:///etc/passwd", "example.com", "https://"])
    def test_what_is_no_address(self, branch, url):
        with pytest.raises(SampleError, match="begins with http"):
            send_sample(branch, url=url)


class TestCommand:
    def test_it_tells_what_became_of_each_item(self, branch):
        assert run(branch) == (
            "Sample: install\nAccepted: A test event, at position 1.\n"
        )

    def test_another_number(self, branch):
        assert run(branch, "--number", "1").startswith("Sample: click\nAccepted:")

    def test_segment_needs_no_write_key(self, app):
        source = builders.a_source(app, "segment")

        assert "at position 1" in run(source)

    def test_what_cannot_be_sent(self, branch):
        source_setup.archive_source("ann", branch)

        with pytest.raises(CommandError, match="archived"):
            run(branch)

    def test_an_unknown_source_lists_those_that_there_are(self, branch):
        with pytest.raises(CommandError) as error:
            call_command("send_sample", "unknown\0")

        assert str(error.value) == (
            f"No source has this public ID. Sources: {branch.public_id} (Shop: Branch)."
        )

    def test_a_refused_event_fails(self, app):
        mapping = load_preset("branch").mapping
        event = mapping["event"] | {"user.id": "user_data"}
        source = builders.a_source(app, "branch", mapping={**mapping, "event": event})

        with pytest.raises(CommandError, match="Not everything"):
            run(source)
