"""A backup of a running system, restored as docs/operations.md says it, word by word."""

import contextlib
import os
import re

import pytest
import redis
import requests

from tests.harness import databases
from tests.harness.commands import TODAY
from tests.harness.postgres import find_programs
from tests.harness.process import PATIENCE_SECONDS
from tests.ops.restore_words import run_commands
from tests.ops.shop import Shop
from tests.ops.transcript import Transcript

INTRODUCTION = """\
From a run of `tests/ops/test_restore.py` on {kind}: what [Backups](../operations.md#backups) says,
typed word by word. A backend sends ten events in a request, from two threads, while the backup is made."""
LOGIN = {
    "DJANGO_SUPERUSER_USERNAME": "ann",
    "DJANGO_SUPERUSER_PASSWORD": "b4ckups-and-all",
}
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@pytest.fixture(params=databases.KINDS)
def shop(request, tmp_path, django_db_blocker):
    with contextlib.closing(
        Shop(request.param, tmp_path, django_db_blocker, TODAY, SWEEP_SECONDS="0.5")
    ) as shop:
        shop.open()
        shop.stack.env.update(LOGIN)
        shop.stack.manage("createsuperuser", "--no-input", "--email", "ann@example.com")
        yield shop


@pytest.fixture
def transcript(shop):
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[shop.stack.kind]
    transcript = Transcript(
        "A backup, and its restoration", INTRODUCTION.format(kind=kind)
    )
    yield transcript
    transcript.write(f"restore-{shop.stack.kind}")


@pytest.fixture
def type_in(shop, tmp_path, transcript):
    """Return a function that types a block of the documentation into a shell."""
    programs = [str(TODAY.programs), str(find_programs()), os.environ["PATH"]]
    env = {**shop.stack.env, "PATH": os.pathsep.join(programs)}
    folder = tmp_path / "operator"
    folder.mkdir()
    (folder / "manage.py").symlink_to(TODAY.root / "manage.py")

    def type_block(name):
        for line in run_commands(name, folder=folder, env=env).splitlines():
            transcript.show(line)

    return type_block


def test_a_restored_backup_waits_for_a_person_and_repeats_nothing_from_now_on(
    shop, type_in, transcript
):
    say, stack = transcript.say, shop.stack
    running = shop.start()
    with shop.load():
        shop.wait_until_at_work(*running)
        stack.sandbox.fault(only="uploads", hold="after_storing")
        stack.wait_until(lambda: any(map(is_held, stack.uploads())))
        say(
            "One web process and one worker. An upload is on its way: stored, not answered."
        )
        type_in(f"backup-{stack.kind}")
        stack.sandbox.release()
        shop.wait_until_accepted()
    shop.settle()
    erased = "user-shop-1@example.com"
    stack.manage("forget", "shop", "--identity", f"email={erased}")
    say("After the backup, events come in and are delivered, and one person is erased.")
    before, events = count_stored(shop), dict(shop.backend.sent)
    wait_until_remembered(stack)

    assert shop.end(*running) == [0, 0]
    say("Web and worker have ended. The database is lost.")
    type_in(f"restore-{stack.kind}")
    type_in("after-restore")
    (web, worker) = shop.start()
    stack.wait_until(lambda: is_paused(stack))
    say(f"They run again. The worker: {line_of_pause(worker)}")
    held = stack.status()[0]
    say(f"delivery_status: hold {held['hold']['reason']}, cursor {held['cursor']}.")

    stack.manage("forget", "shop", "--identity", f"email={erased}")
    say("1. The person is erased again.")
    again = [event for event in events.values() if erased not in str(event)]
    for start in range(0, len(again), 500):
        assert shop.backend.post(stack.web_url, again[start : start + 500]) == 202
    say(f"2. The backend sends {len(again):,} events again.")
    enable_from_now(shop)
    say("3. Enabled from now, in the admin.")
    assert count_stored(shop) == before
    shop.send(3)
    shop.settle()

    status = stack.status()[0]
    ledger = shop.read_ledger()
    erased_later = [x for x in ledger[-1].records if erased in x]
    assert (status["balanced"], status["hold"], erased_later) == (True, None, [])
    arrived = [record for upload in ledger for record in upload.records]
    assert len(arrived) == len(set(arrived)) == 2 * len(shop.backend.sent)
    assert worker.returncode is web.returncode is None
    say(
        f"Three new events are delivered. CleverTap has {len(arrived):,} records of "
        f"{len(shop.backend.sent):,} events: 0 lost, 0 twice. Balanced."
    )


def is_held(request):
    return request.fault == "after_storing" and request.seconds is None


def count_stored(shop):
    return sum(len(upload.records) for upload in shop.read_ledger())


def is_paused(stack):
    hold = stack.database.rows(
        "SELECT enabled, hold_reason FROM clevertap_sync_integration"
    )
    return [(bool(enabled), reason) for enabled, reason in hold] == [
        (False, "restored_backup")
    ]


def line_of_pause(worker):
    (line,) = (x for x in worker.log.splitlines() if "is paused: its cursor" in x)
    return re.search(r'"message": "([^"]*)"', line)[1]


def wait_until_remembered(stack):
    """Wait until workers have remembered how far the integration has come."""
    ((cursor,),) = stack.database.rows("SELECT cursor FROM clevertap_sync_integration")
    with redis.Redis.from_url(stack.broker.url) as client:
        stack.wait_until(
            lambda: any(
                client.get(key).startswith(b"%d:" % cursor)
                for key in client.keys("cursor:*")
            )
        )


def enable_from_now(shop):
    """Do in the admin what a person does."""
    root = f"{shop.stack.web_url}/admin"
    page = f"{root}/clevertap_sync/integration/{shop.integration_id}/enable/"
    # Production redirects to HTTPS unless a proxy says that it has ended it.
    with requests.Session() as person:
        name, password = LOGIN.values()
        submit(person, f"{root}/login/", username=name, password=password)
        submit(person, page, start="now")


def submit(person, url, **fields):
    shown = person.get(url, timeout=PATIENCE_SECONDS)
    token = CSRF.search(shown.text)
    assert token, shown.text[:500]
    answer = person.post(
        url,
        {"csrfmiddlewaretoken": token[1], **fields},
        headers={"Referer": url},
        timeout=PATIENCE_SECONDS,
    )
    assert answer.ok, answer.text[:500]
