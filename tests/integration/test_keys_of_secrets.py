"""Keys of `FIELD_ENCRYPTION_KEYS` that are gone, and keys that are rotated."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.apps import apps
from django.core.management import call_command
from django.core.management.base import CommandError, SystemCheckError

from clevertap_sync import key_rotation
from clevertap_sync.key_rotation import encrypt_with_newest_key, read_secrets
from clevertap_sync.models import Alert, AlertMedium, Integration
from referrals import hashing, log, source_setup
from referrals.hooks.known_sources import clear_known_sources
from referrals.models import App, HashKey, ReferralEvent
from referrals.secret import Secret
from tests import builders
from tests.conftest import HASH_KEYS, HASH_KEYS_AS_ROWS
from tests.integration.hooks.calling import call_hook, sample_of
from tests.integration.threads import Worker
from tests.platforms import OLD_SECRET, SECRET

OLDEST, OLD, NEW = "oldest-" * 20, "old-" * 20, "new-" * 20


@pytest.fixture
def _saved_with_the_old_key(db, settings):
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    integration = builders.an_integration(builders.an_app(slug="shop"))
    integration.passcode = Secret("canary-passcode")
    integration.save()


@pytest.mark.usefixtures("_saved_with_the_old_key")
def test_a_passcode_without_its_key_is_found_by_its_integration(settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    with pytest.raises(SystemCheckError) as caught:
        call_command("check", databases=["default"])

    assert "(clevertap_sync.E005)" in str(caught.value)
    assert f"decrypts the passcode of {Integration.objects.get()}." in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.usefixtures("_saved_with_the_old_key")
def test_a_passcode_without_its_key_has_no_end_to_recognise_it_by(settings):
    readable = Integration.objects.get().passcode.hint()
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    assert (readable, Integration.objects.get().passcode.hint()) == ("••••de", "••••")


@pytest.mark.usefixtures("_saved_with_the_old_key")
def test_a_rotated_key_still_reads_it(settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]

    call_command("check", databases=["default"])

    assert Integration.objects.get().passcode.reveal() == "canary-passcode"


@pytest.mark.usefixtures("_saved_with_the_old_key")
def test_without_the_option_the_database_is_not_asked(
    settings, django_assert_num_queries
):
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    with django_assert_num_queries(0):
        call_command("check")


def test_a_source_without_its_key_is_busy_and_both_are_found(db, client, settings):
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    source = builders.a_source(builders.an_app(slug="shop"), "growsurf")
    call = sample_of(source)
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    answer = call_hook(client, source, call)
    with pytest.raises(SystemCheckError) as caught:
        call_command("check", databases=["default"])

    assert (answer.status_code, answer.content) == (503, b"")
    assert f"the secret of {source}" in str(caught.value)
    assert f"the key of {source.app.id_key}" in str(caught.value)


SECRETS = ["passcode", "address", "signing secret", "heartbeat address"]


@pytest.fixture
def everything_with_the_old_key(db, settings):
    """Every secret that there is, of rows that are archived and switched off."""
    settings.FIELD_ENCRYPTION_KEYS = [OLD, OLDEST]
    app = builders.an_app(slug="shop")
    integration = builders.an_integration(app)
    integration.passcode = Secret("canary-passcode")
    integration.archived_at = datetime.now(UTC)
    integration.save()
    Alert.objects.create(
        name="Growth team",
        app=app,
        enabled=False,
        way=AlertMedium.WEBHOOK,
        url="https://canary.example.com",
        signing_secret="canary-signing",
        heartbeat_url="https://canary.example.com/ping",
    )


def revealed():
    alert = Alert.objects.get()
    secrets = (alert.url, alert.signing_secret, alert.heartbeat_url)
    passcode = Integration.objects.get().passcode
    return [secret.reveal() for secret in (passcode, *secrets)]


def rotate(*options):
    out, err = StringIO(), StringIO()
    try:
        call_command("rotate_keys", *options, stdout=out, stderr=err)
    except SystemExit as ending:
        return ending.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.mark.usefixtures("everything_with_the_old_key")
def test_every_kind_of_secret_is_found_without_its_key(settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    with pytest.raises(SystemCheckError) as caught:
        call_command("check", databases=["default"])
    status, _, errors = rotate()

    found = [line for line in errors.splitlines() if line]
    assert status == 1
    assert [line.partition(" of ")[0] for line in found] == [
        f"No key decrypts the {name}" for name in SECRETS
    ]
    assert all(f"the {name} of " in str(caught.value) for name in SECRETS)
    assert "canary" not in errors + str(caught.value)


@pytest.mark.usefixtures("everything_with_the_old_key")
def test_after_rotating_the_newest_key_is_enough(settings):
    before = revealed()
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD, OLDEST]

    assert rotate("--check")[0] == 1
    status, said, _ = rotate()
    assert rotate("--check") == (0, *rotate("--check")[1:])

    assert status == 0
    assert said.splitlines() == [
        "Encrypted again with the newest key: 4.",
        (
            "Key 1 of 3 (newest): address of an alert (1); heartbeat address of an alert "
            "(1); passcode of an integration (1); signing secret of an alert (1); what is "
            "saved from now on."
        ),
        "Key 2 of 3: nothing. It can be taken out of the list.",
        "Key 3 of 3 (oldest): nothing. It can be taken out of the list.",
    ]
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert revealed() == before


def test_after_rotating_a_sources_calls_are_the_same_events(db, client, settings):
    settings.FIELD_ENCRYPTION_KEYS = [OLD, OLDEST]
    source = builders.a_source(builders.an_app(slug="shop"), "branch")
    source_setup.set_secret("ann", source, Secret(OLD_SECRET))
    install = sample_of(source)
    # Nothing but the hash of its device makes its id.
    assert call_hook(client, source, install).status_code == 200
    before = list(ReferralEvent.objects.values())
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD, OLDEST]

    status, said, _ = rotate()

    assert status == 0
    # Two secrets, and the key of the ids.
    assert said.splitlines()[0] == "Encrypted again with the newest key: 3."
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    for secret in (SECRET, OLD_SECRET):
        clear_known_sources()
        again = sample_of(source, secret=secret)
        assert call_hook(client, source, again).status_code == 200
    assert len(before) == 1
    assert list(ReferralEvent.objects.values()) == before


@pytest.mark.usefixtures("everything_with_the_old_key")
def test_looking_changes_nothing(settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD, OLDEST]
    before = [secret.ciphertext for secret in read_secrets()]

    rotate("--check")

    assert [secret.ciphertext for secret in read_secrets()] == before


@pytest.mark.usefixtures("everything_with_the_old_key")
def test_what_a_person_saves_meanwhile_stays(settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD, OLDEST]
    old = next(read_secrets())
    Integration.objects.update(passcode=Secret("a-newer-one"))

    assert not encrypt_with_newest_key(old)
    assert Integration.objects.get().passcode.reveal() == "a-newer-one"


@pytest.mark.django_db(transaction=True)
def test_secrets_are_rotated_one_after_the_other_while_others_write(
    settings, monkeypatch
):
    monkeypatch.setattr(key_rotation, "_CHUNK", 1)
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    app = builders.an_app(slug="shop")
    builders.a_source(app, "growsurf")
    builders.a_source(app, "growsurf", name="another")
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]

    for secret in read_secrets():
        Worker(lambda: App.objects.update(slug="store")).finish()
        assert encrypt_with_newest_key(secret)

    assert {each.key for each in read_secrets()} == {0}


@pytest.mark.usefixtures("everything_with_the_old_key")
def test_a_lost_secret_does_not_keep_the_others_from_being_rotated(settings):
    settings.FIELD_ENCRYPTION_KEYS = [OLDEST]
    Integration.objects.update(passcode=Secret("by the oldest"))
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLDEST]

    status, said, _ = rotate()

    assert (status, said.splitlines()[0][-2:]) == (1, "1.")
    assert Integration.objects.get().passcode.reveal() == "by the oldest"


def test_one_key_is_the_newest_and_the_oldest(db, settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    assert (
        rotate()[1].splitlines()[1]
        == "Key 1 of 1 (newest, oldest): what is saved from now on."
    )


@pytest.fixture
def _hash_keys_with_the_old_key(db, settings):
    """Let the migration make the keys of hashes, and this process know none of them."""
    settings.FIELD_ENCRYPTION_KEYS = [OLD, OLDEST]
    HASH_KEYS_AS_ROWS.store_keys(apps, None)
    hashing.clear_keys()
    yield
    hashing.remember_keys(HASH_KEYS)


@pytest.fixture
def app_of_a_new_process(_hash_keys_with_the_old_key):
    """An app that has an event; the process does not know the keys of the hashes any more."""
    app = builders.an_app()
    log.append(app, [builders.a_sent_event(id="k")])
    hashing.clear_keys()
    return app


def test_once_rotated_no_hash_hangs_on_an_old_key(app_of_a_new_process, settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD, OLDEST]
    said = rotate()[1]
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    (result,) = log.append(app_of_a_new_process, [builders.a_sent_event(id="k")])

    assert result.status is log.Status.DUPLICATE
    assert said.splitlines() == [
        "Encrypted again with the newest key: 3.",
        "Key 1 of 3 (newest): key of a kind of hashes (3); what is saved from now on.",
        "Key 2 of 3: nothing. It can be taken out of the list.",
        "Key 3 of 3 (oldest): nothing. It can be taken out of the list.",
    ]


def test_a_process_reads_the_keys_of_hashes_once(
    app_of_a_new_process, django_assert_num_queries
):
    with django_assert_num_queries(1):
        made = {hashing.make_identity_hasher(1)("email", "ann") for _ in range(2)}
        hashing.make_fingerprinter(1)
        hashing.make_signal_hasher(2)

    assert len(made) == 1


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("all", "No key in FIELD_ENCRYPTION_KEYS decrypts the keys of the hashes."),
        ("none", "There is no key of the hashes of fingerprint, identity, signal"),
    ],
)
def test_without_the_keys_of_hashes_nothing_is_taken_and_the_caller_comes_again(
    app_of_a_new_process, client, settings, rows, said
):
    key = builders.an_api_key(app_of_a_new_process)
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    if rows == "none":
        HashKey.objects.all().delete()

    answer = client.post(
        "/v1/events",
        builders.a_sent_event(id="new"),
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    readiness = client.get("/readyz")

    assert (answer.status_code, ReferralEvent.objects.count()) == (503, 1)
    assert readiness.status_code == 503
    assert said in readiness.json()["detail"]


@pytest.mark.usefixtures("_hash_keys_with_the_old_key")
def test_a_lost_key_of_hashes_is_named_and_cannot_be_entered(settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    status, _, errors = rotate()

    assert status == 1
    assert errors.splitlines() == [
        f"No key decrypts the key of hashes of {what}. Put the key that it was saved with "
        "back into the list."
        for what in ("events", "signals", "identities")
    ]


def test_lost_keys_of_hashes_are_replaced_on_order_alone(
    app_of_a_new_process, settings
):
    settings.FIELD_ENCRYPTION_KEYS = [NEW]

    status, said, _ = rotate("--replace-lost-hash-keys")
    again = rotate("--replace-lost-hash-keys")[1]
    (result,) = log.append(app_of_a_new_process, [builders.a_sent_event(id="k")])

    assert status == 0
    assert said.splitlines()[0] == "New keys of hashes: 3."
    assert "erase again whoever was erased" in said
    assert again.splitlines()[0] == "New keys of hashes: 0."
    assert result.status is log.Status.CONFLICT
    with pytest.raises(CommandError, match="--check changes nothing"):
        call_command("rotate_keys", "--check", "--replace-lost-hash-keys")


def test_a_readable_key_of_hashes_is_never_replaced(app_of_a_new_process, settings):
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD, OLDEST]

    said = rotate("--replace-lost-hash-keys")[1]
    (result,) = log.append(app_of_a_new_process, [builders.a_sent_event(id="k")])

    assert said.splitlines()[0] == "New keys of hashes: 0."
    assert result.status is log.Status.DUPLICATE
