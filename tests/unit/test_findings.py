"""Each kind of finding: the facts that show it, its words, and where it leads."""

import re
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import get_args

import pytest

from clevertap_sync.admin.overview.status_light import COLOURS, describe_findings
from clevertap_sync.alerting import subjects
from clevertap_sync.clevertap.account_faults import AccountFault
from clevertap_sync.clevertap.causes import codes
from clevertap_sync.clevertap.errors import CleverTapError
from clevertap_sync.insight import fact_queries, ingest_queries, source_queries
from clevertap_sync.insight.facts import (
    AppIngest,
    Arrivals,
    CustomNames,
    ExpiringKey,
    Facts,
    NewestOutcomes,
    OpenLetters,
    RefusalsAtDoor,
    SourceFacts,
    Waiting,
)
from clevertap_sync.insight.findings import KINDS, Finding, Severity, judge_facts
from clevertap_sync.insight.findings.installation import (
    KINDS as INSTALLATION_KINDS,
)
from clevertap_sync.insight.links import build_path
from clevertap_sync.insight.seen_facts import (
    Delays,
    OverdueName,
    SeenFacts,
    ShortDay,
)
from clevertap_sync.models import Account, EventKinds, Incident, Integration, Mute
from clevertap_sync.process.worker_presence import WorkerSilence
from referrals.encrypted_field import UnreadableSecret
from referrals.models import App
from referrals.secret import Secret
from referrals.words import Colour
from tests.builders import NOON

ALL_KINDS = (*KINDS, *INSTALLATION_KINDS)
HOUR = timedelta(hours=1)
WEEKS = timedelta(days=40)


def errors_below(root):
    """Yield every class of errors below `root`."""
    for error in root.__subclasses__():
        yield error
        yield from errors_below(error)


LATE = Waiting(events=12, since=NOON - HOUR)


def an_integration(**changes):
    """Return the row of an integration that delivers, without a database."""
    defaults = {
        "pk": 7,
        "app": App(pk=3, slug="shop", name="Shop"),
        "account": Account(pk=2, location="eu1", account_id="ABC-DEF-123Z"),
        "identity_provider": "email",
        "passcode": Secret("PAS-SCO-DEXX"),
        "enabled": True,
        "first_enabled_at": NOON,
        "not_sent": [],
    }
    return Integration(**{**defaults, **changes})


def some_facts(integration=None, **changes):
    """Return what is known of an integration with which all is well."""
    well = Facts(
        now=NOON,
        integration=integration or an_integration(),
        last_upload_accepted_at=NOON - HOUR,
        delivered_at=NOON - 2 * HOUR,
        silence=WorkerSilence(seconds=1.0, sweep_seconds=5.0),
    )
    return replace(well, **changes)


def held(reason, **changes):
    return an_integration(
        hold_reason=reason, held_since=NOON - timedelta(minutes=12), **changes
    )


def refused_for(cause, hint=""):
    return held("credentials_refused", hold_cause=cause, hold_hint=hint)


def letters(reason, count=4, age=HOUR):
    return (OpenLetters(reason, count, NOON - age),)


def refused(code, count=47, accepted=9, **changes):
    found = RefusalsAtDoor(code, count, NOON - timedelta(minutes=1), **changes)
    return some_facts(ingest=AppIngest(accepted=accepted, refused=(found,)))


def expiring(days):
    return ExpiringKey("rk_abc", "till", NOON + timedelta(days=days))


def source(**changes):
    """Return facts that hold a source which is called well, but for `changes`."""
    well = SourceFacts(
        pk=5,
        name="Branch",
        created_at=NOON - WEEKS,
        first_call_at=NOON - WEEKS,
        called_at=NOON - HOUR,
        calls_lately=40,
        has_taken=True,
    )
    return some_facts(ingest=AppIngest(accepted=9, sources=(replace(well, **changes),)))


