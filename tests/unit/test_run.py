"""One summary for all parts of a test run, in pytest's own words, on one screen."""

from pathlib import Path

import pytest

from tests.harness import run
from tests.harness.failures import Failure
from tests.harness.run import (
    BROWSER,
    LESS,
    NEARLY_ALL,
    PARTS,
    Part,
    chosen,
    need_postgresql,
    part_of,
)
from tests.harness.summary import Result


def test_the_counts_of_all_parts_are_summed_up():
    result = Result(failures=[Failure("FAILED", "a.py::b", "boom")])

    result.read("....\n==== 4 passed, 1 warning in 0.10s ====\n")
    result.read("..F\nFAILED a.py::b\n== 1 failed, 2 passed, 2 warnings in 1.00s ==")

    assert result.summary(2.5, Path("output.txt")).splitlines() == [
        "=========================== short test summary info ============================",
        "FAILED a.py::b",
        "    boom",
        "The whole output is in output.txt",
        "=================== 1 failed, 6 passed, 3 warnings in 2.50s ====================",
    ]


def test_what_failed_fits_on_a_screen_however_much_it_is():
    result = Result()
    for n in range(500):
        result.failures.append(
            Failure("FAILED", f"a.py::test_{n}", f"{n} " + "x" * 200)
        )

    lines = result.summary(2.5, Path("output.txt")).splitlines()

    assert len(lines) <= 24
    assert max(map(len, lines)) == 80
    assert lines[1:3] == ["FAILED a.py::test_0", f"    0 {'x' * 73}…"]
    assert lines[-3] == "… and 491 more."


def test_a_part_that_ended_without_a_summary_is_an_error():
    result = Result()

    assert not result.read("ImportError while loading conftest\n")
    result.did_not_run("sqlite: tests/unit")

    assert result.summary(1, None).splitlines()[1:] == [
        "ERROR sqlite: tests/unit",
        "    did not run to its end",
        " 1 error in 1.00s ".center(80, "="),
    ]


def test_colours_do_not_hide_the_summary():
    result = Result()

    assert result.read(
        "\x1b[32m=== \x1b[32m\x1b[1m2 passed\x1b[0m\x1b[32m in 0.05s\x1b[0m ==="
    )
    assert result.counts == {"passed": 2}


def test_long_runs_are_read_too():
    result = Result()

    assert result.read("=== 900 passed, 3 skipped in 125.31s (0:02:05) ===")
    assert result.counts == {"passed": 900, "skipped": 3}


def test_thorough_and_browser_tests_run_only_where_they_are_asked_for():
    assert chosen([]) == (PARTS, [*LESS])
    assert chosen(["-k", "bisect"]) == (PARTS, [*LESS, "-k", "bisect"])
    assert chosen(["--browser", "-x"]) == (BROWSER, ["-x"])
    assert chosen(["--all"]) == (PARTS + BROWSER, [*NEARLY_ALL])
    assert not any("tests/browser" in part.folders for part in PARTS)


def test_what_is_named_runs_whether_it_is_thorough_or_not():
    assert chosen(["tests/unit", "-x"]) == (PARTS, ["tests/unit", "-x"])


def test_each_part_runs_only_the_tests_that_are_named():
    part = Part("sqlite", ["tests/unit", "tests/integration"])
    test = "tests/unit/test_run.py::test_long_runs_are_read_too"

    assert part_of(part, ["-k", "bisect"]) == (part.folders, ["-k", "bisect"])
    assert part_of(part, ["-x", test]) == ([test], ["-x"])
    assert part_of(part, ["tests/unit"]) == (["tests/unit"], [])
    assert part_of(part, ["tests"]) == (part.folders, [])
    assert part_of(part, ["tests/faults"]) == ([], [])


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ([], True),
        (["-k", "bisect"], True),
        (["tests/unit"], False),
        (["tests/unit/test_run.py", "-x"], False),
        (["tests/unit", "tests/integration"], True),
        (["tests/faults/test_disk.py"], True),
    ],
)
def test_postgresql_starts_only_for_tests_that_run_on_it(arguments, needed):
    assert need_postgresql(PARTS, arguments) is needed


def test_the_newest_outputs_stay_however_many_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    folder = tmp_path / "output"
    folder.mkdir()

    for there in (8, 12):
        for n in range(there):
            (folder / f"2020-01-{n + 1:02}-000000-1.txt").touch()
        with run._output_kept_if(Result(failed=True)) as output:
            left = {path.name for path in folder.iterdir()} - {Path(output.name).name}

        first = max(1, there - run.KEPT_OUTPUTS + 2)
        assert left == {f"2020-01-{n:02}-000000-1.txt" for n in range(first, there + 1)}
        Path(output.name).unlink()
