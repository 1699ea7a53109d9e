"""Each command of `manage.py`, by its own help."""

from argparse import Action
from typing import Final

from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandParser

from scripts.reference.parts import fill_part, write_table

_OURS: Final = ("clevertap_sync", "integration_project", "referrals")
#: Options that Django gives to every command.
_COMMON: Final = frozenset(
    {
        *("help", "version", "verbosity", "settings", "pythonpath", "traceback"),
        *("no_color", "force_color", "skip_checks"),
    }
)

_HEADING: Final = ("argument", "what it is")


def fill_commands(page: str) -> str:
    """Return the page with every command of ours, by name."""
    ours = sorted(name for name, app in get_commands().items() if app in _OURS)
    return fill_part(page, "the commands", "\n\n".join(map(write_command, ours)))


def write_command(name: str) -> str:
    """Return what a command does, and what it takes, as Markdown."""
    command = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)
    # Argparse lays its own pages out in another way with each release of Python.
    rows = [
        (f"`{write_invocation(action)}`", write_help(parser, action))
        for action in parser._actions  # noqa: SLF001 - argparse tells them nowhere else
        if action.dest not in _COMMON
    ]
    parts = [f"## {name}", write_description(parser)]
    return "\n\n".join([*parts, *([write_table(_HEADING, rows)] if rows else [])])


def write_description(parser: CommandParser) -> str:
    """Return what a command does: as it stands where its line breaks count."""
    text = (parser.description or "").strip()
    return f"```\n{text}\n```" if "\n" in text else text


def write_invocation(action: Action) -> str:
    """Return how an argument or an option is written: `--reason REASON`."""
    if not action.option_strings:
        return str(action.metavar or action.dest)
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    among = f"{{{','.join(map(str, action.choices))}}}" if action.choices else ""
    return f"{names} {action.metavar or among or action.dest.upper()}"


def write_help(parser: CommandParser, action: Action) -> str:
    """Return what an argument or an option is for."""
    formatter = parser.formatter_class(prog="manage.py")
    text = formatter._expand_help(action) if action.help else ""  # noqa: SLF001 - as above
    needed = "Required: " if action.option_strings and action.required else ""
    return f"{needed}{text}".replace("|", "\\|").replace("*", "\\*")