TUESDAY = date(2026, 11, 17)
SENT = NewestOutcomes(events=10, records=20, delivered=16, dead=4)
LOST = NewestOutcomes(events=10, records=20, dead=20)
#: A kind's code, what shows it, and a part of what it says.
SHOWN = [
    (
        "unreadable_passcode",
        some_facts(an_integration(passcode=UnreadableSecret("x")), waiting=LATE),
        (
            "No key in FIELD_ENCRYPTION_KEYS decrypts the stored passcode, so CleverTap is not "
            "asked. 12 events wait, the oldest for 60 min; none is lost."
        ),
    ),
    (
        "no_passcode",
        some_facts(held("no_passcode")),
        "Held for 12 min: ",
    ),
    (
        "test_prefix_missing",
        some_facts(refused_for("test_prefix_missing", "TEST-ABC-DEF-123Z")),
        (
            "Held for 12 min: the account ID lacks its TEST-: CleverTap takes this passcode "
            "for TEST-ABC-DEF-123Z."
        ),
    ),
    (
        "wrong_location",
        some_facts(refused_for("wrong_location", "in1")),
        "Held for 12 min: CleverTap stores the account in India, not where the settings",
    ),
    (
        "wrong_account_id",
        some_facts(refused_for("wrong_account_id")),
        "Held for 12 min: CleverTap does not know the account ID.",
    ),
    (
        "passcode_expired",
        some_facts(refused_for("passcode_expired")),
        "Held for 12 min: the user passcode has expired, and CleverTap refuses it.",
    ),
    (
        "wrong_passcode",
        some_facts(refused_for("wrong_passcode")),
        "Held for 12 min: CleverTap knows the account, and refuses the passcode.",
    ),
    (
        "credentials_refused",
        some_facts(held("credentials_refused"), waiting=Waiting(events=1)),
        "1 event waits; none is lost.",
    ),
    (
        "identity_letter_case",
        some_facts(held("identity_letter_case")),
        "Held for 12 min: CleverTap knows the first users in another letter case",
    ),
    (
        "wrong_address",
        some_facts(held("wrong_address")),
        "Held for 12 min: ",
    ),
    (
        "everything_refused",
        some_facts(held("everything_refused")),
        "Held for 12 min: CleverTap refuses every record, even a made-up one",
    ),
    (
        "identity_mismatch",
        some_facts(held("identity_mismatch")),
        "Held for 12 min: CleverTap knows too few of the first users",
    ),
    (
        "restored_backup",
        some_facts(held("restored_backup", enabled=False)),
        "Held for 12 min: this database is an older one",
    ),
    (
        "held",
        some_facts(held("server_error"), waiting=LATE),
        (
            "12 events wait, the oldest for 60 min; none is lost. In 60 min live campaigns "
            "stop firing for the oldest."
        ),
    ),
    (
        "passcode_expires",
        some_facts(an_integration(passcode_expires_on=date(2026, 11, 25))),
        "The passcode expires in 2 days, after 25 November 2026.",
    ),
    (
        "key_expired",
        refused("expired_key", key_prefix="rk_abc"),
        (
            "Refused: 47 requests of the last hour, with an expired API key (rk_abc…). "
            "Nothing of that is stored."
        ),
    ),
    (
        "key_expires",
        some_facts(ingest=AppIngest(expiring=(expiring(days=6.5),))),
        "The API key rk_abc… (till) expires in 6 days. Then what sends with it is refused.",
    ),
    (
        "nothing_accepted",
        refused("milliseconds", accepted=0, sample="It looks like milliseconds."),
        (
            "Refused: all that came, 47 times in the last hour. It looks like "
            "milliseconds. Nothing of that is stored."
        ),
    ),
    (
        "key_revoked",
        refused("revoked_key", key_prefix="rk_abc"),
        "Refused: 47 requests of the last hour, with a revoked API key (rk_abc…).",
    ),
    (
        "times_in_milliseconds",
        refused("milliseconds"),
        "Refused: 47 events of the last hour, because occurred_at is in milliseconds",
    ),
    (
        "times_in_future",
        refused("in_future", count=1),
        "Refused: 1 event of the last hour, because occurred_at is more than a day ahead.",
    ),
    (
        "ids_reused",
        refused("conflict"),
        "Refused: 47 events of the last hour, because the id belongs to another event",
    ),
    (
        "events_refused",
        refused("unknown_field", sample="There is no such field."),
        "Refused 47 times in the last hour. There is no such field.",
    ),
    (
        "nothing_received",
        some_facts(ingest=AppIngest(other_app="Game", other_accepted=12)),
        "No event has ever arrived for this app, while Game got 12 events",
    ),
    (
        "no_integration",
        some_facts(
            an_integration(pk=None, first_enabled_at=NOON, enabled=False),
            is_lonely=True,
            waiting=Waiting(events=12),
        ),
        "12 events were accepted, and this app has no integration: nothing goes",
    ),
    (
        "quiet",
        some_facts(
            arrivals=Arrivals(
                events=30,
                first_at=NOON - 40 * HOUR,
                newest_at=NOON - 30 * HOUR,
                instants=10,
            )
        ),
        "No event has arrived for 30 h; before that, one came every 20 min.",
    ),
    (
        "source_unreadable",
        source(is_unreadable=True),
        "No key in FIELD_ENCRYPTION_KEYS decrypts the secret of the source Branch",
    ),
    (
        "calls_lost",
        source(lost_lately=3, why_lost="The spool was full."),
        "Lost within 24 hours: 3 events of the source Branch: The spool was full.",
    ),
    (
        "calls_unverified",
        source(unverified_at=NOON, unverified=4, why_unverified="No secret fits."),
        (
            "The source Branch refused 4 calls since its last good one, 60 min ago: No secret "
            "fits. Nothing of that is stored."
        ),
    ),
    (
        "calls_spooled",
        source(spooled_at=NOON - HOUR, drained_at=NOON - 2 * HOUR),
        "Events of the source Branch wait in the spool, the last for 60 min.",
    ),
    (
        "source_silent",
        source(
            called_at=NOON - 25 * HOUR,
            call_hours=[NOON - (25 + 4 * n) * HOUR for n in reversed(range(80))],
        ),
        (
            "The source Branch was not called for 25 h. In the two weeks before, its longest "
            "pause was 4 h."
        ),
    ),
    (
        "all_ignored",
        source(has_taken=False, ignored={"no_referrer": 20, "organic": 900}),
        (
            "Nothing of the source Branch becomes an event. 20 times, the call names nobody who "
            "invited."
        ),
    ),
    (
        "source_unused",
        source(first_call_at=None, called_at=None, has_secret=False),
        "The source Branch was made 40 days ago, and never called. It has no secret yet.",
    ),
    (
        "only_test_events",
        some_facts(arrivals=Arrivals(events=12, test=12)),
        "All of the last 12 events are test events",
    ),
    (
        "only_production_events",
        some_facts(
            an_integration(event_kinds=EventKinds.TEST), arrivals=Arrivals(events=12)
        ),
        "None of the last 12 events is a test event",
    ),
    (
        "nothing_to_send",
        some_facts(newest_outcomes=NewestOutcomes(events=12), delivered_at=None),
        "The last 12 events came to nothing to send: link clicks",
    ),
    (
        "everything_waits",
        some_facts(
            newest_outcomes=NewestOutcomes(events=12, waiting=20), delivered_at=None
        ),
        "All of the last 20 records wait for their user to be known, and none was sent.",
    ),
    (
        "everything_kept_back",
        some_facts(newest_outcomes=NewestOutcomes(events=12, unsent=24)),
        "The settings kept back all of the last 24 records",
    ),
    (
        "settings_changed",
        some_facts(
            newest_outcomes=NewestOutcomes(events=12, unsent=24), sends_changed=True
        ),
        (
            "The settings kept back all of the last 24 records. What is sent was changed "
            "since: the next event shows whether it goes to CleverTap."
        ),
    ),
    (
        "new_name",
        some_facts(names=CustomNames(sent=50, waiting=1)),
        "1 new custom name waits for approval",
    ),
    (
        "event_types_near_limit",
        some_facts(event_types=461),
        "461 of the 512 event types that CleverTap gives an account are ours.",
    ),
    (
        "stale_events",
        some_facts(arrivals=Arrivals(events=30, late=21, oldest=timedelta(days=400))),
        (
            "21 of the last 30 events happened more than two hours before they arrived here, "
            "the oldest 400 days before"
        ),
    ),
    (
        "test_account_in_use",
        some_facts(
            an_integration(
                account=Account(location="eu1", account_id="TEST-ABC-DEF-123Z")
            ),
            arrivals=Arrivals(events=12, test=2),
        ),
        "10 of the last 12 events are production events, and they go to TEST-ABC-DEF-123Z",
    ),
    (
        "test_events_misplaced",
        some_facts(
            an_integration(
                account=Account(location="eu1", account_id="ABC-DEF-123Z"),
                event_kinds="both",
            ),
            arrivals=Arrivals(events=12, test=2),
        ),
        "2 of the last 12 events are test events, and they go to ABC-DEF-123Z, a production",
    ),
    (
        "unbalanced",
        some_facts(imbalances=("Uploads reach to 3, the cursor to 4.",)),
        "Uploads reach to 3, the cursor to 4.",
    ),
    (
        "no_worker",
        some_facts(silence=None, waiting=LATE),
        "No worker has ever been seen. 12 events wait",
    ),
    (
        "identity_missing",
        some_facts(letters=letters("no_identity"), newest_outcomes=LOST),
        (
            "None of the last 20 records was delivered: no user carries the identity provider "
            "that was chosen when they were made."
        ),
    ),
    (
        "nothing_delivered",
        some_facts(letters=letters("clevertap_528"), newest_outcomes=LOST),
        "None of the last 20 records was delivered. ",
    ),
    (
        "pause_forgotten",
        some_facts(
            an_integration(enabled=False),
            waiting=Waiting(events=9, since=NOON - 30 * HOUR),
        ),
        (
            "Paused by a person. 9 events wait, the oldest for 30 h; none is lost. For the "
            "oldest, live campaigns fire no more."
        ),
    ),
    (
        "dead_letters",
        some_facts(letters=letters("clevertap_528"), newest_outcomes=SENT),
        "4 records were not delivered. ",
    ),
    (
        "late",
        some_facts(waiting=LATE),
        "12 events wait, the oldest for 60 min; none is lost.",
    ),
    (
        "not_enabled",
        some_facts(an_integration(enabled=False, first_enabled_at=None)),
        "Nothing is sent to CleverTap yet. Nothing waits.",
    ),
    (
        "paused",
        some_facts(an_integration(enabled=False)),
        "Paused by a person. Nothing waits.",
    ),
    (
        "old_dead_letters",
        some_facts(
            letters=letters("clevertap_528", age=25 * HOUR), newest_outcomes=SENT
        ),
        "4 records were not delivered. ",
    ),
    (
        "not_shown",
        some_facts(
            seen=SeenFacts(
                overdue=(
                    OverdueName(
                        "Referred Coupon Used", 12, NOON - HOUR, "event_types_full"
                    ),
                )
            )
        ),
        "CleverTap accepted 12 Referred Coupon Used and shows none: the account has as many ",
    ),
    (
        "counts_fewer",
        some_facts(
            seen=SeenFacts(
                short=(ShortDay("Referred App Install", TUESDAY, 1_000, 120, 1),)
            )
        ),
        (
            "Of 17 November, CleverTap counts 880 of 1,000 Referred App Install. "
            "Nothing explains it."
        ),
    ),
    (
        "reading_refused",
        some_facts(seen=SeenFacts(refused_at=NOON - 3 * HOUR)),
        (
            "CleverTap takes uploads with this passcode and refuses to be read with it, since "
            "3 h: what it counts is not compared."
        ),
    ),
    (
        "comparison_missing",
        some_facts(seen=SeenFacts(compared_at=NOON - 51 * HOUR, error="server_error")),
        (
            "What CleverTap counts was not compared for 2 days. CleverTap has a fault of "
            "its own. See status.clevertap.com."
        ),
    ),
    (
        "comparison_partial",
        some_facts(seen=SeenFacts(compared_at=NOON - HOUR, not_compared=9)),
        (
            "9 days of events are not compared: the last nightly comparison ran out of "
            "time, or CleverTap did not answer."
        ),
    ),
]


