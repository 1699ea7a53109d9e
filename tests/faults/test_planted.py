"""The oracle catches the product itself at it: each defect is planted in the real code.

A small run of the product, with the sandbox behind it, in which one function does its
work wrongly. Nothing of the evidence is touched: the defect has to show by itself.
"""

import copy
import itertools
from dataclasses import replace

import msgspec
import pytest

from clevertap_sync.clevertap.client.upload_result import RefusedRecord, UploadResult
from clevertap_sync.clevertap.errors import NoAnswerError, NotSentError
from clevertap_sync.clevertap.mapping import Mapper
from clevertap_sync.delivery import (
    claim,
    counts,
    dead_letters,
    deliver,
    failure,
    map_upload,
    send,
    settle,
    split,
    unknown_outcomes,
)
from clevertap_sync.delivery.people import match
from clevertap_sync.delivery.send import RequestOutcome
from clevertap_sync.delivery.upkeep import delivered_counts
from clevertap_sync.insight import status
from clevertap_sync.models import Integration
from clevertap_sync.process import slots
from clevertap_sync.sandbox import Sandbox
from referrals import log, people, suppression
from referrals.learning.learner import Learner
from referrals.models import ReferralEvent
from referrals.people import KnownValue
from tests.builders import an_integration
from tests.faults import oracle, rehearsal
from tests.faults.expected import KEY

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _free_slots():
    slots.clear_slots()
    yield
    slots.clear_slots()


@pytest.fixture
def product(monkeypatch):
    return Product(monkeypatch)


@pytest.fixture
def sandbox(tmp_path, settings):
    for name, seconds in rehearsal.QUICK.items():
        setattr(settings, name, seconds)
    path = tmp_path / "ledger.jsonl"
    with Sandbox(ledger=path) as sandbox:
        settings.CLEVERTAP_BASE_URL = sandbox.template
        yield sandbox, path


@pytest.fixture
def problems(sandbox):
    """Return a function that runs the product and asks the oracle."""
    server, path = sandbox
    # A poison record, so that there are parts as well.
    server.poison(identity="referrer-13")
    return lambda: oracle.problems(
        rehearsal.rehearse(server, path, an_integration(reconciles=True))
    )


@pytest.fixture
def problems_of_people(sandbox):
    """Return a function that runs the product with people, and asks the oracle."""
    server, path = sandbox
    return lambda: oracle.problems(
        rehearsal.rehearse_people(server, path, an_integration(reconciles=True))
    )


class Product:
    """The real code, in which functions can be replaced by ones that do less, or more."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch

    def replace(self, module, name, make):
        """Put what `make` returns, given the real function, in the function's place."""
        self._monkeypatch.setattr(module, name, make(getattr(module, name)))


def first_only(real, wrong):
    """Return a function that goes wrong the first time only."""
    numbers = itertools.count()
    return lambda *args, **options: (
        real(*args, **options) if next(numbers) else wrong(*args, **options)
    )


def test_a_run_without_a_defect_has_no_problem(problems):
    assert problems() == []


def a_lost_settle(product):
    """The worker has its answer, and writes nothing down."""
    product.replace(
        deliver, "settle_result", lambda real: first_only(real, lambda *_: True)
    )
    return "is leased"


def a_double_claim(product):
    """The cursor stays behind its upload, so the next worker claims the same range."""

    def make(real):
        def wrong(upload, *args, **options):
            found = real(upload, *args, **options)
            mine = Integration.objects.filter(pk=upload.integration_id)
            mine.update(cursor=upload.first - 1)
            return found

        return first_only(real, wrong)

    product.replace(claim, "_lease_upload", make)
    return "Arrived 2 times, 1 are explained"


def a_skipped_position(product):
    """A claim begins one position too far."""

    def make(real):
        def wrong(integration, *args, **options):
            integration.cursor += 1
            return real(integration, *args, **options)

        return first_only(real, wrong)

    product.replace(claim, "_lease_next_range", make)
    return "begins at 2, not 1"


def a_row_that_a_reader_misses(product):
    """The last event of a range is not seen by whom the range was handed to."""
    product.replace(
        map_upload,
        "_read_rows",
        lambda real: lambda *args: real(*args)[:-1],
    )
    return "Lost: "


def a_dead_letter_that_is_not_written(product):
    """A refused record is counted, and its letter forgotten."""
    product.replace(
        dead_letters,
        "write_dead_letters",
        lambda real: first_only(real, lambda *_: None),
    )
    return "records are booked as dead"


