"""What `make mutants` breaks, with which tests, and what it says of the outcome."""

import re
from types import FunctionType

import pytest

from tests.mutants import places, runner
from tests.mutants.__main__ import spread
from tests.mutants.covering import Covering
from tests.mutants.operators import Mutant, broken, mutants_of
from tests.mutants.places import PLACES, Place, modules
from tests.mutants.results import Result, keep, kept, table_of
from tests.mutants.runner import KILLED, SURVIVED, TIMED_OUT

EVERYTHING = re.compile("")


def changes(body, *, head="def decide(a, b):", only=EVERYTHING):
    """Return what becomes of the one line of a function's body, by every mutant."""
    source = f"{head}\n    {body}\n"
    return {each.after.strip() for each in mutants_of("m.py", source, only)}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return a < b", {"return a <= b"}),
        ("return a >= b", {"return a > b"}),
        ("return a == b", {"return a != b"}),
        ("return a is not b", {"return a is b"}),
        ("return a not in b", {"return a in b"}),
        ("return a < b == a", {"return a <= b == a", "return a < b != a"}),
        ("return a and b", {"return a or b"}),
        ("return not a", {"return a"}),
        ("return a + 1", {"return a - 1", "return a + 2"}),
        ("a += b", {"a -= b"}),
        ("return a | b", {"return a & b"}),
        ("return max(a, b)", {"return min(a, b)"}),
        ("return True", {"return False"}),
        ("a.save()", {"0 and a.save()"}),
        ("return a if b else []", {f"return a if {c} else []" for c in (True, False)}),
        (
            "return [c for c in a if c]",
            {f"return [c for c in a if {d}]" for d in (True, False)},
        ),
        ("while a: pass", {"while False: pass"}),
        ("if a: pass", {"if True: pass", "if False: pass"}),
        ("return a.filter(b)", {"return a.exclude(b)"}),
        ("return a.get(at__lte=b)", {"return a.get(at__lt=b)"}),
        ('return a.order_by("-pk")', {'return a.order_by("pk")'}),
        ("return limit_to_apps(a, b)", {"return a"}),
    ],
)
def test_what_decides_is_turned_round(body, expected):
    assert changes(body) == expected


def test_a_function_answers_always_the_same_where_its_type_allows_it():
    a_bool, an_optional = "def may(a) -> bool:", "def find(a) -> int | None:"

    assert changes("return a.x", head=a_bool) == {"return True", "return False"}
    assert changes("return a.x", head=an_optional) == {"return None"}
    assert changes("return None", head=an_optional) == set()
    assert changes("return a.x", head="def find(a) -> int:") == set()


@pytest.mark.parametrize(
    "body",
    [
        '"""Say what 1 + 1 and not 2 is."""',
        'logger.warning("%s and %s", a, b + 1)',
        "failpoints.reach(a)",
        "assert a < b",
        "c: int | None = a",
        'return f"{a + 1}"',
        'return "a" + b',
        "return list(zip(a, b, strict=True))",
    ],
)
def test_words_types_and_assertions_stay_as_they_are(body):
    assert changes(body) == set()


def test_what_runs_at_the_import_stays_as_it_is():
    source = (
        "LIMIT = 1 + 1\n\nclass A:\n    b = True\n\n    def c(self, d=3): return d\n"
    )

    assert mutants_of("m.py", source, EVERYTHING) == []


def test_a_mutant_changes_one_line_and_names_where_its_statement_begins():
    source = (
        "def decide(a, b):\r\n    return (\r\n        a\r\n        and b\r\n    )\r\n"
    )

    (mutant,) = mutants_of("m.py", source, EVERYTHING)

    assert mutant == Mutant("m.py", 4, 2, "        and b", "        or b")
    assert broken(source, mutant) == source.replace("and b", "or b")


def test_only_what_is_asked_for_in_a_head_or_a_line_is_broken():
    only = re.compile(r"may\(")

    assert changes("return a < b", only=only) == set()
    assert changes("return a < may(b)", only=only) == {"return a <= may(b)"}
    assert changes("return a < b", head="def may(a, b):", only=only) == {
        "return a <= b"
    }


def test_each_place_is_there_and_permissions_are_found_in_the_admin():
    names = {module.name for module in modules()}
    (base,) = modules("referrals/admin/kit/base.py")

    mutants = mutants_of(base.name, base.path.read_text("utf-8"), base.only)

    for place in PLACES:
        assert any(name.startswith(f"{place.folder}/") for name in names)
    assert len(names) > 60
    assert {"return bool(request.user.is_superuser)", "return False"} <= {
        mutant.before.strip() for mutant in mutants
    }