def test_a_name_that_is_not_shown_has_a_reason_without_a_schema_too():
    name = OverdueName("Referred Coupon Used", 12, NOON - HOUR, codes.UNEXPLAINED)

    (finding,) = judge_facts(some_facts(seen=SeenFacts(overdue=(name,))))

    assert finding.sentence == (
        "CleverTap accepted 12 Referred Coupon Used and shows none: it does not show us the "
        "account's schema, which would tell why."
    )


@pytest.mark.parametrize(
    ("code", "facts", "sentence"), SHOWN, ids=[s[0] for s in SHOWN]
)
def test_the_facts_show_the_finding_with_its_number_and_its_fix(code, facts, sentence):
    (finding,) = (each for each in judge_facts(facts) if each.code == code)

    assert sentence in finding.sentence
    assert finding.remedy
    assert build_path(finding.link).startswith("/admin/")
    assert finding.count is None or finding.count > 0


def kinds_below(root):
    """Yield every class of findings below `root` that the product has, without the grounds."""
    for kind in root.__subclasses__():
        if kind.__module__.startswith(root.__module__.rpartition(".")[0]):
            yield from [kind] if "code" in vars(kind) else []
            yield from kinds_below(kind)


def test_every_kind_is_looked_for():
    for kind in set(kinds_below(Finding)) - set(ALL_KINDS):
        pytest.fail(
            f"{kind.__name__} is never looked for: give it a rank in KINDS at the end of "
            f"{kind.__module__}."
        )


