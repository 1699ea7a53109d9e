"""What a command says of arguments that it cannot read: never the argument."""

import pytest
from django.core.management import get_commands, load_command_class

from referrals.management.arguments import DiscreetCommand, hide_arguments

SECRET = "ABC-DEF-GHIJ"
OURS = ("clevertap_sync", "referrals")


@pytest.mark.parametrize(
    "message",
    [
        f"unrecognized arguments: --passcode {SECRET}",
        f"ambiguous option: --p={SECRET} could match --passcode-stdin, --print",
        f"argument --letter: invalid int value: '{SECRET}\n'",
        f"argument --format: invalid choice: '{SECRET}' (choose from 'csv')",
        f"argument --json: ignored explicit argument '{SECRET}'",
    ],
)
def test_what_was_typed_is_not_repeated(message):
    assert SECRET not in hide_arguments(message)


@pytest.mark.parametrize(
    "message",
    [
        "the following arguments are required: app, --location",
        "argument --location: expected one argument",
    ],
)
def test_what_is_missing_is_named(message):
    assert hide_arguments(message) == message


def test_the_option_with_a_wrong_value_is_named():
    said = hide_arguments("argument --letter: invalid int value: 'x'")

    assert said == (
        "argument --letter: this value cannot be used; --help says which can"
    )


def test_every_command_that_takes_something_is_discreet():
    commands = [
        load_command_class(a, n) for n, a in get_commands().items() if a in OURS
    ]

    loud = [c.__module__ for c in commands if not isinstance(c, DiscreetCommand)]
    # It reads its own arguments, and needs no secret.
    assert loud == ["clevertap_sync.management.commands.clevertap_sandbox"]


def test_a_command_refuses_without_the_argument(capsys):
    command = load_command_class("clevertap_sync", "provision")
    needed = ("shop", "--account-id", "1", "--identity-provider", "email")

    with pytest.raises(SystemExit) as end:
        command.run_from_argv(
            ["manage.py", "provision", *needed, "--location=eu1", "--passcode", SECRET]
        )

    assert end.value.code == 2
    printed = capsys.readouterr().err
    assert SECRET not in printed
    assert "does not know" in printed
