"""Processes: workers that sweep, web processes that serve, and which release each runs."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from clevertap_sync.models import ProcessSeen
from clevertap_sync.process import worker_presence
from clevertap_sync.process.process_presence import SILENT_AFTER, list_processes
from clevertap_sync.process.worker_presence import WorkerSilence
from integration_project.doctor.check import Area, Check, State
from referrals.words import format_count, format_span

#: So many silent processes are named.
NAMED: Final = 5
_MEGABYTE: Final = 1_000_000

_check = partial(Check, area=Area.PROCESSES)


def examine_processes() -> Iterator[Check]:
    """Yield whether workers are at work, and what each process takes."""
    yield judge_workers(
        worker_presence.count_present_workers(), worker_presence.read_worker_silence()
    )
    seen = list_processes()
    present = [each.process for each in seen if not each.is_silent]
    yield judge_web_processes(present)
    yield from judge_releases(present)
    yield from judge_silent([each.process.name for each in seen if each.is_silent])
    for process in present:
        yield describe_process(process)


def judge_workers(count: int, silence: WorkerSilence | None) -> Check:
    """Return the check of the workers, by the same rule as the finding `no_worker`."""
    if silence is not None and not silence.is_too_long:
        return _check(
            code="workers",
            state=State.OK,
            sentence=f"{format_count(count, 'worker')} at work; the last sweep was "
            f"{format_span(silence.seconds)} ago.",
            values={"workers": count, "silence_seconds": silence.seconds},
        )
    seen = (
        f"No worker has been seen for {format_span(silence.seconds)}"
        if silence
        else "No worker has ever been seen"
    )
    return _check(
        code="no_worker",
        state=State.ERROR,
        sentence=f"{seen}: events are accepted and kept, but not delivered, and no alert is "
        "sent by a worker.",
        remedy="Start a worker: the line worker of the Procfile.",
        values={
            "workers": 0,
            "silence_seconds": silence.seconds if silence else None,
        },
    )


def judge_web_processes(present: Sequence[ProcessSeen]) -> Check:
    """Return the check of the web processes: whether anybody can be answered."""
    count = sum(process.kind == ProcessSeen.Kind.WEB for process in present)
    if count:
        return _check(
            code="web_processes",
            state=State.OK,
            sentence=f"{format_count(count, 'web process', 'web processes')} at work.",
            values={"web_processes": count},
        )
    return _check(
        code="no_web_process",
        state=State.WARNING,
        sentence="No web process has been seen in the last "
        f"{format_span(SILENT_AFTER.total_seconds())}: no event comes in by HTTP.",
        remedy="Start the web processes: the line web of the Procfile.",
        values={"web_processes": 0},
    )


def judge_releases(present: Sequence[ProcessSeen]) -> Iterator[Check]:
    """Yield it where processes of several releases are at work."""
    releases = sorted({process.release for process in present if process.release})
    if len(releases) > 1:
        yield _check(
            code="releases_differ",
            state=State.WARNING,
            sentence=f"Processes of {len(releases)} releases are at work: "
            f"{', '.join(releases)}.",
            remedy="Usual for the minutes of an upgrade. Later, restart what was left behind.",
            values={"releases": len(releases)},
        )


def judge_silent(names: Sequence[str]) -> Iterator[Check]:
    """Yield it where processes were seen within the day, and did not end in order since."""
    if not names:
        return
    further = len(names) - NAMED
    shown = [*names[:NAMED], *([f"{further:,} more"] if further > 0 else [])]
    yield _check(
        code="processes_silent",
        state=State.INFO,
        sentence=f"{format_count(len(names), 'process', 'processes')} fell silent within the "
        f"last day: {', '.join(shown)}.",
        remedy="Usual where a platform kills what it replaces. Otherwise see why: killed for "
        "its memory, hanging, or cut off from the database.",
        values={"processes": len(names)},
    )


def describe_process(process: ProcessSeen) -> Check:
    """Return what a process takes."""
    files = process.open_files
    parts = (
        f"{process.resident_bytes / _MEGABYTE:.0f} MB",
        format_count(process.threads, "thread"),
        *([] if files is None else [format_count(files, "open file")]),
        f"{process.cpu_seconds:.0f} s of CPU time",
        *([f"release {process.release}"] if process.release else []),
    )
    return _check(
        code="process",
        state=State.OK,
        sentence=f"{process.get_kind_display()} {process.name}: {', '.join(parts)}.",
        values={
            "process": process.name,
            "kind": process.kind,
            "release": process.release,
            "resident_bytes": process.resident_bytes,
            "cpu_seconds": process.cpu_seconds,
            "threads": process.threads,
            "open_files": files,
        },
    )