@pytest.mark.parametrize("of", [Facts, Arrivals, SourceFacts, Waiting])
def test_every_fact_is_read_somewhere(of):
    readers = (fact_queries, ingest_queries, source_queries, subjects)
    source = "".join(Path(module.__file__).read_text("utf-8") for module in readers)

    missing = [f.name for f in fields(of) if not re.search(rf"\b{f.name}=", source)]
    assert not missing, (
        f"Nobody reads {', '.join(missing)} of {of.__name__}, so no finding sees anything: "
        "let insight/fact_queries.py fill it in."
    )


def test_every_kind_is_shown():
    missing = {kind.code for kind in KINDS} - {code for code, *_ in SHOWN}

    assert not missing, (
        f"Add facts to SHOWN that show {', '.join(missing)}, and what it says of them."
    )


def test_overdue_names_are_told_once_for_each_cause():
    """With all the records of a cause, and the words of one that nobody knows yet."""
    overdue = [
        OverdueName("Referred A", 1, NOON - HOUR, codes.NAME_DISCARDED),
        OverdueName("Referred B", 3, NOON - 2 * HOUR, codes.NAME_DISCARDED),
        OverdueName("Referred C", 1, NOON - HOUR, "unheard_of"),
    ]

    several, one = judge_facts(some_facts(seen=SeenFacts(overdue=overdue)))

    assert several.sentence == (
        "CleverTap accepted 4 records of 2 new events, such as Referred B, and shows none "
        "of them: its schema says that the event is discarded."
    )
    assert (several.count, several.seconds) == (4, 7_200.0)
    assert one.sentence == (
        "CleverTap accepted 1 Referred C and shows none: nothing that can be asked explains "
        "it."
    )


def test_days_that_lack_records_are_told_once_for_each_cause():
    short = [
        ShortDay("Referred A", TUESDAY, 10, 1, 1, codes.NAME_DISCARDED, "It is so."),
        ShortDay("Referred B", TUESDAY, 10, 9, 1, codes.NAME_DISCARDED, "It is so."),
        ShortDay(
            "Referred B", NOON.date(), 10, 2, 1, codes.NAME_DISCARDED, "It is so."
        ),
        ShortDay("Referred C", TUESDAY, 1_000, 1, 1),
    ]

    (finding,) = judge_facts(some_facts(seen=SeenFacts(short=short)))

    assert finding.sentence == (
        "Of 17 November, CleverTap counts 1 of 10 Referred B. It is so. So it is with 2 "
        "further days of 2 events."
    )
    assert (finding.count, finding.percent) == (12, 90.0)


def test_a_passcode_that_may_not_read_is_the_only_reason_that_nothing_is_compared():
    refused = SeenFacts(refused_at=NOON, compared_at=NOON - WEEKS, not_compared=9)

    codes_found = [each.code for each in judge_facts(some_facts(seen=refused))]

    assert codes_found == ["reading_refused"]


def test_while_uploads_are_refused_too_nobody_is_told_that_they_are_taken():
    refused = SeenFacts(refused_at=NOON - HOUR)
    integration = refused_for("passcode_refused")

    found = [each.code for each in judge_facts(some_facts(integration, seen=refused))]

    assert "reading_refused" not in found


