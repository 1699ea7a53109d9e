"""`python -m scripts.reference` writes what pages say of the code; `--check` compares."""

import os
import sys
from collections.abc import Sequence

import django

# Neither the environment nor a database of this machine decides what stands in a page.
ENVIRONMENT = {
    "DATABASE_URL": "sqlite://:memory:",
    "DEBUG": "true",
    "DJANGO_SETTINGS_MODULE": "integration_project.settings",
    "METRICS_TOKEN": "of-nobody-and-for-nothing",
}


def main(arguments: Sequence[str]) -> int:
    """Write every page, or say which are not what the code says; return the exit status."""
    from scripts.reference.pages import find_problems, write_pages  # noqa: PLC0415 - needs Django

    is_check = "--check" in arguments
    if not is_check:
        write_pages()
    problems = list(find_problems())
    sys.stdout.writelines(f"{problem}\n" for problem in problems)
    return 1 if problems else 0


if __name__ == "__main__":
    os.environ.update(ENVIRONMENT)
    django.setup()
    sys.exit(main(sys.argv[1:]))
