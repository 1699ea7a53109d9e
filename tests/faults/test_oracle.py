"""The oracle finds what it exists to find: each planted defect, and nothing in a good run."""

import copy
import dataclasses
import json

import pytest
from django.db import transaction
from django.test import override_settings

from clevertap_sync.sandbox import Sandbox
from tests.builders import an_integration
from tests.faults import oracle
from tests.faults.evidence import AttemptRow, LetterRow, Stored, ledger
from tests.faults.expected import canonical, expected_of, records_of
from tests.faults.oracle import Allowed
from tests.faults.rehearsal import QUICK, an_install, rehearse

# The evidence of all of them is gathered once, in a database.
pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def finished(django_db_setup, django_db_blocker, tmp_path_factory):
    """The evidence of a finished run with three uploads, a repeat and dead letters."""
    path = tmp_path_factory.mktemp("oracle") / "ledger.jsonl"
    with (
        django_db_blocker.unblock(),
        transaction.atomic(),
        Sandbox(ledger=path) as sandbox,
        override_settings(CLEVERTAP_BASE_URL=sandbox.template, **QUICK),
    ):
        yield rehearse(sandbox, path, an_integration(reconciles=True))
        transaction.set_rollback(True)


@pytest.fixture
def run(finished):
    """A copy, to plant a defect in."""
    return copy.deepcopy(finished)


def a_record(run):
    return run.stored[0].records[0]


def the_range(run, number):
    return [u for u in run.uploads if u.parent is None][number]


# Each defect is planted where the evidence is gathered from: in the database's rows, in
# CleverTap's ledger, or in the log. What `delivery_status` says stays as it was, so that
# the oracle has to find it by itself.


def a_lost_settle(run):
    upload = the_range(run, 0)
    upload.state, upload.delivered, upload.dead = "open", 0, 0


def a_double_claim(run):
    twin = dataclasses.replace(the_range(run, 1), pk=999)
    run.uploads.insert(run.uploads.index(the_range(run, 1)) + 1, twin)


def a_skipped_position(run):
    the_range(run, 2).first += 1


def a_cursor_behind_its_uploads(run):
    run.cursor -= 1


def a_hole_in_the_log(run):
    position, key = run.log.pop()
    run.log.append((position + 1, key))


def a_key_twice(run):
    run.log[5] = (6, run.log[4][1])


def an_accepted_event_that_is_gone(run):
    run.accepted["vanished"] = 19


def an_event_that_nobody_sent(run):
    run.log.append((len(run.log) + 1, "stranger"))


def another_position_than_was_answered(run):
    run.accepted["install-0"], run.accepted["install-1"] = (
        run.accepted["install-1"],
        run.accepted["install-0"],
    )


def a_record_that_never_arrived(run):
    record = a_record(run)
    for upload in run.stored:
        upload.records = [each for each in upload.records if each != record]


def a_record_of_nobody(run):
    event = an_install("nobody")
    run.stored[0].records.append(next(record for _, record in records_of(event)))


def a_record_with_another_time(run):
    run.stored[0].records[0] = a_record(run).replace('"ts": ', '"ts": 1')


def a_record_that_arrived_again(run):
    run.stored.append(Stored(run.stored[0].sha256, [a_record(run)]))


def a_body_that_was_changed(run):
    run.stored[-1].sha256 = "0" * 64


def a_lost_dead_letter(run):
    run.letters.pop()


def a_dead_letter_too_many(run):
    run.letters.append(LetterRow(1, "referred", "clevertap_513", "open"))


def a_dead_letter_of_another_record(run):
    run.letters[0] = dataclasses.replace(run.letters[0], position=1)


def a_count_that_is_one_too_high(run):
    upload = the_range(run, 0)
    upload.delivered += 1


def a_verdict_that_changed_sides(run):
    upload = the_range(run, 0)
    upload.delivered, upload.dead = upload.delivered + 1, upload.dead - 1


def an_open_lease(run):
    the_range(run, 0).leased = True


def a_leased_probe(run):
    run.leased = True


def an_attempt_that_never_ended(run):
    run.attempts[0].ended = False


def an_unknown_outcome_that_is_not_counted(run):
    run.attempts[0].unknown = True


