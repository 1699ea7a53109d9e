"""What the pages below docs/sources/ tell people to type, typed."""

import io
import json
import re
import shlex

import pytest
from django.core.management import call_command

from referrals.models import Source
from referrals.sources.presets import PLATFORMS, load_preset
from tests import builders
from tests.documented import block, page
from tests.platforms import SECRET

provisioning = pytest.importorskip("referrals.management.commands.provision_source")
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_pages_command_connects_the_platform(platform, monkeypatch):
    app = builders.an_app("shop")
    command, _, file = block(f"sources/{platform}", "sh").partition(" < ")
    monkeypatch.setattr("sys.stdin", io.StringIO(SECRET))
    words = shlex.split(command)[2:]

    call_command(*words, stdout=io.StringIO())

    source = Source.objects.get(app=app)
    assert source.platform == platform
    assert source.name == load_preset(platform).title
    assert ("--secret-stdin" in words) is bool(file)
    assert (source.secret.reveal() == SECRET) is bool(file)


def test_the_first_page_has_every_option_and_what_it_prints():
    text = page("sources/README")
    builders.an_app("shop")
    printed = io.StringIO()

    call_command(*shlex.split(block("sources/README", "sh"))[2:], stdout=printed)

    documented = set(re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE))
    parser = provisioning.Command().create_parser("manage.py", "provision_source")
    ours = {
        option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    of_django = {
        *("--help", "--version", "--verbosity", "--settings", "--pythonpath"),
        *("--traceback", "--no-color", "--force-color", "--skip-checks"),
    }
    assert documented == ours - of_django - {"--platform", "--no-test"}
    row = next(each for each in text.splitlines() if each.startswith("| `--json`"))
    assert set(json.loads(printed.getvalue())) == set(re.findall(r"`(\w+)`", row))
