"""What a match rate says: the sentence, and what to do."""

import pytest

from clevertap_sync.insight.match_rate import Match, MatchRate


def a_rate(known, unknown, *others, carried=30, people=30, lower_case=0):
    chosen = Match("email", carried, known, unknown)
    found = tuple(Match(f"other{n}", 30, k, 30 - k) for n, k in enumerate(others))
    return MatchRate(people, chosen, found, lower_case, 0.1)


@pytest.mark.parametrize(
    ("rate", "is_good", "title", "remedy"),
    [
        (a_rate(29, 1), True, "knows 29 of 30 recent users by email", "are linked"),
        (a_rate(15, 15), True, "knows 15 of 30", "are linked"),
        (a_rate(14, 16), False, "knows 14 of 30", "creates a new profile"),
        (a_rate(0, 30), False, "knows 0 of 30", "creates a new profile"),
        (a_rate(2, 28, 5, 29), False, "knows 2 of 30", "29 by other1: choose that"),
        (a_rate(29, 1, 30), True, "knows 29 of 30", "are linked"),
        (a_rate(3, 27, lower_case=20), False, "knows 3 of 30", "20 more in lower case"),
        (a_rate(29, 1, lower_case=1), True, "knows 29 of 30", "1 more in lower case"),
        (a_rate(10, 2), True, "knows 10 of 12 recent users", "are linked"),
        (a_rate(0, 0), False, "did not tell", "Check the connection"),
        (a_rate(0, 0, carried=0), False, "None of the last 30 users", "users carry"),
        (a_rate(0, 0, 9, carried=0), False, "None of the last 30", "9 by other0"),
        (a_rate(0, 0, carried=0, people=0), False, "names a user yet", "Ask again"),
    ],
)
def test_each_finding_has_its_words(rate, is_good, title, remedy):
    assert rate.is_good is is_good
    assert title in rate.title
    assert remedy in rate.remedy


def test_what_was_not_answered_is_neither_known_nor_unknown():
    match = Match("email", 30, 5, 10)

    assert match.unanswered == 15
    assert match.percent == 33
