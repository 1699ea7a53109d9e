"""An identity as it is typed, and the mask under which it is shown."""

import pytest

from referrals.identity import Identity, UnreadableIdentityError, parse_identity


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("email=ann@example.com", ("email", "ann@example.com")),
        ("custom_id=a=b", ("custom_id", "a=b")),
        ("custom_id= 42 ", ("custom_id", " 42 ")),
        ("Ärzte=Österreich", ("Ärzte", "Österreich")),
    ],
)
def test_the_value_is_taken_byte_for_byte(text, identity):
    assert parse_identity(text) == Identity(*identity)


@pytest.mark.parametrize(
    "text", ["", "=", "email", "email=", "email= ", "=secret", "a=sec\0ret", "a=\udc80"]
)
def test_what_is_no_identity_is_refused_and_not_repeated(text):
    with pytest.raises(UnreadableIdentityError) as caught:
        parse_identity(text)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("identity", "shown"),
    [
        (Identity("email", "ann@example.com"), "email=a•••"),
        (Identity("custom_id", "12345"), "custom_id=•••"),
        (Identity("ann@example.com", "1234567"), "•••=1•••"),
        (Identity("x" * 41, ""), "•••=•••"),
    ],
)
def test_it_is_shown_masked_however_it_is_printed(identity, shown):
    assert str(identity) == repr(identity) == f"{identity}" == shown
    assert repr([identity]) == f"[{shown}]"