def test_it_is_said_how_soon_an_account_shows_new_events_where_that_was_measured():
    seen = SeenFacts(delays=Delays(9, 60.0, 600.0))

    (guessed, measured) = (
        describe_findings(facts, []).sentence
        for facts in (some_facts(), some_facts(seen=seen))
    )

    assert guessed.endswith("; its dashboard shows new data after about 10 minutes.")
    assert measured.endswith("; it showed new events of this account within 10 min.")


def test_a_kind_has_a_code_of_its_own():
    codes = [kind.code for kind in ALL_KINDS]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("model", [Incident, Mute])
def test_a_kinds_code_fits_where_alerts_keep_it(model):
    longest = model._meta.get_field("rule").max_length

    assert [kind.code for kind in ALL_KINDS if len(kind.code) > longest] == []


@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.code)
def test_a_kind_has_all_its_words(kind):
    needed = {"severity", "started", "ended", "__doc__"}
    if getattr(kind, "severity", None) is not Severity.INFO:
        needed.add("word")

    missing = sorted(name for name in needed if not getattr(kind, name, None))
    assert not missing, (
        f"Give {kind.__name__} its {', '.join(missing)}: see base.Finding."
    )


@pytest.mark.parametrize(("code", "facts", "_"), SHOWN, ids=[s[0] for s in SHOWN])
def test_what_is_not_well_is_not_green(code, facts, _):
    findings = judge_facts(facts)
    light = describe_findings(facts, findings)

    worst = findings[0]
    assert light.colour == (COLOURS[worst.severity] if worst.word else "good")
    if worst.severity is not Severity.INFO:
        assert light.colour != "good"


def test_every_colour_of_a_light_is_known():
    assert set(COLOURS.values()) < set(get_args(Colour))


REASONS_FOR_A_HOLD = [
    *{error.code for error in errors_below(CleverTapError)},
    *("everything_refused", "identity_mismatch", "identity_letter_case", "unheard_of"),
]


@pytest.mark.parametrize("cause", ["", *AccountFault])
@pytest.mark.parametrize("reason", sorted(REASONS_FOR_A_HOLD))
def test_whatever_holds_is_one_finding(reason, cause):
    """A cause that is no more, such as a key that is back, leaves the hold to be told."""
    findings = judge_facts(some_facts(held(reason, hold_cause=cause)))

    assert len(findings) == 1
    assert findings[0].detail == reason


@pytest.mark.parametrize(("days", "left"), [(14, 15), (13.9, 14), (0.1, 1)])
def test_the_last_day_of_a_key_counts_as_a_day_that_is_left(days, left):
    keys = AppIngest(expiring=(expiring(days), expiring(days=14.1)))

    (finding,) = judge_facts(some_facts(ingest=keys))

    assert (finding.code, finding.count) == ("key_expires", left)


def test_a_passcode_past_its_last_day_is_a_finding_before_it_is_refused():
    expired = an_integration(passcode_expires_on=date(2026, 11, 22))

    (finding,) = judge_facts(some_facts(expired))

    assert finding.code == "passcode_expired"
    assert "The passcode expired on 22 November 2026" in finding.sentence


def test_a_few_events_of_the_set_up_are_as_good_as_none():
    door = AppIngest(other_app="Game", other_accepted=12)
    tried = some_facts(
        head=1, ingest=door, arrivals=Arrivals(events=1, newest_at=NOON - 5 * HOUR)
    )

    (finding,) = judge_facts(tried)

    assert finding.sentence == (
        "Only 1 event has ever arrived for this app, 5 h ago, while Game got 12 events "
        "in the last hour."
    )
    assert judge_facts(replace(tried, head=4)) == []
    assert judge_facts(replace(tried, ingest=replace(door, accepted=1))) == []


LAST = NOON - 30 * HOUR


def arrived(lasted=timedelta(0), instants=1, earlier=(), **changes):
    """Return thirty events that came until the app fell silent, thirty hours ago."""
    came = {"first_at": LAST - lasted, "newest_at": LAST, "instants": instants}
    before = tuple(LAST - ago for ago in earlier)
    return Arrivals(**{"events": 30, "earlier": before, **came, **changes})


@pytest.mark.parametrize(
    "arrivals",
    [
        # An import alone, and one after two events of the set-up.
        arrived(earlier=[timedelta(seconds=9), timedelta(seconds=40)]),
        arrived(lasted=72 * HOUR, instants=3),
        # Two imports, a week apart.
        arrived(earlier=[timedelta(0), timedelta(days=7)]),
        # One that took a script an hour, event by event.
        arrived(timedelta(minutes=1), 10, earlier=[HOUR / 16, HOUR / 4, HOUR]),
        # Events of which fewer than ten were to be expected since.
        arrived(lasted=100 * HOUR, instants=10),
    ],
)
def test_what_is_no_flow_is_not_missed(arrivals):
    assert judge_facts(some_facts(arrivals=arrivals)) == []


@pytest.mark.parametrize(
    ("arrivals", "rate"),
    [
        (arrived(10 * HOUR, 10), "one came every 20 min"),
        (arrived(timedelta(minutes=1), 10, [HOUR, 4 * HOUR, 16 * HOUR]), "every 2 s"),
        (arrived(earlier=[HOUR, 20 * HOUR, 44 * HOUR]), "30 events came at once"),
    ],
)
def test_a_flow_that_stopped_is_missed_however_busy_it_was(arrivals, rate):
    (finding,) = judge_facts(some_facts(arrivals=arrivals))

    assert finding.code == "quiet"
    assert finding.sentence.startswith("No event has arrived for 30 h; before that, ")
    assert finding.sentence.endswith(f"{rate}.")


