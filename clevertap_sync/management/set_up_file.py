"""`manage.py provision --file`: reads the file, applies it, and says in words what came of it."""

import os
import sys
from collections.abc import Iterator
from json import dumps
from pathlib import Path
from typing import Any, Final

from clevertap_sync.provisioning.applied import Applied, Step, Verb
from clevertap_sync.provisioning.apply_file import apply_set_up
from clevertap_sync.provisioning.file_reading import LONGEST, read_set_up
from clevertap_sync.provisioning.file_secrets import SecretPlaces
from clevertap_sync.provisioning.store import ProvisioningError

STANDARD_INPUT: Final = "-"
_MARKS: Final = {Verb.MADE: "+", Verb.CHANGED: "~", Verb.ENABLED: ">"}
#: What is done, and what a dry run says of it.
_WOULD: Final = {
    Verb.MADE: "would be made",
    Verb.CHANGED: "would change",
    Verb.ENABLED: "would be enabled, from now",
}
_DONE: Final = {
    Verb.MADE: "made",
    Verb.CHANGED: "changed",
    Verb.ENABLED: "enabled, from now",
}


def apply_file(path: str, *, dry_run: bool) -> Applied:
    """Apply the set-up file at `path`. Raises `ProvisioningError`."""
    folder = Path() if path == STANDARD_INPUT else Path(path).parent
    secrets = SecretPlaces(os.environ, folder)
    return apply_set_up(read_set_up(_read_text(path), secrets), dry_run=dry_run)


def describe_as_text(applied: Applied, *, dry_run: bool) -> str:
    """Return what came of the file, for people."""
    return "\n".join(_list_lines(applied, dry_run=dry_run))


def describe_as_json(applied: Applied, *, dry_run: bool) -> str:
    """Return what came of the file, for scripts."""
    shown: dict[str, Any] = {
        "dry_run": dry_run,
        "changes": [
            {
                "place": step.place,
                "what": step.verb,
                "differences": [list(each) for each in step.differences],
            }
            for step in applied.steps
        ],
        "notes": [
            {"place": each.place, "sentence": each.sentence} for each in applied.notes
        ],
        "left_alone": applied.left_alone,
        "shown_once": [
            {"place": each.place, "what": each.label, "text": each.text}
            for each in applied.shown
        ],
    }
    return dumps(shown, ensure_ascii=False)


def _read_text(path: str) -> str:
    try:
        if path == STANDARD_INPUT:
            raw = sys.stdin.buffer.read(LONGEST + 1)
        else:
            with Path(path).open("rb") as file:
                raw = file.read(LONGEST + 1)
        return raw.decode("utf-8-sig")
    except (OSError, AttributeError) as error:  # standard input may be closed
        message = f"The file cannot be read ({type(error).__name__})."
        raise ProvisioningError(message) from None
    except UnicodeDecodeError:
        message = "The file is not in UTF-8."
        raise ProvisioningError(message) from None


def _list_lines(applied: Applied, *, dry_run: bool) -> Iterator[str]:
    words = _WOULD if dry_run else _DONE
    for step in applied.steps:
        yield f"{_MARKS[step.verb]} {step.place}: {words[step.verb]}"
        yield from _list_differences(step)
    yield _summarise(applied, dry_run=dry_run)
    yield from (f"{note}" for note in applied.notes)
    if applied.left_alone:
        yield "Not in the file, and left alone:"
        yield from (f"  {place}" for place in applied.left_alone)
    if applied.shown:
        yield "Keep these: they are not shown again."
        yield from (
            f"  {each.place} {each.label}: {each.text}" for each in applied.shown
        )


def _list_differences(step: Step) -> Iterator[str]:
    for label, old, new in step.differences:
        yield f"    {label}: {old} → {new}"


def _summarise(applied: Applied, *, dry_run: bool) -> str:
    if not applied.steps:
        return "Nothing would change." if dry_run else "Nothing changed."
    counts = [
        f"{number} {verb}"
        for verb in Verb
        if (number := sum(step.verb is verb for step in applied.steps))
    ]
    said = ", ".join(counts)
    return f"It would be: {said}. Nothing was written." if dry_run else f"{said}."
