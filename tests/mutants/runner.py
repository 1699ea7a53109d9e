"""Runs tests against mutants: each in a fork of one pytest that has collected them all.

The fork gives the functions of a module the code of the broken one, in its own memory.
So a mutant costs what its tests take, and the import of the product is paid for once.
"""

import gc
import importlib
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final, NoReturn

import pytest
from django.db import connections

from tests.harness.commands import ROOT
from tests.harness.process import temporary_folder
from tests.mutants.covering import RESULTS, Trial
from tests.mutants.operators import Mutant, broken

KILLED: Final = "killed"
TIMED_OUT: Final = "timed out"
SURVIVED: Final = "survived"
#: What a fork ends with.
_VERDICTS: Final = {0: SURVIVED, 1: KILLED, -signal.SIGALRM: TIMED_OUT}
_UNBROKEN: Final = 2
#: How long a test may take on a busy machine: so long, and so much longer than before.
_PATIENCE_SECONDS: Final = 15.0
_TIMES_LONGER: Final = 8
_POLL_SECONDS: Final = 0.02
#: Tests that need a database and little else.
_WARM_UP: Final = "tests/integration/test_log_reading.py"
#: The first tests of so many trials are run with nothing broken, to see that it can be.
_CHECKED: Final = 20


@dataclass(frozen=True)
class _Fork:
    trial: Trial
    began: float


#: Told of each trial: its verdict, and how many seconds it took.
Tell = Callable[[Trial, str, float], None]


def try_out(trials: Sequence[Trial], tell: Tell, *, workers: int) -> None:
    """Run each trial, so many at a time, and tell how it ended.

    Raises `RuntimeError` where that could not begin, and where nothing could be broken.
    """
    os.environ["TEST_DATABASE"] = "sqlite"
    os.environ["CI"] = "1"  # hypothesis makes the same examples each time
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(temporary_folder("mutants"))
    runner = _Runner([_intact(trials), *trials], tell, workers)
    log = RESULTS / "pytest.log"
    options = ["-x", "-q", "-p", "no:cacheprovider"]
    names = (test for trial in trials for test in [*trial.tests, _WARM_UP])
    files = sorted({name.partition("::")[0] for name in names})
    with _printing_into(log):
        status = pytest.main([*files, *options], plugins=[runner])
    if not runner.is_done:
        message = f"pytest ended with {status!r} before the last mutant: see {log}."
        raise RuntimeError(message)


def _intact(trials: Sequence[Trial]) -> Trial:
    """Return a trial that has to survive: the first tests of some, with nothing broken."""
    tests: dict[str, float] = {}
    for trial in trials[:_CHECKED]:
        tests |= dict(islice(trial.tests.items(), 1))
    mutant = trials[0].mutant
    return Trial(replace(mutant, after=mutant.before), tests, len(tests))


