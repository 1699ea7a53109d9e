"""The settings that a process would have, given its environment: read once more, here."""

import os
import runpy
import sys
from typing import Any, Final
from unittest import mock

import pytest

from tests.harness.commands import ROOT

SETTINGS: Final = ROOT / "integration_project" / "settings.py"


def settings_of(**variables: str) -> dict[str, Any]:
    """Return the settings of a process with nothing in its environment but `variables`."""
    environment = {"DATABASE_URL": "sqlite://:memory:", **variables}
    with (
        mock.patch.dict(os.environ, environment, clear=True),
        mock.patch.object(sys, "argv", ["manage.py", "migrate"]),
    ):
        return runpy.run_path(str(SETTINGS))


def refusal_of(**variables: str) -> str:
    """Return the sentence with which such a process ends in place of starting."""
    with pytest.raises(SystemExit) as end:
        settings_of(**variables)
    # A text: the process prints it, and its status is 1.
    assert isinstance(end.value.code, str)
    return f"{end.value.code}\n"