@pytest.mark.parametrize(
    "changes",
    [
        {"arrivals": arrived(10 * HOUR, 10)},
        {"ingest": AppIngest(other_app="Game", other_accepted=12)},
    ],
    ids=["quiet", "nothing_received"],
)
def test_no_event_of_an_archived_app_is_missed(changes):
    found = some_facts(**changes)
    app = App(name="Old", slug="old", archived_at=NOON)
    integration = an_integration(app=app)

    assert len(judge_facts(found)) == 1
    assert judge_facts(replace(found, integration=integration)) == []


@pytest.mark.parametrize(
    ("week_ago", "codes"),
    [
        # Last Friday's events ended an hour later, two hours, and three.
        (LAST + HOUR, []),
        (LAST + 2 * HOUR, []),
        (LAST + 3 * HOUR, ["quiet"]),
    ],
)
def test_a_silence_that_was_there_a_week_ago_is_usual(week_ago, codes):
    came = arrived(10 * HOUR, 10, week_ago_at=week_ago - timedelta(days=7))

    assert [each.code for each in judge_facts(some_facts(arrivals=came))] == codes


TESTS, PRODUCTION = Arrivals(events=30, test=30), Arrivals(events=30)
#: Where test events belong.
OF_TESTS = Account(pk=2, location="eu1", account_id="TEST-ABC-DEF-123Z")
#: What the settings kept back of the newest uploads.
KEPT = NewestOutcomes(events=30, unsent=60)


@pytest.mark.parametrize("other", [EventKinds.TEST, EventKinds.BOTH])
@pytest.mark.parametrize("verdicts", [KEPT, NewestOutcomes()])
def test_test_events_that_another_integration_sends_are_none_of_this_ones(
    other, verdicts
):
    mine = an_integration(event_kinds=EventKinds.PRODUCTION)
    facts = some_facts(mine, arrivals=TESTS, newest_outcomes=verdicts)

    assert judge_facts(replace(facts, others_send=frozenset({other}))) == []
    alone = replace(facts, others_send=frozenset({EventKinds.PRODUCTION}))
    assert [each.code for each in judge_facts(alone)] == ["only_test_events"]


@pytest.mark.parametrize("other", [EventKinds.PRODUCTION, EventKinds.BOTH])
@pytest.mark.parametrize("tests", [0, 10])
def test_production_events_that_another_integration_sends_are_none_of_this_ones(
    other, tests
):
    mine = an_integration(event_kinds=EventKinds.TEST, account=OF_TESTS)
    arrivals = replace(PRODUCTION, test=tests)
    facts = some_facts(mine, arrivals=arrivals, newest_outcomes=KEPT)

    assert judge_facts(replace(facts, others_send=frozenset({other}))) == []
    assert judge_facts(facts)[0].code.startswith(("only_production", "everything_kept"))


def test_events_of_its_own_kind_that_are_kept_back_are_told_beside_another_integration():
    mine = an_integration(event_kinds=EventKinds.TEST, account=OF_TESTS)
    arrivals = replace(PRODUCTION, test=11)
    others = frozenset({EventKinds.PRODUCTION})
    facts = some_facts(
        mine, arrivals=arrivals, newest_outcomes=KEPT, others_send=others
    )

    assert [each.code for each in judge_facts(facts)] == ["everything_kept_back"]


@pytest.mark.parametrize(("days", "codes"), [(6, []), (7, ["nothing_to_send"])])
def test_clicks_that_name_nobody_are_usual_beside_events_that_are_delivered(
    days, codes
):
    facts = some_facts(
        newest_outcomes=NewestOutcomes(events=12),
        delivered_at=NOON - timedelta(days=days),
    )

    assert [each.code for each in judge_facts(facts)] == codes


def test_events_that_only_say_who_somebody_is_are_nothing_to_be_found():
    mute = some_facts(newest_outcomes=NewestOutcomes(events=12), delivered_at=None)

    only = replace(mute, arrivals=Arrivals(events=12, identify=12))
    some = replace(mute, arrivals=Arrivals(events=12, identify=11))

    assert judge_facts(only) == []
    assert [each.code for each in judge_facts(some)] == ["nothing_to_send"]


@pytest.mark.parametrize(
    "outcomes",
    [
        NewestOutcomes(events=10, waiting=19),
        NewestOutcomes(events=10, records=1, delivered=1, waiting=19),
        NewestOutcomes(events=10, waiting=19, unsent=1),
        # Another record was delivered some hours before.
        NewestOutcomes(events=10, waiting=20),
    ],
)
def test_records_that_wait_for_a_sign_up_are_nobodys_alarm(outcomes):
    facts = some_facts(newest_outcomes=outcomes)

    assert judge_facts(facts) == []


def test_records_that_wait_are_not_said_to_have_fallen_out():
    facts = some_facts(
        letters=letters("clevertap_528"),
        newest_outcomes=NewestOutcomes(events=10, waiting=20),
    )

    assert "nothing_delivered" not in [each.code for each in judge_facts(facts)]


