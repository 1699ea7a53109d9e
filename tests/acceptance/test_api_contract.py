"""The OpenAPI document keeps its word: whatever it allows or forbids, the API does."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.faults import soak
from tests.harness import commands
from tests.harness.stack import Stack

SETTINGS = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.thorough
def test_requests_that_the_document_allows_and_forbids_are_answered_as_it_says(
    tmp_path,
):
    with Stack("sqlite", tmp_path, broker=False, warm=True) as stack:
        stack.provision()
        stack.web()
        done = subprocess.run(
            [
                *(commands.PROGRAMS / "schemathesis", "--config-file", SETTINGS, "run"),
                *("--header", f"Authorization: Bearer {stack.keys['shop']}"),
                *("--phases", "examples,coverage,fuzzing", "--no-color"),
                *(
                    "--seed",
                    str(soak.seeds()[0]),
                    "--max-examples",
                    str(soak.examples()),
                ),
                f"{stack.web_url}/openapi.json",
            ],
            cwd=tmp_path,
            # It keeps what it has found in the folder, and asks nobody else.
            env={**os.environ, "NO_PROXY": "*"},
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Selected: 15/15" in done.stdout
    assert "Tested: 15" in done.stdout
