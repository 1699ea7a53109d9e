"""Runs the tests: `python -m tests.harness.run [--all | --browser] [what pytest takes]`.

Without more, it runs each kind of test there is, but for those that are marked
`thorough`: they show more of what others show. `--all` runs them too, and the browser
tests; `--browser` runs these alone. Where tests are named (`tests/unit`,
`tests/faults/test_disk.py::test_…`), it runs those, whatever their marks: also the
`exhaustive` ones, which are left to whoever names them, as `make faults` does.

Every part is a pytest of its own, because Django knows one database per process. One
PostgreSQL serves all of them. The output ends in one summary of all parts, as pytest
words it, and the status is zero only if every part's was. What a run starts and makes
goes with it, however it ends; of one that failed, the whole output stays.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NoReturn

from tests.harness import failures, postgres
from tests.harness.process import Process, shared_folder, temporary_folder
from tests.harness.summary import Result

ROOT: Final = Path(__file__).resolve().parent.parent.parent
#: Where the whole output of a run that failed stays. TEST_RESULTS names another folder.
RESULTS: Final = Path(os.environ.get("TEST_RESULTS", ROOT / "test-results"))
KEPT_OUTPUTS: Final = 10
#: References: https://docs.pytest.org/en/stable/reference/exit-codes.html, and a shell's
#: status after Ctrl-C.
NOTHING_COLLECTED: Final = 5
INTERRUPTED: Final = 130
LESS: Final = ("-m", "not thorough")
NEARLY_ALL: Final = ("-m", "not exhaustive")


@dataclass(frozen=True)
class Part:
    """Folders whose tests run on one kind of database, in `workers` processes."""

    database: str
    folders: Sequence[str]
    workers: int = 3
    distribution: str = "worksteal"

    def __str__(self) -> str:
        return f"{self.database}: {' '.join(self.folders)}"


PARTS: Final = (
    # A dozen unit tests wait for what they have started, and the others for the database: a
    # third process fills the gaps.
    Part("sqlite", ["tests/unit", "tests/integration"]),
    Part("postgresql", ["tests/integration"]),
    # Real processes: their time is waiting, and they choose their databases themselves.
    # What waits longest begins first.
    Part(
        "postgresql",
        ["tests/planted", "tests/faults", "tests/acceptance", "tests/ops"],
        6,
        "loadgroup",
    ),
)
# Who is at a page waits for the browser, which waits for the server: a third fills the gaps.
BROWSER: Final = (Part("sqlite", ["tests/browser"]),)
#: What is run where the first argument says so, and what pytest gets with it.
CHOICES: Final = {"--browser": (BROWSER, ()), "--all": (PARTS + BROWSER, NEARLY_ALL)}


def main(arguments: Sequence[str]) -> int:
    """Run every part, print the summary, and return the exit status."""
    began, result = time.monotonic(), Result()
    parts, arguments = chosen(arguments)
    # A shell may have started this with SIGINT ignored, and its children would inherit it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with _output_kept_if(result) as output:
        try:
            shared_folder()
            if need_postgresql(parts, arguments):
                postgres.server()
            for part in parts:
                _run(part, arguments, result, output)
        except KeyboardInterrupt:
            print("\nThe run was cut off.")
            result.failed = True
            return INTERRUPTED
        finally:
            result.failed |= not result.counts
            took = time.monotonic() - began
            print(f"\n{result.table()}")
            print(result.summary(took, Path(output.name)))
    return int(result.failed)


def chosen(arguments: Sequence[str]) -> tuple[Sequence[Part], Sequence[str]]:
    """Return which parts to run, and what pytest gets."""
    match arguments:
        case [choice, *rest] if choice in CHOICES:
            parts, options = CHOICES[choice]
            return parts, [*options, *rest]
    if any(_is_in(each, "tests") for each in arguments):
        return PARTS, arguments
    return PARTS, [*LESS, *arguments]


def part_of(
    part: Part, arguments: Sequence[str]
) -> tuple[Sequence[str], Sequence[str]]:
    """Return what the part runs, and the arguments that name no tests."""
    named = [each for each in arguments if _is_in(each, "tests")]
    options = [each for each in arguments if each not in named]
    whole = [f for f in part.folders if any(Path(ROOT, f).glob("**/test_*.py"))]
    if not named:
        return whole, options
    around = [f for f in whole if any(_is_in(f, each) for each in named)]
    within = [each for each in named if any(_is_in(each, f) for f in part.folders)]
    return list(dict.fromkeys([*around, *within])), options


def need_postgresql(parts: Sequence[Part], arguments: Sequence[str]) -> bool:
    """Return whether any part that has something to run runs it on PostgreSQL."""
    return any(
        part.database == "postgresql" and part_of(part, arguments)[0] for part in parts
    )


def _is_in(name: str, folder: str) -> bool:
    """Return whether a test, as pytest names it, is in a folder, or is all of it."""
    path = Path(ROOT, name.partition("::")[0])
    return bool(name) and path.exists() and path.is_relative_to(Path(ROOT, folder))


def _run(
    part: Part, arguments: Sequence[str], result: Result, output: IO[bytes]
) -> None:
    folders, options = part_of(part, arguments)
    if not folders:
        return
    print(f"\n{part}", flush=True)
    began = time.monotonic()
    said, status, failed = _pytest(part, [*folders, *options], output)
    result.seconds[str(part)] = time.monotonic() - began
    result.failed |= status not in {0, NOTHING_COLLECTED}
    result.failures += failed
    if not result.read(said) and status not in {0, NOTHING_COLLECTED}:
        result.did_not_run(str(part))


def _pytest(
    part: Part, arguments: Sequence[str], output: IO[bytes]
) -> tuple[str, int, list[failures.Failure]]:
    """Run pytest; return what it said, its status, and what failed."""
    # It goes with this process, whatever pytest leaves in it.
    folder = temporary_folder("run")
    told = folder / "failures.jsonl"
    command = [
        *(sys.executable, "-m", "pytest", "-p", failures.__name__),
        *(f"-n{part.workers}", f"--dist={part.distribution}"),
        *(f"--basetemp={folder / 'tmp'}",),
        *(["--color=yes"] if sys.stdout.isatty() else []),
        *arguments,
    ]
    popen = subprocess.Popen(
        command,
        cwd=ROOT,
        env={
            **os.environ,
            "TEST_DATABASE": part.database,
            failures.FAILURES: str(told),
            # What a test came to is shown then, also where this is read by a program.
            "PYTHONUNBUFFERED": "1",
            # Else every process of every part rewrites its asserts anew, for seconds.
            "PYTHONDONTWRITEBYTECODE": "",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        # Of its own, so that its end is the end of all that it started.
        start_new_session=True,
    )
    process = Process(command, log=folder / "log", started=popen)
    try:
        said = _echo(popen, output)
        return said, process.wait(), failures.read(told)
    except KeyboardInterrupt:
        process.stop(signal.SIGINT)
        raise


def _echo(process: subprocess.Popen[bytes], output: IO[bytes]) -> str:
    """Pass the output on as it comes, not line by line, and return it."""
    assert process.stdout is not None
    chunks = []
    while chunk := os.read(process.stdout.fileno(), 65536):
        for stream in (sys.stdout.buffer, output):
            stream.write(chunk)
            stream.flush()
        chunks.append(chunk)
    return b"".join(chunks).decode(errors="replace")


@contextmanager
def _output_kept_if(result: Result) -> Iterator[IO[bytes]]:
    """Yield a file for the whole output, which stays where `result.failed` in the end."""
    folder = RESULTS / "output"
    folder.mkdir(parents=True, exist_ok=True)
    newest_first = sorted(folder.glob("*.txt"), reverse=True)
    for old in newest_first[KEPT_OUTPUTS - 1 :]:
        old.unlink(missing_ok=True)
    stamp = time.strftime("%Y-%m-%d-%H%M%S")
    path = folder / f"{stamp}-{os.getpid()}.txt"
    with path.open("wb") as file:
        yield file
    if not result.failed:
        path.unlink()


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
