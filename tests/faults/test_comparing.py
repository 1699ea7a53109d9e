"""A comparison with CleverTap whose worker dies or stands still, and counts under trouble.

Whoever takes a comparison up asks for what is not written down; nothing is stated twice.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from clevertap_sync.delivery.upkeep import tallies
from clevertap_sync.insight.delivered_counts import read_delivered
from clevertap_sync.models import AccountReading, Comparison, Statement
from clevertap_sync.process import clock
from clevertap_sync.reconciliation.account_lease import SPARE_SECONDS
from referrals.failpoints import Place
from tests.faults.choice import choice
from tests.faults.evidence import LAST_QUARTER
from tests.faults.ground import QUICK, ended_by_kill
from tests.faults.test_kills import is_stopped

#: Where a worker dies that compares, and how often it passes there first.
PLACES = {
    Place.COUNT_ANSWERED: "count.answered=kill@4",
    Place.STATEMENTS_WRITTEN: "statements.written=kill@4",
    Place.COMPARISON_CLOSED: "comparison.closed=kill",
}
#: The days of the largest name, which differs, a week of the other, and what records lack.
QUESTIONS = 7 + 1 + 1
QUESTIONS_UNTIL_KILLED = 4
#: Of two names, CleverTap drops a record of the larger one.
DROPPED, WHOLE = "Referred App Install", "Generated App Install"


@pytest.fixture
def comparing(scene):
    """A scenario in which the next worker compares what has just been delivered."""
    days = [datetime.now(UTC) - timedelta(days=back) for back in (1, 2)]
    scene.sandbox.poison(event_name=DROPPED, identity="-7@", drop=True)
    worker = scene.worker()
    for day in days:
        scene.send(10, occurred_at=day.isoformat())
        scene.send(2, occurred_at=day.isoformat(), referrer=None, via="smart_link")
    scene.settle()
    worker.kill()
    scene.let_workers_compare()
    return scene


def wait_until_compared(scene):
    """Wait until the night's comparison has ended, and return it."""
    with scene.ground.django():
        scene.wait_until(Comparison.objects.exclude(ended_at=None).exists)
        return Comparison.objects.get()


def read_statements(scene):
    with scene.ground.django():
        rows = Statement.objects.filter(account=scene.integration.account)
        return list(rows.order_by("name", "day").values())


def list_differences(scene):
    with scene.ground.django():
        rows = Statement.objects.filter(account=scene.integration.account)
        return [(row.name, row.difference) for row in rows.order_by("name", "-day")]


def count_questions(scene):
    """Return how many counts were asked for."""
    paths = Counter(each.path for each in scene.sandbox.requests(scene.location))
    return sum(n for path, n in paths.items() if path.endswith("/counts/events.json"))


@pytest.mark.scenario("worker killed at `{place}` while it compares with CleverTap")
@pytest.mark.parametrize("place", choice(PLACES, Place.COUNT_ANSWERED))
def test_a_comparison_goes_on_where_its_worker_was_killed(comparing, place):
    scene = comparing
    assert ended_by_kill(scene.doomed(PLACES[place]))
    with scene.ground.django():
        lease = AccountReading.objects.get().leased_until - clock.read_now()
    scene.ground.expire_leases()
    asked = count_questions(scene)

    scene.heal()
    scene.worker()

    assert wait_until_compared(scene).state == "done"
    assert list_differences(scene) == [
        (WHOLE, 0),
        (WHOLE, 0),
        (DROPPED, -1),
        (DROPPED, 0),
    ]
    # The longest claim is the one on the account whose causes are looked for.
    assert timedelta(0) < lease < timedelta(seconds=700)
    if place != Place.COMPARISON_CLOSED:
        assert lease < timedelta(
            seconds=float(QUICK["REQUEST_SECONDS"]) + SPARE_SECONDS
        )
        assert (asked, count_questions(scene)) == (
            QUESTIONS_UNTIL_KILLED,
            QUESTIONS + 1,
        )


