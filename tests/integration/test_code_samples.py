"""The code that the admin shows for each language runs as it stands, and sends an event."""

import shutil
import subprocess
import sys

import pytest

from referrals import log
from referrals.admin import code_samples
from tests.builders import an_api_key, an_app
from tests.harness.process import PATIENCE_SECONDS

#: How each language reads a program, and whether every machine has it.
PROGRAMS = {
    "curl": ["bash", "-c"],
    "Python": [sys.executable, "-c"],
    "Node": ["node", "-e"],
    "PHP": ["php", "-r"],
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_a_sample_sends_an_event(live_server, language):
    program = PROGRAMS[language]
    needs = {program[0], "curl"} if language == "curl" else {program[0]}
    if not all(map(shutil.which, needs)):
        pytest.skip(f"{language} is not installed here")
    app = an_app("shop")
    key = an_api_key(app)
    address = f"{live_server.url}/v1/events"
    (sample,) = (
        each
        for each in code_samples.list_code_samples(address, key)
        if each.language == language
    )

    code = sample.code.removeprefix("<?php")
    done = subprocess.run(
        [*program, code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert '"accepted":1' in done.stdout.replace(" ", ""), done.stderr
    (stored,) = log.read_range(app.pk, 1, 1)
    assert stored.event.type == "app_install"
    assert stored.event.user.identities == {"email": "ann@example.com"}
    assert stored.event.referrer.identities == {"email": "bob@example.com"}


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed here")
def test_the_last_sample_says_who_is_who(live_server):
    app = an_app("shop")
    address = f"{live_server.url}/v1/events"
    *_, sample = code_samples.list_code_samples(address, an_api_key(app))

    done = subprocess.run(
        [*PROGRAMS["curl"], sample.code],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )

    assert '"accepted":1' in done.stdout, done.stderr
    (stored,) = log.read_range(app.pk, 1, 9)
    assert stored.event.type == "identify"
    assert stored.event.user.identities == {
        "anonymous_id": "a-7f3",
        "email": "ann@example.com",
    }


def test_nothing_in_an_address_or_a_key_leaves_its_string():
    hostile = 'http://x/"\n; evil()'

    in_a_shell, *others, _ = code_samples.list_code_samples(hostile, "k")
    assert [sample.language for sample in (in_a_shell, *others)] == [*PROGRAMS]
    for sample in others:
        assert hostile not in sample.code
        assert '"http://x/\\"\\n; evil()"' in sample.code
