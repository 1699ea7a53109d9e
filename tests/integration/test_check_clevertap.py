"""`manage.py check_clevertap`: the admin's check on the command line."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from referrals import log
from tests.builders import an_account, an_app, an_integration
from tests.people import emails, installs_of, knows

pytestmark = pytest.mark.django_db


def test_good_credentials_are_said_to_be_good(sandbox):
    an_integration(an_app("shop"))
    output = StringIO()

    call_command("check_clevertap", "shop", stdout=output)

    expected = "CleverTap in Europe accepts the account ID and the passcode."
    assert output.getvalue() == (
        f"shop / default: {expected}\n"
        "  users: No event in the log names a user yet. Ask again when some events have "
        "arrived.\n"
    )
    assert sandbox.records() == []


def test_the_match_rate_is_told_by_each_identity_and_names_nobody(sandbox):
    integration = an_integration(an_app("shop"))
    people = emails(10)
    log.append(integration.app, installs_of(people))
    knows(sandbox, *people[:8])
    output = StringIO()

    call_command("check_clevertap", "shop", stdout=output)

    assert output.getvalue().splitlines()[1:] == [
        (
            "  users: CleverTap knows 8 of 10 recent users by email. Events are linked to "
            "the users whom it knows."
        ),
        "    email: 8 known, 2 not known, 0 without an answer",
        "    custom_id: 0 known, 10 not known, 0 without an answer",
    ]


def test_a_hold_for_the_users_sake_is_told(sandbox):
    an_integration(an_app("shop"), identities_confirmed_at=None, identities_unknown=10)
    output = StringIO()

    call_command("check_clevertap", "shop", stdout=output)

    assert "held: until a person confirms the users" in output.getvalue()


def test_a_passcode_that_expires_soon_is_told(sandbox):
    today = datetime.now(UTC).date()
    an_integration(an_app("shop"), passcode_expires_on=today + timedelta(days=9))
    an_integration(
        an_app("toys"),
        account=an_account(account_id="ABC-DEF-123Z"),
        passcode_expires_on=today - timedelta(days=1),
    )
    an_integration(
        an_app("void"),
        account=an_account(account_id="ABC-DEF-124Z"),
        passcode_expires_on=today + timedelta(days=30),
    )
    output = StringIO()

    with pytest.raises(SystemExit):
        call_command("check_clevertap", stdout=output)

    told = [line for line in output.getvalue().splitlines() if "passcode:" in line]
    assert [line.split(",")[0] for line in told[:1]] == [
        "  passcode: The passcode expires in 9 days"
    ]
    assert "The passcode expired on" in told[1]
    assert len(told) == 2


def test_bad_ones_are_explained_and_end_with_1(sandbox):
    an_integration(an_app("shop"), passcode="WRO-NG-PASS")
    output = StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("check_clevertap", stdout=output)

    assert ended.value.code == 1
    assert "refuses the passcode" in output.getvalue()
    assert "seen: HTTP 401: Invalid Credentials" in output.getvalue()
    assert "WRO-NG-PASS" not in output.getvalue()


@pytest.mark.parametrize(
    ("passcode", "keys", "said"),
    [
        ("", None, "No passcode was entered yet."),
        ("WRO-NG-PASS", ["another-key"], "No key in FIELD_ENCRYPTION_KEYS decrypts"),
    ],
    ids=["none", "unreadable"],
)
def test_without_a_readable_passcode_nobody_is_asked(
    sandbox, settings, passcode, keys, said
):
    an_integration(an_app("shop"), passcode=passcode)
    settings.FIELD_ENCRYPTION_KEYS = keys or settings.FIELD_ENCRYPTION_KEYS
    output = StringIO()

    with pytest.raises(SystemExit):
        call_command("check_clevertap", "shop", stdout=output)

    assert output.getvalue().startswith(f"shop / default: {said}")
    assert "WRO-NG-PASS" not in output.getvalue()
    assert sandbox.requests() == []


def test_an_app_without_integration_is_an_error():
    with pytest.raises(CommandError, match="There is no such integration"):
        call_command("check_clevertap", "nothing")