@pytest.mark.parametrize(("days", "codes"), [(6, []), (7, ["everything_waits"])])
def test_that_all_waits_is_told_once_nothing_was_delivered_for_days(days, codes):
    facts = some_facts(
        newest_outcomes=NewestOutcomes(events=12, waiting=20),
        delivered_at=NOON - timedelta(days=days),
    )

    assert [each.code for each in judge_facts(facts)] == codes


def test_nothing_is_found_where_all_is_well_and_the_light_is_green():
    facts = some_facts(
        arrivals=Arrivals(events=30, test=3, late=15, oldest=HOUR), newest_outcomes=SENT
    )

    assert judge_facts(facts) == []
    assert describe_findings(facts, []).word == "Delivering"
    assert (
        describe_findings(replace(facts, last_upload_accepted_at=None), []).word
        == "Ready"
    )


@pytest.mark.parametrize(
    ("code", "changes", "sentence"),
    [
        (
            "milliseconds",
            {},
            "Refused: 47 events, the last 30 h ago, because occurred_at",
        ),
        (
            "in_future",
            {"count": 1},
            "Refused: 1 event, 30 h ago, because occurred_at is",
        ),
        (
            "revoked_key",
            {"key_prefix": "rk_abc"},
            "Refused: 47 requests, the last 30 h ago, with a revoked API key (rk_abc…).",
        ),
        (
            "not_json",
            {"sample": "It is not JSON."},
            "Refused 47 times, the last 30 h ago. It is not JSON.",
        ),
    ],
)
def test_what_was_refused_last_is_said_however_long_ago_it_was(code, changes, sentence):
    last = RefusalsAtDoor(code, **{"count": 47, "last_at": NOON - 30 * HOUR, **changes})
    facts = some_facts(ingest=AppIngest(accepted=0, refused=(last,)))

    nothing, finding = judge_facts(facts)

    assert nothing.code == "nothing_accepted"
    assert "30 h ago" in nothing.sentence
    assert finding.sentence.startswith(sentence)
    assert describe_findings(facts, [nothing, finding]).colour == "bad"


def test_what_is_refused_now_is_counted_without_what_was_refused_before():
    now, before = (
        RefusalsAtDoor("not_json", count, at, key_prefix=key, sample="It is not JSON.")
        for count, at, key in ((3, NOON, "rk_a"), (40, NOON - 30 * HOUR, "rk_b"))
    )

    (finding,) = judge_facts(
        some_facts(ingest=AppIngest(accepted=9, refused=(now, before)))
    )

    assert finding.count == 3
    assert finding.sentence.startswith("Refused 3 times in the last hour. It is not")


def test_a_reason_that_not_all_have_says_how_many_do():
    parts = [
        ("not_json", 27, "It is not JSON."),
        ("bad_id", 20, "The id is bad."),
        ("not_json", 4, "It is cut off."),
    ]
    door = AppIngest(
        accepted=9,
        refused=tuple(
            RefusalsAtDoor(*part[:2], NOON, sample=part[2]) for part in parts
        ),
    )

    [finding] = judge_facts(some_facts(ingest=door))

    assert finding.count == 51
    assert finding.detail == "not_json"
    assert finding.sentence == (
        "Refused 51 times in the last hour. Most often, 31 times: It is not JSON. "
        "Nothing of that is stored."
    )


def test_that_nothing_was_stored_is_said_once():
    sample = "The body has no event. Nothing was stored. Send one."
    refused_once = RefusalsAtDoor("wrong_shape", 1, NOON, sample=sample)

    [finding] = judge_facts(
        some_facts(ingest=AppIngest(accepted=9, refused=(refused_once,)))
    )

    assert finding.sentence == (
        "Refused 1 time in the last hour. The body has no event. Send one. "
        "Nothing of that is stored."
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"letters": letters("clevertap_528", age=WEEKS)}, "nothing_delivered"),
        ({"letters": letters("no_identity", age=WEEKS)}, "identity_missing"),
        (
            {"newest_outcomes": NewestOutcomes(events=5, unsent=10)},
            "everything_kept_back",
        ),
    ],
)
def test_that_nothing_arrives_is_said_however_long_ago_the_last_event_came(
    changes, code
):
    facts = replace(some_facts(delivered_at=None, newest_outcomes=LOST), **changes)

    findings = judge_facts(facts)

    assert [each.code for each in findings] == [code]
    assert describe_findings(facts, findings).colour != "good"


@pytest.mark.parametrize("delivered_at", [None, NOON - WEEKS - HOUR, NOON - WEEKS])
def test_what_fell_out_last_is_not_old_however_long_ago_it_was(delivered_at):
    facts = some_facts(
        letters=letters("clevertap_528", age=WEEKS),
        newest_outcomes=SENT,
        delivered_at=delivered_at,
    )

    (finding,) = judge_facts(facts)

    assert finding.code == "dead_letters"
    assert describe_findings(facts, [finding]).colour == "busy"


def test_what_a_replay_delivered_is_not_said_to_be_lost():
    facts = some_facts(
        letters=letters("clevertap_528", count=2),
        newest_outcomes=LOST,
        delivered_at=NOON,
    )

    (finding,) = judge_facts(facts)

    assert finding.code == "dead_letters"