def test_a_module_that_is_gone_is_named_with_the_table_to_mend(monkeypatch):
    monkeypatch.setattr(places, "PLACES", (Place("referrals", "access gone"),))

    with pytest.raises(LookupError, match=r"referrals/gone\.py is not there: say in"):
        list(modules())


def test_a_module_that_is_not_in_the_table_cannot_be_asked_for():
    with pytest.raises(LookupError, match=r"manage\.py is not among the PLACES"):
        list(modules("manage.py"))


def test_mutants_are_spread_evenly_and_a_seed_makes_the_same_choice_again():
    few, many = ([a_mutant(line=n) for n in lines] for lines in ((1, 2), range(3, 11)))

    mutants = spread([few, [], many], 7, seed=3)

    assert set(mutants) > set(few)
    assert len(set(mutants) & set(many)) == 5
    assert mutants == spread([few, [], many], 7, seed=3)
    assert mutants != spread([few, [], many], 7, seed=4)
    assert len(spread([few, [], many], 99, seed=3)) == 10


def a_mutant(**changes):
    """Return a mutant of a module, changed by keywords."""
    fields = {"module": "a/b.py", "line": 2, "statement": 2}
    return Mutant(**{**fields, "before": "  a < b", "after": "  a <= b", **changes})


def test_the_tests_that_run_most_of_a_module_in_the_shortest_time_come_first():
    by_line = {1: ["slow", "quick"], 2: ["slow", "thorough", "red"], 3: ["thorough"]}
    seconds = {"slow": 4.0, "quick": 1.5, "thorough": 2.0, "other": 0.1}
    known = Covering(lambda _: by_line, seconds)

    trial = known.trial_of(a_mutant(line=2, statement=1), seconds=4)

    assert trial.tests == {"thorough": 2.0, "quick": 1.5}
    assert list(trial.tests) == ["thorough", "quick"]
    assert trial.covering == 3
    assert list(known.trial_of(a_mutant(), seconds=0).tests) == ["thorough"]
    assert known.trial_of(a_mutant(line=9, statement=9), seconds=4).tests == {}


def test_a_mutant_is_put_in_place_in_functions_that_are_there(tmp_path, monkeypatch):
    path = tmp_path / "m.py"
    path.write_text("class A:\n    def less(self, a, b):\n        return a < b\n")
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    module = {}
    exec(compile(path.read_text(), str(path), "exec"), module)  # noqa: S102 - our own
    functions = [each for each in vars(module["A"]).values() if callable(each)]
    (mutant,) = mutants_of("m.py", path.read_text(), EVERYTHING)

    runner.break_functions(mutant, functions)

    assert module["A"]().less(1, 1)
    assert isinstance(functions[0], FunctionType)
    with pytest.raises(LookupError):
        runner.break_functions(mutant, [])


def a_result(verdict, **changes):
    """Return a result, its mutant and itself changed by keywords."""
    fields = {"tests": 3, "covering": 3, "seconds": 1.5}
    names = fields | {"source": "s", "tests_digest": "t"}
    mine = {name: changes.pop(name, value) for name, value in names.items()}
    return Result(a_mutant(**changes), verdict, **mine)


def test_a_result_holds_while_its_module_is_the_same_a_survivors_while_its_tests_are():
    killed, survived = a_result(KILLED), a_result(SURVIVED)

    assert killed.holds("s", "t", 3)
    assert killed.holds("s", "changed", 9)
    assert not killed.holds("changed", "t", 3)
    assert survived.holds("s", "t", 3)
    assert not survived.holds("s", "changed", 3)
    assert not survived.holds("s", "t", 4)


def test_results_are_kept_and_the_last_one_of_a_mutant_counts(tmp_path):
    path = tmp_path / "results.jsonl"
    keep(path, a_result(SURVIVED))
    keep(path, a_result(KILLED))
    keep(path, a_result(SURVIVED, line=7))
    with path.open("a") as file:
        file.write('{"mutant": {"module": "a/b')

    assert list(kept(path).values()) == [a_result(KILLED), a_result(SURVIVED, line=7)]
    assert kept(tmp_path / "none") == {}


def test_the_table_counts_by_module_and_names_the_survivors():
    results = [
        a_result(SURVIVED, module="b.py", covering=5),
        a_result(KILLED, module="a.py"),
        a_result(TIMED_OUT, module="b.py", line=9),
        a_result(SURVIVED, module="b.py", line=4, tests=0, covering=0),
    ]

    assert table_of(results).splitlines() == [
        " made killed of these late  module",
        "    1      1             0  a.py",
        "    3      1             1  b.py",
        "    4      2             1  altogether",
        "",
        "b.py:2 (3 of 5 tests tried)",
        "  - a < b",
        "  + a <= b",
        "b.py:4 (no test runs it)",
        "  - a < b",
        "  + a <= b",
    ]