def a_refusal_of_the_neighbour(product):
    """Record numbers that count from 1 are read as if they counted from 0."""

    def make(real):
        def wrong(mapped, result, **options):
            shifted = tuple(
                RefusedRecord(each.index + 1, each.code, each.message)
                for each in result.refused
            )
            changed = UploadResult(
                result.accepted, shifted, result.miscounted, result.status
            )
            return real(mapped, changed, **options)

        return wrong

    product.replace(settle, "_read_verdicts", make)
    return "It arrived, and is a dead letter"


def a_side_that_is_never_mapped(product):
    """An event yields its first record, and not its second."""
    product.replace(map_upload, "find_quick_mapper", lambda _: lambda *_: None)
    product.replace(Mapper, "map_event", lambda real: lambda *given: real(*given)[:1])
    return "Lost: "


def a_record_in_the_other_persons_name(product):
    """The referrer's record is sent with the user's identity."""

    def make(real):
        def wrong(*given):
            first, second = real(*given)
            whose = msgspec.json.decode(first.json)["identity"]
            record = msgspec.json.decode(second.json) | {"identity": whose}
            wrongly = msgspec.json.encode(record)
            return [first, msgspec.structs.replace(second, json=wrongly)]

        return wrong

    product.replace(map_upload, "find_quick_mapper", lambda _: lambda *_: None)
    product.replace(Mapper, "map_event", make)
    return "CleverTap has a record that no event asks for"


def other_bytes_on_a_retry(product):
    """The same records go again in another order."""
    turns = itertools.count()
    product.replace(
        send,
        "encode_body",
        lambda real: lambda bodies: real(list(bodies)[:: -1 if next(turns) % 2 else 1]),
    )
    return "was sent with another body"


def an_unknown_outcome_that_is_taken_for_none(product):
    """A request without an answer counts as one that was never sent."""
    product.replace(NoAnswerError, "outcome_unknown", lambda _: False)
    return "Arrived 2 times, 1 are explained"


def a_record_that_is_given_up_too_early(product):
    """One answer that never came is taken for eight."""
    product.replace(
        unknown_outcomes,
        "is_given_up",
        lambda _: lambda upload: upload.unknown_outcomes > 0,
    )
    return "Given up after 1 times"


def a_success_that_is_sent_again(product):
    """What a 200 counted as processed is given back as if nothing had been sent."""

    product.replace(deliver, "settle_result", lambda real: first_only(real, give_back))
    return "A body arrived 2 times, 1 are explained"


def give_back(work, mapped, sending, *_):
    """Settle an answer as if nothing had been sent."""
    error = NotSentError("planted")
    outcome = RequestOutcome(None, error, 0.0)
    return failure.settle_failure(work, mapped, sending, outcome, error)


def an_accepted_event_that_is_not_kept(product):
    """An event is answered as accepted, and is gone after the answer."""

    def make(real):
        def wrong(app, events):
            results = real(app, events)
            ReferralEvent.objects.filter(position=results[-1].position).delete()
            return results

        return wrong

    product.replace(log, "append", make)
    return "was accepted, but is not where the answer said"


def parts_that_overlap(product):
    """Both halves of a bisect have the record in the middle."""

    def make(real):
        def wrong(picks):
            left, right = real(picks)
            return left, [left[-1], *right] if len(left) > 1 else right

        return wrong

    product.replace(split, "halve_picks", make)
    return "Two parts of upload"


def an_attempt_that_is_left_open(product):
    """The verdicts are written, and the attempt is forgotten."""

    def make(real):
        return lambda *args: replace(real(*args), where={"id": 0})

    product.replace(settle, "build_ended_attempt", make)
    return "never ended"


def a_lease_that_is_not_given_back(product):
    """An upload is settled, and stays leased."""

    def make(real):
        def wrong(work, *args, **options):
            leaf = real(work, *args, **options)
            return with_values(leaf, leased_until=work.upload.leased_until)

        return wrong

    product.replace(settle, "_build_settled_row", make)
    return "is leased"


def a_record_that_is_counted_twice(product):
    """An upload claims to have delivered one record more than it has."""

    def make(real):
        def wrong(work, *args, **options):
            leaf = real(work, *args, **options)
            more = {name: leaf.values[name] + 1 for name in ("delivered", "records")}
            return with_values(leaf, **more)

        return first_only(real, wrong)

    product.replace(settle, "_build_settled_row", make)
    return "records have a verdict, of"


def a_revival_that_is_sent_twice(product):
    """What a 200 counted as processed of a revival is given back."""

    def make(real):
        again = first_only(real, give_back)

        def wrong(work, *args, **options):
            settle_one = again if work.upload.identities else real
            return settle_one(work, *args, **options)

        return wrong

    product.replace(deliver, "settle_result", make)
    return "Arrived 3 times, 2 are explained"


