"""Refuses faulty command lines without repeating their arguments.

A passcode, a key or an address may stand in the wrong place there, and a platform or a
pipeline often keeps the output of a command.
"""

import re
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

#: What argparse says in its own words and in ours alone.
_OF_OURS: Final = re.compile(
    r"the following arguments are required: .*"
    r"|argument [^:]+: expected .*"
    r"|argument [^:]+: choose from [a-z, ]+"
    r"|argument [^:]+: not allowed with argument .*"
)
_OF_A_VALUE: Final = re.compile(r"argument ([^:]+): .*", re.DOTALL)
_UNKNOWN: Final = (
    "there is something on the command line that this command does not know. It is not "
    "repeated here, since it may be a secret. Compare it with the usage above"
)


class DiscreetCommand(BaseCommand):
    """A command whose refusals never repeat an argument."""

    def create_parser(self, *args: Any, **options: Any) -> CommandParser:
        """Return Django's parser, whose errors name the fault and repeat no argument."""
        parser = super().create_parser(*args, **options)
        refuse = parser.error

        def error(message: str) -> Any:
            return refuse(hide_arguments(message))

        parser.error = error  # type: ignore[method-assign] # it alone knows how to end
        return parser


def hide_arguments(message: str) -> str:
    """Return argparse's message without the arguments that it repeats."""
    if _OF_OURS.fullmatch(message):
        return message
    if about := _OF_A_VALUE.fullmatch(message):
        return f"argument {about[1]}: this value cannot be used; --help says which can"
    return _UNKNOWN