def a_repeat_without_an_unknown_outcome(run):
    for attempt in run.attempts:
        attempt.unknown = False


def a_record_that_is_sent_once_too_often(run):
    upload = the_range(run, 0)
    again = AttemptRow(upload.pk, ended=True, unknown=True, records=upload.records)
    run.attempts += [again] * 9
    run.status["unknown_outcomes"] += 9


def a_record_that_is_given_up_too_early(run):
    for letter in run.letters:
        letter.reason = "outcome_unknown"
    run.status["dead_letters"] = {"outcome_unknown": len(run.letters)}


def a_part_that_covers_a_record_twice(run):
    parent = the_range(run, 0)
    for pk in (997, 998):
        part = dataclasses.replace(
            parent, pk=pk, parent=parent.pk, picks=[2], delivered=0, dead=0, records=0
        )
        run.uploads.append(part)


def a_status_that_is_not_balanced(run):
    run.status |= {"balanced": False, "imbalances": ["something"]}


def a_record_that_no_count_has(run):
    a_count = run.counts[-1]
    a_count[next(iter(a_count))] = (0, 0, 0)


def a_delivered_count_that_is_one_too_high(run):
    a_count = run.counts[0]
    key, (delivered, *doubts) = next(iter(a_count.items()))
    a_count[key] = (delivered + 1, *doubts)


def a_delivered_count_of_nothing(run):
    run.counts[0]["Referred Nothing", 1] = (1, 0, 0)


def a_backlog(run):
    run.status["backlog"] = 1


def a_hold_that_nothing_lifts(run):
    run.status["hold"] = {"reason": "server_error"}


def a_wrong_sum(run):
    run.status["delivered"] += 1


DEFECTS = [
    value
    for name, value in list(globals().items())
    if name.startswith(("a_", "an_", "another_"))
    and getattr(value, "__module__", "") == __name__
    and value is not a_record
]


def test_a_good_run_has_no_problem_and_its_repeats_are_counted(run):
    assert oracle.problems(run) == []
    # One upload of six events was stored twice; a refused record is never stored.
    assert (oracle.repeats(run), oracle.lost(run)) == (12, 0)
    assert {letter.reason for letter in run.letters} == {"clevertap_513"}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_the_oracle_finds(run, defect):
    defect(run)

    assert oracle.problems(run) != []


def test_a_record_that_is_nowhere_is_counted_as_lost(run):
    a_record_that_never_arrived(run)

    assert oracle.lost(run) == 1


def test_an_event_that_was_accepted_and_forgotten_is_counted_as_lost(run):
    an_accepted_event_that_is_gone(run)

    assert oracle.lost(run) == 1


def test_a_count_that_was_made_wrong_is_allowed_only_where_a_test_says_so(run):
    a_record_that_never_arrived(run)

    assert oracle.problems(run, Allowed(miscounted=1)) == []


def test_equal_records_are_equal_texts():
    assert canonical({"b": 1, "a": "ü"}) == canonical({"a": "ü", "b": 1})
    assert canonical({"a": 1}) != canonical({"a": "1"})


@pytest.mark.parametrize(("forgotten", "forms"), [((), 1), (("ann@example.com",), 2)])
def test_beside_somebody_who_was_erased_a_record_may_lack_its_content(forgotten, forms):
    event = {
        "type": "app_install",
        "occurred_at": "2026-01-01T00:00:00Z",
        "user": {"identities": {"email": "ann@example.com"}},
        "referrer": {"identities": {"email": "bob@example.com"}},
        "channel": "mail",
        "content": "spring",
    }

    _, generated = expected_of([(1, event)], forgotten)

    told = [json.loads(record)["evtData"] for record in generated.records.values()]
    assert [each.get("Content") for each in told] == ["spring", None][:forms]
    assert {each["Channel"] for each in told} == {"mail"}


def test_a_line_of_the_ledger_that_is_being_written_is_left_to_the_next_reader(
    tmp_path,
):
    path = tmp_path / "ledger.jsonl"
    line = json.dumps({"at": 1.5, "location": "eu1", "sha256": "ab", "records": []})
    path.write_text(f"{line}\n{line[:20]}")

    assert ledger(path) == [Stored("ab", [], 1.5)]
