"""One summary for all parts of a test run, in pytest's own words."""

from tests.harness.run import BROWSER, PARTS, Part, Result, chosen, part_of, read


def test_the_counts_of_all_parts_are_summed_up():
    result = Result()

    read("....\n==== 4 passed, 1 warning in 0.10s ====\n", result)
    read(
        "..F\nFAILED a.py::b - boom\n== 1 failed, 2 passed, 2 warnings in 1.00s ==",
        result,
    )

    assert result.summary(2.5).splitlines() == [
        "=========================== short test summary info ============================",
        "FAILED a.py::b - boom",
        "=================== 1 failed, 6 passed, 3 warnings in 2.50s ====================",
    ]


def test_colours_do_not_hide_the_summary():
    result = Result()

    assert read(
        "\x1b[32m=== \x1b[32m\x1b[1m2 passed\x1b[0m\x1b[32m in 0.05s\x1b[0m ===", result
    )
    assert result.counts == {"passed": 2}


def test_long_runs_are_read_too():
    result = Result()

    assert read("=== 900 passed, 3 skipped in 125.31s (0:02:05) ===", result)
    assert result.counts == {"passed": 900, "skipped": 3}


def test_output_without_a_summary_is_told_apart():
    assert not read("ImportError while loading conftest\n", Result())


def test_browser_tests_run_only_where_they_are_asked_for():
    assert chosen(["-k", "bisect"]) == (PARTS, ["-k", "bisect"])
    assert chosen(["--browser", "-x"]) == (BROWSER, ["-x"])
    assert chosen(["--all"]) == (PARTS + BROWSER, [])
    assert not any("tests/browser" in part.folders for part in PARTS)


def test_each_part_runs_only_the_tests_that_are_named():
    part = Part("sqlite", ["tests/unit", "tests/integration"])
    test = "tests/unit/test_run.py::test_long_runs_are_read_too"

    assert part_of(part, ["-k", "bisect"]) == (part.folders, ["-k", "bisect"])
    assert part_of(part, ["-x", test]) == ([test], ["-x"])
    assert part_of(part, ["tests/unit"]) == (["tests/unit"], [])
    assert part_of(part, ["tests"]) == (part.folders, [])
    assert part_of(part, ["tests/faults"]) == ([], [])
