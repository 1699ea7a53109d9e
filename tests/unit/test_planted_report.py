"""The table of what planted causes came to."""

from tests.planted.report import table_of


def test_each_cause_has_its_words_and_its_fix_and_the_latest_comes_last():
    late = {
        "cause": "a worker that is gone",
        "seconds": 33.94,
        "code": "no_worker",
        "sentence": "No worker has been seen for 32 s.",
        "url": "/admin/#machinery",
    }
    soon = {
        "cause": "a wrong passcode",
        "seconds": 2.9,
        "code": "wrong_passcode",
        "sentence": "CleverTap refuses the passcode.",
        "url": "/admin/",
    }

    assert table_of([late, soon]).splitlines() == [
        "named after  cause: code",
        "      2.9 s  a wrong passcode: wrong_passcode",
        "             “CleverTap refuses the passcode.”",
        "             → /admin/",
        "     33.9 s  a worker that is gone: no_worker",
        "             “No worker has been seen for 32 s.”",
        "             → /admin/#machinery",
    ]
