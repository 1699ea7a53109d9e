"""Run as a program: several commands in one process, each as if it had its own.

Standard input is a list of `[arguments, standard input]` in JSON; standard output becomes
one of what each printed. A failure that nobody catches is printed as Python prints it.
"""

import io
import json
import sys
import traceback
from contextlib import redirect_stderr, redirect_stdout

import django
from django.core.management import execute_from_command_line


def run(arguments: list[str], stdin: str) -> str:
    """Return what the command printed, and its status."""
    printed = io.StringIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8")
    with redirect_stdout(printed), redirect_stderr(printed):
        try:
            execute_from_command_line(["manage.py", *arguments])
        except SystemExit as end:
            printed.write(f"\n{end.code}")
        except Exception:
            traceback.print_exc()
    return printed.getvalue()


def main() -> None:
    orders = json.load(sys.stdin)
    django.setup()
    json.dump([run(*order) for order in orders], sys.stdout)


main()