def test_what_fell_out_for_a_new_name_is_still_said_when_the_name_is_approved():
    fell_out = some_facts(letters=letters("new_event_name"), newest_outcomes=SENT)
    waiting = replace(fell_out, names=CustomNames(sent=50, waiting=1))

    assert [each.code for each in judge_facts(fell_out)] == ["dead_letters"]
    assert [each.code for each in judge_facts(waiting)] == ["new_name"]


@pytest.mark.parametrize(
    "facts",
    [
        some_facts(newest_outcomes=NewestOutcomes(events=12, unsent=24)),
        some_facts(arrivals=Arrivals(events=12, test=12)),
        some_facts(
            an_integration(event_kinds=EventKinds.TEST), arrivals=Arrivals(events=12)
        ),
        some_facts(
            an_integration(event_kinds=EventKinds.TEST),
            arrivals=Arrivals(events=12),
            newest_outcomes=NewestOutcomes(events=12, unsent=24),
        ),
    ],
    ids=["kept back", "only tests", "only production", "production kept back"],
)
def test_after_the_settings_were_changed_an_event_is_awaited_and_nobody_warned(facts):
    (before,) = judge_facts(facts)
    (after,) = judge_facts(replace(facts, sends_changed=True))

    assert before.severity is Severity.WARNING
    assert (after.code, after.severity) == ("settings_changed", Severity.INFO)
    assert describe_findings(facts, [after]).colour == "idle"


def test_settings_that_left_to_another_integration_what_is_its_own_are_no_finding():
    facts = some_facts(arrivals=TESTS, newest_outcomes=KEPT, sends_changed=True)

    assert judge_facts(replace(facts, others_send=frozenset({EventKinds.TEST}))) == []
    assert [each.code for each in judge_facts(facts)] == ["settings_changed"]


def test_settings_that_were_changed_while_records_are_delivered_are_no_finding():
    delivered = NewestOutcomes(events=10, records=20, delivered=20, unsent=4)
    test = Arrivals(events=12, test=11)

    assert (
        judge_facts(
            some_facts(newest_outcomes=delivered, arrivals=test, sends_changed=True)
        )
        == []
    )


OLD_AND_NEW = (
    OpenLetters("no_identity", 400, NOON - 3 * HOUR),
    OpenLetters("clevertap_513", 40, NOON - HOUR),
)


# Something was delivered between the two, or before both.
@pytest.mark.parametrize("delivered_at", [NOON - 2 * HOUR, NOON - 4 * HOUR])
def test_the_reason_that_is_named_is_that_of_the_newest_and_not_of_most(delivered_at):
    facts = some_facts(
        newest_outcomes=LOST, letters=OLD_AND_NEW, delivered_at=delivered_at
    )

    found = judge_facts(facts)

    assert [(each.code, each.detail, each.count) for each in found] == [
        ("nothing_delivered", "clevertap_513", 20),
        ("dead_letters", "no_identity", 400),
    ]
    assert found[0].sentence.startswith(
        "None of the last 20 records was delivered. The newest: CleverTap "
    )


def test_of_one_upload_the_reason_of_most_is_named():
    few = OpenLetters("clevertap_513", 400, NOON - HOUR, lately=1)
    most = OpenLetters("no_identity", 39, NOON - HOUR, lately=19)

    finding = judge_facts(some_facts(newest_outcomes=LOST, letters=(few, most)))[0]

    assert (finding.code, finding.count) == ("identity_missing", 20)
    assert finding.sentence == (
        "None of the last 20 records was delivered. For the newest no user carries the "
        "identity provider that was chosen when they were made."
    )


@pytest.mark.parametrize("reason", ["no_identity", "clevertap_513"])
def test_the_number_is_that_of_the_sentence(reason):
    many = (OpenLetters(reason, 400, NOON - HOUR),)

    finding = judge_facts(some_facts(newest_outcomes=LOST, letters=many))[0]

    assert finding.count == 20
    assert finding.sentence.startswith("None of the last 20 records was delivered")
    assert "newest" not in finding.sentence


def test_the_worst_comes_first_and_a_cause_before_its_consequences():
    facts = some_facts(
        an_integration(
            passcode=UnreadableSecret("x"), hold_reason="credentials_refused"
        ),
        waiting=LATE,
        arrivals=Arrivals(events=30, late=30, oldest=HOUR),
        letters=letters("clevertap_528", age=25 * HOUR),
        silence=None,
    )

    assert [finding.code for finding in judge_facts(facts)] == [
        "unreadable_passcode",
        "no_worker",
        "stale_events",
        "old_dead_letters",
    ]


@pytest.mark.parametrize("reason", ["suppressed", "erased", "event_removed"])
def test_what_people_wished_is_no_finding(reason):
    assert judge_facts(some_facts(letters=letters(reason), newest_outcomes=LOST)) == []


def test_only_what_was_sent_waits_for_a_verdict():
    queued = some_facts(
        held("server_error"),
        waiting=Waiting(events=2, records=3, under_way=4, since=NOON - HOUR),
    )

    assert (
        "2 events wait and 3 records wait to be sent again and 4 records wait for "
        "CleverTap's verdict, the oldest for 60 min; none is lost."
    ) in judge_facts(queued)[0].sentence


def test_a_fault_that_no_kind_names_is_a_hold_all_the_same():
    (finding,) = judge_facts(some_facts(held("a_new_fault")))

    assert (finding.code, finding.detail) == ("held", "a_new_fault")
