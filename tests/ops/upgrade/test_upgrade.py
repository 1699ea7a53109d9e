"""An upgrade while callers call: migrate, side by side, swap; and the way back."""

import contextlib

import pytest

from tests.faults import oracle
from tests.harness import databases
from tests.harness.commands import TODAY
from tests.ops.shop import Shop
from tests.ops.transcript import Transcript
from tests.ops.upgrade.release import (
    check_out_release,
    has_requirements_of_today,
    read_release,
)

INTRODUCTION = """\
From a run of `tests/ops/upgrade` on {kind}. The release before is commit {release}, with its own files, in
{environment}.
The platform holds the web processes' socket, as systemd does. A backend sends ten events in a request, from
two threads, all the time."""


@pytest.fixture(scope="module")
def release():
    return check_out_release()


@pytest.fixture(params=databases.KINDS)
def shop(request, release, tmp_path, django_db_blocker):
    """A shop on the release before, with nothing in its database but itself."""
    with contextlib.closing(
        Shop(request.param, tmp_path, django_db_blocker, release)
    ) as shop:
        shop.open()
        yield shop


@pytest.fixture
def transcript(shop, release):
    is_same = has_requirements_of_today(release.root)
    environment = "today's environment: its requirements are the same, to the byte"
    introduction = INTRODUCTION.format(
        kind={"sqlite": "SQLite", "postgresql": "PostgreSQL"}[shop.stack.kind],
        release=read_release()[:10],
        environment=environment if is_same else "an environment of its own",
    )
    transcript = Transcript("An upgrade, and the way back", introduction)
    yield transcript
    transcript.write(f"upgrade-{shop.stack.kind}")


def test_an_upgrade_and_the_way_back_lose_nothing_and_refuse_nobody(
    shop, release, transcript
):
    say, stack = transcript.say, shop.stack
    old = shop.start()
    say("The release before serves: one web process, one worker.")
    with shop.load():
        shop.wait_until_at_work(*old)

        stack.checkout = TODAY
        transcript.show(
            "python manage.py migrate --no-input",
            applied(stack.manage("migrate", "--no-input")),
        )
        shop.wait_until_at_work(*old)
        say("The release before serves and delivers on the new schema.")

        new = shop.start()
        shop.wait_until_at_work(*old, *new)
        say("Both releases take requests, and both deliver.")

        assert shop.end(*old) == [0, 0]
        say(
            "The release before has ended after SIGTERM, status 0. Today's serves alone."
        )
        shop.wait_until_at_work(*new)

        assert shop.end(*new) == [0, 0]
        say("The way back. Today's has ended first, with status 0: callers wait.")
        stack.checkout = release
        transcript.show(
            "python manage.py migrate --no-input    # the release before's, as platforms do",
            applied(stack.manage("migrate", "--no-input")),
        )
        back = shop.start()
        shop.wait_until_at_work(*back)
        say("The release before serves and delivers what today's has left.")
    found = shop.check()

    assert set(shop.backend.statuses) == {202}
    assert (oracle.lost(found), oracle.repeats(found)) == (0, 0)
    assert found.status["dead_letters"] == {}
    say(f"{shop.backend.statuses[202]:,} requests, all answered 202 at once.")
    say(
        f"{len(found.log):,} events accepted, {found.status['delivered']:,} records "
        "delivered: 0 lost, 0 repeated, 0 dead letters."
    )


def applied(output):
    """Return what `migrate` says that it did."""
    lines = [line.strip() for line in output.splitlines()]
    return "\n".join(x for x in lines if x.startswith(("Applying", "No migrations")))