@pytest.mark.scenario(
    "worker frozen while it compares, and back when another has ended it"
)
# Its sweep goes on beside it: frozen in a write, it would keep SQLite locked for everybody.
@pytest.mark.parametrize("kind", ["postgresql"], indirect=True)
def test_a_late_count_changes_no_statement(comparing):
    scene = comparing
    frozen = scene.doomed("count.answered=freeze@4", SWEEP_SECONDS="60")
    scene.wait_until(lambda: is_stopped(frozen.pid))
    scene.ground.expire_leases()
    worker = scene.worker()
    wait_until_compared(scene)
    worker.kill()
    ended, said = wait_until_compared(scene), read_statements(scene)

    scene.heal()
    frozen.thaw()
    # It writes down how much it asked, once it has met another fencing token.
    scene.wait_until(lambda: wait_until_compared(scene).requests > ended.requests)

    assert read_statements(scene) == said
    assert list_differences(scene) == [
        (WHOLE, 0),
        (WHOLE, 0),
        (DROPPED, -1),
        (DROPPED, 0),
    ]


#: How CleverTap stores a part of an upload, and what becomes of the answer.
PARTS: dict[str, dict[str, Any]] = {
    "a random half, and 504": {"store_share": 0.5, "status": 504},
    "the first ten, and a reset": {"store_first": 10, "ending": "reset_after_storing"},
    "a third, after the answer was lost": {
        "store_share": 0.3,
        "store_late": 0.2,
        "ending": "close_after_storing",
    },
}


@pytest.mark.scenario("CleverTap stores a part: {how}")
@pytest.mark.parametrize("how", choice(PARTS, "a third, after the answer was lost"))
def test_what_a_part_of_an_upload_may_have_stored_bounds_the_counts(scene, how):
    scene.sandbox.fault(only="uploads", times=3, **PARTS[how])
    scene.worker()
    scene.send(60)

    scene.heal()

    scene.settle()
    found = scene.check()
    assert found.status["unknown_outcomes"] == 3
    # Three times a part, and then the whole.
    arrived = Counter(record for stored in found.stored for record in stored.records)
    assert 120 < arrived.total() < 4 * 120
    assert len(arrived) == 120
    delivered, more, fewer = map(sum, zip(*found.counts[0].values(), strict=True))
    assert (delivered, more, fewer) == (120, 360, 0)
    assert scene.read_back() == []


@pytest.mark.scenario("CleverTap stores half of an upload and accepts it all")
def test_what_is_lost_without_a_word_is_counted_by_the_comparison(scene):
    scene.sandbox.fault(only="uploads", store_share=0.5)
    scene.worker()
    scene.send(60)
    scene.settle()

    said = scene.read_back()

    found = scene.evidence()
    short = sum(row["delivered"] - row["counted"] for row in read_statements(scene))
    assert (found.status["delivered"], found.status["balanced"]) == (120, True)
    assert sum(len(each.records) for each in found.stored) == short == 60
    assert said
    assert all("fewer than were delivered" in sentence for sentence in said)


@pytest.mark.scenario(
    "counts are tallied again and again under load, and a worker killed"
)
def test_what_is_tallied_beside_workers_is_counted_once(scene):
    totals = []
    doomed = scene.doomed("settle.committed=kill@5")
    with scene.load(threads=1, size=25), scene.ground.django():
        while len(totals) < 10 or doomed.returncode is None:
            totals.append(read_total(scene))
            tallies._tally_next_uploads(scene.integration.pk, worthwhile=1)
            totals.append(read_total(scene))
        scene.ground.expire_leases()
        scene.worker()
        scene.wait_until(lambda: read_total(scene) > totals[-1])
        tallies._tally_next_uploads(scene.integration.pk, worthwhile=1)

    scene.heal()

    scene.settle()
    found = scene.check()
    # Whoever reads meanwhile finds each upload once: in the tally, or beside it.
    assert totals == sorted(totals)
    assert totals[-1] < found.status["delivered"]
    assert scene.read_back() == []


def read_total(scene):
    found = read_delivered([scene.integration.pk], 0, LAST_QUARTER)
    return sum(each.delivered for mine in found.values() for each in mine.values())
