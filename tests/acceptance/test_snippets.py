"""What quickstarts and how-tos tell people to type is typed, in front of a running product."""

import subprocess
import sys

import pytest
import requests

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS
from tests import builders
from tests.documented import page
from tests.harness import commands
from tests.harness.process import PATIENCE_SECONDS
from tests.snippets import PAGES, is_printed, list_snippets

pytestmark = pytest.mark.thorough

FIRST, SECOND = ACCOUNTS[Location.EU1], ACCOUNTS[Location.IN1]
#: What stands in pages for your own.
YOURS = {"ABC-DEF-123Z": FIRST.account_id, "HIJ-KLM-456Z": SECOND.account_id}
PROGRAMS = {"sh": ("sh", "-e", "-c"), "python": (sys.executable, "-c")}
FILES = {
    "passcode.txt": FIRST.passcode,
    "new-passcode.txt": FIRST.passcode,
    "second-passcode.txt": SECOND.passcode,
}


def prepare_folder(folder):
    """Make a folder like a clone of the repository, with the files that pages speak of."""
    (folder / "manage.py").symlink_to(commands.ROOT / "manage.py")
    (folder / ".venv").symlink_to(sys.prefix)
    for name, text in FILES.items():
        (folder / name).write_text(text)


def type_in(snippet, folder, stack):
    """Execute a block as somebody does who has the address and the key; return what it printed."""
    text = snippet.text
    for example, own in YOURS.items():
        text = text.replace(example, own)
    done = subprocess.run(
        [*PROGRAMS[snippet.language], text],
        cwd=folder,
        env={
            **stack.env,
            "PYTHONPATH": str(commands.ROOT / "clients/python/src"),
            "REFERRALS_URL": stack.web_url,
            "REFERRALS_API_KEY": stack.keys.get("shop", ""),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def start(stack):
    stack.start()


def start_without_an_app(stack):
    stack.web(), stack.worker()
    ready = f"{stack.web_url}/readyz"
    stack.wait_until(
        lambda: requests.get(ready, timeout=9).json() == {"status": "ready"}
    )


def start_with_what_fell_out(stack):
    """Nobody carries the identity that was chosen."""
    stack.web(), stack.worker()
    stack.provision(identity_provider="custom_id")
    post_one(stack)
    assert count_dead_letters(stack) == 2


def start_with_a_passcode_that_ended(stack):
    stack.web(), stack.worker()
    options = ("--identity-provider", "email", "--location", "eu1", "--enable")
    printed = stack.manage(
        *("provision", "shop", "--account-id", FIRST.account_id, *options),
        *("--passcode-stdin", "--json"),
        stdin="OLD-PASSCODE-1",
    )
    stack.keep_key("shop", printed)
    assert stack.post(builders.a_sent_event(id="waits")).status_code == 202


def post_one(stack):
    assert stack.post(builders.a_sent_event(id="one")).status_code == 202
    stack.wait_until_settled()


def count_dead_letters(stack):
    return sum(sum(each["dead_letters"].values()) for each in stack.status())


def count_delivered(stack, location=None):
    """Count the records that CleverTap took: of all accounts, or of one location's."""
    return sum(
        upload.accepted
        for upload in stack.uploads()
        if location in (None, upload.location)
    )


def check_both_accounts(stack):
    post_one(stack)
    assert (count_delivered(stack, "eu1"), count_delivered(stack, "in1")) == (2, 2)


def check_the_new_location(stack):
    post_one(stack)
    assert (count_delivered(stack, "eu1"), count_delivered(stack, "in1")) == (0, 2)


def check_count(delivered):
    def check(stack):
        # A replay that was ordered is no upload yet.
        stack.wait_until(lambda: count_delivered(stack) >= delivered)
        stack.wait_until_settled()
        assert (count_delivered(stack), count_dead_letters(stack)) == (delivered, 0)

    return check


#: What there is before somebody follows a page, and what has to be true afterwards.
STORIES = {
    "quickstart": (start_without_an_app, check_count(0)),
    "quickstart/backend": (start, check_count(4)),
    "quickstart/marketer": (None, None),
    "quickstart/operator": (start_without_an_app, check_count(0)),
    "howto/README": (None, None),
    "howto/backfill": (start, check_count(6)),
    "howto/move-location": (start, check_the_new_location),
    "howto/replay-after-a-wrong-identity": (start_with_what_fell_out, check_count(2)),
    "howto/rotate-the-passcode": (start_with_a_passcode_that_ended, check_count(2)),
    "howto/second-account": (start, check_both_accounts),
}


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_says_is_what_happens(name, make_stack, tmp_path):
    before, after = STORIES[name]
    snippets = [each for each in list_snippets(page(name)) if not each.why]
    if before is None:
        assert snippets == []
        return
    stack = make_stack("sqlite", warm=True)
    before(stack)
    prepare_folder(tmp_path)

    for snippet in snippets:
        printed = type_in(snippet, tmp_path, stack)
        if snippet.printed is not None:
            assert is_printed(snippet.printed, printed), (snippet.text, printed)

    after(stack)
