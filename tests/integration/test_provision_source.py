"""`manage.py provision_source`: what it makes, what it leaves alone, what it refuses."""

import io
import json
import sys
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from referrals.hooks.known_sources import clear_known_sources
from referrals.models import Change, IdKey, Source
from referrals.source_address import read_preset_in_force
from referrals.source_setup import archive_source
from referrals.sources.presets import PLATFORMS, load_preset
from referrals.sources.samples import sign_sample
from tests.builders import an_app
from tests.integration.hooks.calling import call_hook, sample_of
from tests.platforms import OLD_SECRET, SECRET

pytestmark = pytest.mark.django_db

THEIRS = [name for name in PLATFORMS if load_preset(name).secret == "theirs"]
IN_URL = [name for name in PLATFORMS if load_preset(name).has_secret_in_url]


@pytest.fixture
def app():
    return an_app("shop")


@pytest.fixture
def provision(app, monkeypatch):
    """Run the command; return its two outputs."""

    def run(*flags, platform="branch", slug="shop", stdin=None):
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
            flags = (*flags, "--secret-stdin")
        out, err = io.StringIO(), io.StringIO()
        given = (slug, f"--platform={platform}", *flags)
        call_command("provision_source", *given, stdout=out, stderr=err)
        return out.getvalue(), err.getvalue()

    return run


@pytest.fixture
def provision_json(provision):
    return lambda *flags, **options: json.loads(
        provision("--json", *flags, **options)[0]
    )


def refuse(provision, *flags, **options):
    """Return why the command refuses, having written nothing."""
    before = (list(Source.objects.values()), Change.objects.count())
    with pytest.raises(CommandError) as refused:
        provision(*flags, **options)
    assert (list(Source.objects.values()), Change.objects.count()) == before
    return str(refused.value)


def test_it_makes_a_source_that_takes_calls(provision_json, client):
    answer = provision_json()

    source = Source.objects.get()
    assert answer == {
        "source": source.public_id,
        "platform": "branch",
        "url": f"/v1/hooks/{source.public_id}",
        "secret": source.secret.reveal(),
        "header": "X-Webhook-Secret",
    }
    assert (source.name, source.is_test, source.app.slug) == ("Branch", False, "shop")
    assert IdKey.objects.get().app == source.app
    call = sample_of(source, secret=answer["secret"])
    assert call_hook(client, source, call).status_code == 200


def test_a_repeat_changes_nothing_and_shows_no_secret(provision_json):
    first = provision_json("--event", "Level Reached", "--test")
    stored = Source.objects.values().get()

    second = provision_json("--event", "Level Reached", "--test")

    assert "secret" not in second
    assert second == {name: first[name] for name in second}
    assert Source.objects.values().get() == stored
    assert Change.objects.filter(kind="source").count() == 1


@pytest.mark.parametrize("platform", IN_URL)
def test_a_secret_that_stands_in_the_url_is_shown_once(provision_json, platform):
    first, second = (provision_json(platform=platform) for _ in range(2))

    path = f"/v1/hooks/{first['source']}"
    assert first["url"] == f"{path}/{first['secret']}"
    assert first["header"] is None
    assert second == {
        "source": first["source"],
        "platform": platform,
        "url": f"{path}/…",
        "header": None,
    }


def test_segment_has_an_address_for_sdks_and_no_secret(provision_json):
    answer = provision_json(platform="segment")

    source = Source.objects.get()
    assert answer == {
        "source": source.public_id,
        "platform": "segment",
        "url": "/v1/segment",
        "header": None,
    }
    assert not source.secret


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_has_steps_without_a_gap(provision, platform, settings):
    settings.PUBLIC_URL = "https://referrals.example.com"

    text, _ = provision(platform=platform)

    source = Source.objects.get()
    assert f"https://referrals.example.com/v1/hooks/{source.public_id}" in text
    assert text.count("\n1. ") == 1
    for mark in ("{url}", "{address}", "{secret}", "{header}"):
        assert mark not in text


LOST = "Where it is lost, make a new one"


def test_a_secret_that_was_shown_before_is_said_to_be_lost_for_good(provision):
    first, _ = provision()
    second, _ = provision()
    other, _ = provision(platform="getsocial", stdin=SECRET)

    assert [LOST in each for each in (first, second, other)] == [False, True, False]


def test_whoever_rotates_is_told_to_end_the_old_secret(provision):
    first, _ = provision(platform="getsocial", stdin=OLD_SECRET)
    second, _ = provision(platform="getsocial", stdin=SECRET)

    assert "Two secrets are live" not in first
    assert "end the old one on the page of the source" in second


def test_the_steps_keep_the_braces_of_the_platform(provision):
    text, _ = provision()

    source = Source.objects.get()
    path = f"/v1/hooks/{source.public_id}"
    assert f"{path}?id=${{(id)!}}&deep_linked=${{(deep_linked)!}} as its URL" in text
    assert f"X-Webhook-Secret with the value {source.secret.reveal()}" in text
    assert "PUBLIC_URL" in text


