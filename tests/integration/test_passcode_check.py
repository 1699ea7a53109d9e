"""`check --database default` finds passcodes that were saved with a key that is gone."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from clevertap_sync.models import Integration
from clevertap_sync.secret import Secret
from tests import builders

OLD, NEW = "old-" * 20, "new-" * 20


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
    assert "decrypts the passcode of: shop/default." in str(caught.value)
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
