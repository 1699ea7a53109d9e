"""`manage.py check_clevertap`: the admin's check on the command line."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from clevertap_sync.sandbox import Sandbox
from tests.builders import an_app, an_integration

pytestmark = pytest.mark.django_db


@pytest.fixture
def sandbox(settings):
    with Sandbox() as running:
        settings.CLEVERTAP_BASE_URL = running.template
        yield running


def test_good_credentials_are_said_to_be_good(sandbox):
    an_integration(an_app("shop"))
    output = StringIO()

    call_command("check_clevertap", "shop", stdout=output)

    expected = "CleverTap in Europe accepts the account ID and the passcode."
    assert output.getvalue() == f"shop / default: {expected}\n"
    assert sandbox.records() == []


def test_bad_ones_are_explained_and_end_with_1(sandbox):
    an_integration(an_app("shop"), passcode="WRO-NG-PASS")
    output = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("check_clevertap", stdout=output)

    assert ended.value.code == 1
    assert "refuses the passcode" in output.getvalue()
    assert "seen: HTTP 401: Invalid Credentials" in output.getvalue()
    assert "WRO-NG-PASS" not in output.getvalue()


def test_an_app_without_integration_is_an_error():
    with pytest.raises(CommandError, match="There is no such integration"):
        call_command("check_clevertap", "nothing")