@pytest.mark.parametrize("platform", THEIRS)
def test_a_secret_of_the_platforms_is_asked_for_until_it_is_there(provision, platform):
    text, first = provision(platform=platform)
    _, given = provision(platform=platform, stdin=f" {SECRET}\n")
    _, later = provision(platform=platform)

    assert f"provision_source shop --platform {platform} --secret-stdin." in first
    assert "Where a step says the field here, pipe the secret into this" in text
    assert (given, later) == ("", "")
    assert Source.objects.get().secret.reveal() == SECRET


def test_another_secret_is_accepted_beside_the_old_one(provision_json, client):
    provision_json(platform="dub", stdin=OLD_SECRET)
    answer = provision_json(platform="dub", stdin=SECRET)
    provision_json(platform="dub", stdin=SECRET)

    source = Source.objects.get()
    clear_known_sources()
    assert "secret" not in answer
    assert source.secret.reveal() == SECRET
    assert source.previous_secret.reveal() == OLD_SECRET
    for secret in (SECRET, OLD_SECRET):
        call = sample_of(source, secret=secret)
        assert call_hook(client, source, call).status_code == 200


def test_a_secret_that_no_key_decrypts_is_replaced(provision_json, settings):
    provision_json(platform="dub", stdin=OLD_SECRET)
    settings.FIELD_ENCRYPTION_KEYS = ["another key, under which nothing was stored"]

    provision_json(platform="dub", stdin=SECRET)

    source = Source.objects.get()
    assert source.secret.reveal() == SECRET
    assert not source.previous_secret


def test_what_is_not_said_stays(provision_json):
    provision_json(
        *("--identity", "email", "--referrer-key", "a", "--referrer-key", "b.c"),
        *("--event", "Level Reached", "--event", "level_reached", "--test"),
    )

    provision_json()

    source = Source.objects.get()
    assert (source.identity, source.referrer_keys) == ("email", ["a", "b.c"])
    assert (source.chosen_events, source.is_test) == (["Level Reached"], True)


def test_a_list_that_is_said_replaces_the_stored_one(provision_json):
    provision_json("--event", "A", "--event", "B", "--referrer-key", "a", "--test")
    provision_json("--event", "C", "--referrer-key", "b", "--no-test")

    source = Source.objects.get()
    assert (source.chosen_events, source.referrer_keys) == (["C"], ["b"])
    assert not source.is_test
    (change,) = Change.objects.filter(what="Changed.")
    assert change.by == "command line"
    assert change.differences == [
        ["Referrer keys", "a", "b"],
        ["Chosen events", "A, B", "C"],
        ["Test", "yes", "no"],
    ]


def test_an_empty_choice_gives_back_the_presets(provision_json):
    provision_json("--event", "A", "--referrer-key", "a", "--identity", "email")
    provision_json("--event", "", "--referrer-key", "", "--identity", "")

    source = Source.objects.get()
    assert (source.chosen_events, source.referrer_keys, source.identity) == ([], [], "")


def test_a_platform_of_ones_own_is_verified_as_it_says(provision_json, client):
    said = '{"is": "hmac", "header": "X-Sign", "digest": "sha512", "prefix": "v1="}'
    own = {"platform": "custom", "stdin": SECRET}

    answer = provision_json(f"--verifier={said}", **own)

    source = Source.objects.get()
    assert (answer["header"], "secret" in answer) == ("X-Sign", False)
    assert call_hook(client, source, sample_of(source)).status_code == 401
    signed = sign_sample(
        read_preset_in_force(source), SECRET, now=datetime.now(UTC), number=0
    )
    assert call_hook(client, source, signed).status_code == 200
    assert Change.objects.count() == 1
    assert provision_json(f"--verifier={said}", **own) == answer
    assert Change.objects.count() == 1
    assert provision_json("--verifier=", **own)["header"] == "X-Webhook-Secret"
    source.refresh_from_db()
    assert source.verifier is None