def a_revival_under_another_identity_than_it_pinned(product):
    """A retry looks the person up once more, and finds another address."""
    turns = itertools.count()

    def make(real):
        def wrong(*args, **options):
            found = real(*args, **options)
            other = "x" * next(turns)
            return {x: KnownValue(KEY, other + y.value) for x, y in found.items()}

        return wrong

    product.replace(people, "read_identities", make)
    return "was sent with another body"


def a_shared_id_that_still_names_somebody(product):
    """A second claim is overlooked, so the first stands."""
    product.replace(Learner, "_share", lambda _: lambda *_: None)
    return "CleverTap has a record that no event asks for"


def a_link_that_is_not_learned(product):
    """An ID that stands beside a key is overlooked."""
    product.replace(Learner, "_tie_loose", lambda _: lambda *_: None)
    return "It waits, and its person is known"


def a_link_that_an_erasure_missed(product):
    """Who was erased is suppressed, and known still."""
    product.replace(people, "forget_hashes", lambda _: lambda *_: None)
    return "Who was erased is known still"


def an_erased_person_to_whom_what_waited_goes(product):
    """A revival asks of nobody whether they were erased."""
    product.replace(people, "forget_hashes", lambda _: lambda *_: None)
    product.replace(suppression, "_find_suppressed", lambda _: lambda *_: set())
    return "It arrived, and its person was erased before"


def a_match_that_is_never_written(product):
    """A step learns, and lets nobody go."""
    product.replace(match, "_write_answers", lambda _: lambda *_: set())
    return "Nobody has looked for its person, or sent it"


def a_tally_that_adds_up_twice(product):
    """What uploads counted is added once more than they are."""

    def make(real):
        return lambda *args: [real(*args), real(*args)]

    product.replace(delivered_counts, "add_up_counts", make)
    return "CleverTap stored"


def a_request_without_an_answer_that_is_not_counted(product):
    """A record that may have been stored twice is counted as stored once."""

    def make(real):
        return lambda integration, upload, *args, **options: real(
            integration, replace_row(upload, unknown_outcomes=0), *args, **options
        )

    product.replace(counts, "count_answered", make)
    return "CleverTap stored"


def a_replay_that_is_not_counted(product):
    """What goes once more counts at CleverTap alone."""

    def make(real):
        return lambda integration, upload, *args, **options: (
            real(integration, upload, *args, **options)
            if upload.replay_id is None
            else None
        )

    product.replace(counts, "count_answered", make)
    return "CleverTap stored"


def replace_row(row, **values):
    """Return a copy of a row, with other values."""
    changed = copy.copy(row)
    for name, value in values.items():
        setattr(changed, name, value)
    return changed


def with_values(step, **values):
    return replace(step, values={**step.values, **values})


def a_status_that_flatters(product):
    """What people are shown is more than was delivered."""

    def make(real):
        def flatter(*args):
            found = real(*args).items()
            return {
                key: replace(each, delivered=each.delivered + 1) for key, each in found
            }

        return flatter

    product.replace(status, "read_delivery_numbers", make)
    return "The status says"


DEFECTS = (
    *(a_lost_settle, a_double_claim, a_skipped_position, a_row_that_a_reader_misses),
    *(a_dead_letter_that_is_not_written, a_refusal_of_the_neighbour),
    *(a_side_that_is_never_mapped, a_record_in_the_other_persons_name),
    *(other_bytes_on_a_retry, an_unknown_outcome_that_is_taken_for_none),
    a_record_that_is_given_up_too_early,
    *(a_success_that_is_sent_again, an_accepted_event_that_is_not_kept),
    *(parts_that_overlap, an_attempt_that_is_left_open),
    *(a_lease_that_is_not_given_back, a_record_that_is_counted_twice),
    *(a_status_that_flatters, a_tally_that_adds_up_twice),
    a_request_without_an_answer_that_is_not_counted,
)


#: What goes wrong with who is who.
DEFECTS_OF_PEOPLE = (
    *(a_revival_that_is_sent_twice, a_revival_under_another_identity_than_it_pinned),
    *(a_shared_id_that_still_names_somebody, a_link_that_is_not_learned),
    *(a_link_that_an_erasure_missed, a_replay_that_is_not_counted),
    *(an_erased_person_to_whom_what_waited_goes, a_match_that_is_never_written),
)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.__name__)
def test_the_oracle_catches_the_product_at(product, problems, defect):
    sentence = defect(product)

    found = problems()

    assert any(sentence in problem for problem in found), found


def test_a_run_with_people_without_a_defect_has_no_problem(problems_of_people):
    assert problems_of_people() == []


@pytest.mark.parametrize(
    "defect", DEFECTS_OF_PEOPLE, ids=lambda defect: defect.__name__
)
def test_the_oracle_catches_the_product_with_people_at(
    product, problems_of_people, defect
):
    sentence = defect(product)

    found = problems_of_people()

    assert any(sentence in problem for problem in found), found