class _Runner:
    """The plugin: in place of the tests it has collected, it runs the trials."""

    def __init__(self, trials: Sequence[Trial], tell: Tell, workers: int) -> None:
        self._trials = trials
        self._tell = tell
        self._workers = workers
        self._forks: dict[int, _Fork] = {}
        self.is_done = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Fork for each trial, and wait for the forks."""
        warm = _warm_up(session)
        for name in {trial.mutant.module for trial in self._trials}:
            importlib.import_module(name.removesuffix(".py").replace("/", "."))
        items = {item.nodeid: item for item in session.items}
        functions = list(_functions())
        # The collector of a fork would write to all pages, and so copy them.
        gc.collect()
        gc.freeze()
        try:
            for number, trial in enumerate(self._trials):
                while len(self._forks) >= self._workers:
                    self._wait()
                chosen = [items[test] for test in trial.tests]
                self._start(number, trial, [warm, *chosen], functions)
            while self._forks:
                self._wait()
        finally:
            for pid in self._forks:
                os.killpg(pid, signal.SIGKILL)
        self.is_done = True
        return True

    def _start(
        self,
        number: int,
        trial: Trial,
        items: Sequence[pytest.Item],
        functions: Sequence[FunctionType],
    ) -> None:
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            _live(number, trial, items, functions)
        os.setpgid(pid, pid)
        self._forks[pid] = _Fork(trial, time.monotonic())

    def _wait(self) -> None:
        """Wait a moment, and tell of the forks that have ended."""
        time.sleep(_POLL_SECONDS)
        for pid, fork in list(self._forks.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._forks[pid]
                code = os.waitstatus_to_exitcode(status)
                mutant = fork.trial.mutant
                if code == _UNBROKEN:
                    message = f"This could not be put in place: {mutant}"
                    raise RuntimeError(message)
                if mutant.after == mutant.before:
                    _expect_green(code)
                    continue
                # Whatever else took the fork down was the mutant.
                verdict = _VERDICTS.get(code, KILLED)
                self._tell(fork.trial, verdict, time.monotonic() - fork.began)


def _expect_green(status: int) -> None:
    if status:
        message = (
            "Tests are red in a fork, with nothing broken: what they kill is none."
        )
        raise RuntimeError(message)


def _warm_up(session: pytest.Session) -> pytest.Item:
    """Run a test, so that there is a database; keep what belongs to the whole session."""
    warm, sibling = next(
        pair
        for pair in pairwise(session.items)
        if all(item.nodeid.startswith(_WARM_UP) for item in pair)
    )
    warm.ihook.pytest_runtest_protocol(item=warm, nextitem=sibling)
    if session.testsfailed:
        message = f"{warm.nodeid} is red without any mutant."
        raise RuntimeError(message)
    connections.close_all()
    return warm


def _live(
    number: int,
    trial: Trial,
    items: Sequence[pytest.Item],
    functions: Sequence[FunctionType],
) -> NoReturn:
    """Run the tests with the mutant until one is red; end with 1 then, else with 0."""
    status = _UNBROKEN
    try:
        if trial.mutant.after != trial.mutant.before:
            break_functions(trial.mutant, functions)
        status = 1
        _take_own_database(f"mutant-{number}.sqlite3")
        warm, *chosen = items
        following = [*chosen[1:], None]
        # What the first test has no part in, such as the warm one's module, goes.
        warm.session._setupstate.teardown_exact(next(iter(chosen), None))
        status = int(any(map(_is_red, chosen, following, trial.tests.values())))
    except BaseException:
        traceback.print_exc()
        status = _UNBROKEN
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def _take_own_database(name: str) -> None:
    """Go on with a copy of the database that the parent has made."""
    database = connections["default"].settings_dict
    made = Path(database["NAME"])
    database["NAME"] = str(shutil.copyfile(made, made.with_name(name)))


def _is_red(item: pytest.Item, following: pytest.Item | None, seconds: float) -> bool:
    # Nobody handles its signal, so it ends the fork.
    signal.setitimer(signal.ITIMER_REAL, _PATIENCE_SECONDS + _TIMES_LONGER * seconds)
    item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
    return item.session.testsfailed > 0


def break_functions(mutant: Mutant, functions: Iterable[FunctionType]) -> None:
    """Give those functions that the module has made the code with the mutant's line.

    Raises `LookupError` where that would break none of them.
    """
    path = ROOT / mutant.module
    source = broken(path.read_text("utf-8"), mutant)
    module = compile(source, str(path), "exec", dont_inherit=True)
    codes = {_key(code): code for code in _codes_in(module)}
    made = [each for each in functions if _key(each.__code__) in codes]
    before = [each.__code__ for each in made]
    for function in made:
        function.__code__ = codes[_key(function.__code__)]
    if before == [each.__code__ for each in made]:
        raise LookupError(mutant)


@contextmanager
def _printing_into(log: Path) -> Iterator[None]:
    """Send what this process and its forks print into a file."""
    kept = [os.dup(stream) for stream in (1, 2)]
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        yield
    finally:
        for stream, copy in zip((1, 2), kept, strict=True):
            os.dup2(copy, stream)
            os.close(copy)


def _functions() -> Iterator[FunctionType]:
    """Yield every function that there is."""
    gc.unfreeze()
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            yield each


def _key(code: CodeType) -> tuple[str, str, int]:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def _codes_in(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes_in(constant)