def test_each_way_to_verify_has_its_step(provision):
    steps = {
        '{"is":"basic"}': "Basic: any user, and the password",
        '{"is":"url"}': "which has the secret in it",
        '{"is":"url","parameter":"token"}': "?token=…, which has the secret in it",
        '{"is":"standard"}': "sign each call as Standard Webhooks or Svix has it, with",
        '{"is":"hmac","header":"X-S","over":"minified"}': (
            "sign each minified body with HMAC-SHA256 in the header X-S, with"
        ),
        '{"is":"timestamp","header":"X-S"}': "in the header X-S, as ts=…,v=…, with",
        '{"is":"header","header":"Authorization","prefix":"Bearer "}': (
            "with the header Authorization: Bearer …."
        ),
    }
    provision(platform="custom")
    for said, step in steps.items():
        out, _ = provision(f"--verifier={said}", platform="custom")
        assert step in out


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{", "--verifier is no JSON"),
        ("3", "Nothing can be verified like that"),
        ('{"is":"hmac"}', "missing required field `header`"),
        (
            '{"is":"hmac","header":"X","digest":"md5"}',
            "Nothing can be verified like that",
        ),
        ('{"is":"header","header":"a b"}', "A header's name has"),
        ('{"is":"header","header":"X","prefix":"a\\nb"}', "A prefix has at most"),
        ('{"is":"url","parameter":"a&b"}', "A parameter has at most"),
        ('{"is":"standard","tolerance":0}', "The tolerance is from 1"),
        ('{"is":"timestamp","header":"X","timestamp_key":"v"}', "two different words"),
    ],
)
def test_a_way_to_verify_that_cannot_be_is_refused(provision, said, why):
    assert why in refuse(provision, f"--verifier={said}", platform="custom")


def test_how_a_known_platform_signs_is_not_chosen(provision):
    reason = refuse(provision, '--verifier={"is":"basic"}')

    assert reason == "How calls of Branch are verified cannot be chosen."


def test_a_name_makes_a_source_of_its_own(provision_json):
    one, other, again = (
        provision_json(*flags) for flags in ([], ["--name=iOS"], ["--name= iOS "])
    )

    assert other["source"] == again["source"] != one["source"]
    assert set(Source.objects.values_list("name", flat=True)) == {"Branch", "iOS"}


def test_getsocial_takes_marketing_links(provision_json):
    provision_json(platform="getsocial")

    assert Source.objects.get().takes_marketing_links


def test_an_unknown_app_is_refused_with_the_known_ones(provision):
    assert refuse(provision, slug="sohp") == (
        "There is no app with this name. Apps: shop."
    )


def test_an_archived_app_is_refused(provision, app):
    app.archived_at = datetime.now(UTC)
    app.save()

    assert refuse(provision) == (
        "The app shop is archived: it takes no events any more."
    )


def test_an_archived_source_is_refused(provision):
    provision()
    archive_source("a test", Source.objects.get())

    assert refuse(provision, "--event", "A") == (
        "The source Branch is archived. Choose another name with --name."
    )


@pytest.mark.parametrize("is_new", [True, False], ids=["new", "there"])
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--identity", "my users"], "There can be no such identity provider. "),
        (["--identity", "x" * 51], "There can be no such identity provider. "),
        (["--referrer-key", "a", "--referrer-key", "b..c"], "Referrer key 2: "),
        (["--referrer-key", "a.*"], "Referrer key 1: A * takes all members"),
        ([f"--referrer-key=k{n}" for n in range(33)], "Name at most 32 keys."),
        ([f"--event=e{n}" for n in range(51)], "Choose at most 50 events; "),
        (["--event", "A", "--event", "x" * 256], "Event 2: A name has at most 255"),
        (["--event", "App Install"], "Event 1: This is the name of a built-in event"),
        (["--event", "a\nb"], "Event 1: A name has no line breaks"),
        (["--name", "x" * 101], "name: "),
    ],
)
def test_what_cannot_work_is_refused(provision, flags, said, is_new):
    if not is_new and "--name" not in flags:
        provision()

    assert refuse(provision, *flags).startswith(said)


def test_an_event_that_is_never_a_referral_is_refused(provision):
    assert refuse(provision, "--event", "AF_INVITE", platform="appsflyer") == (
        "Event 1 can never become a referral: it is what the referrer did, and no referral."
    )


@pytest.mark.parametrize("flag", ["--identity=email", "--referrer-key=a"])
def test_choices_that_a_platform_does_not_read_are_refused(provision, flag):
    said = refuse(provision, flag, platform="cloudevents")

    assert said.endswith("Leave --identity and --referrer-key out.")


def test_an_unknown_platform_is_refused_with_the_known_ones(provision):
    said = refuse(provision, platform="brnach")

    assert said.startswith("There is no platform 'brnach'. Use one of: branch, ")


@pytest.mark.parametrize(
    ("platform", "stdin", "said"),
    [
        ("dub", " \n", "No secret came on standard input."),
        ("adjust", "a/b", "The secret stands in the address"),
        ("standard_webhooks", "whsec_!", "The secret is none of Standard Webhooks"),
        ("dub", "a\nb", "The secret has blanks or a line end"),
    ],
)
def test_a_secret_that_cannot_be_one_is_refused_unseen(
    provision, platform, stdin, said
):
    refused = refuse(provision, "--event=A", platform=platform, stdin=stdin)

    assert refused.startswith(said)
    assert "a/b" not in refused


def test_a_bad_secret_leaves_the_other_choices_unwritten(provision):
    provision(platform="adjust")

    refuse(provision, "--event=A", platform="adjust", stdin="a/b")

    assert Source.objects.get().chosen_events == []
