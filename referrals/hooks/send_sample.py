"""Send a sample: a call as the platform would make it, to the source's own hook.

It goes the whole way, from the address to the log, and its events are test events with ids
of their own. What became of it is read out of the log, as the hook's answer says nothing.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import msgspec

from referrals import log
from referrals.hooks.calling import (
    NoAnswerError,
    call_server,
    call_within,
    write_path,
)
from referrals.hooks.examples import read_example
from referrals.hooks.known_sources import (
    KnownSource,
    UnreadableSourceError,
    make_known_source,
    remember_source,
)
from referrals.hooks.receive_call import append_outcomes, rename_events
from referrals.hooks.sample_mark import HEADER, make_sample_mark, read_sample_mark
from referrals.log import ArchivedAppError
from referrals.models import Source
from referrals.schema import EventProblem, IncomingEvent
from referrals.source_address import SEGMENT
from referrals.source_setup import THEIRS
from referrals.sources.call import Call
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.rules import MEANINGS, Reason
from referrals.sources.presets import Preset
from referrals.sources.samples import make_sample, sign_sample
from referrals.sources.verifiers import Unverified, verify_call

_ARCHIVED: Final = (
    "The source is archived: its address answers 410 to whoever calls it. Connect the "
    "platform again, as a new source."
)
_UNREADABLE: Final = (
    "No key in FIELD_ENCRYPTION_KEYS decrypts the source's secret or its app's key. Put "
    "the key back with which they were saved."
)


class SampleError(Exception):
    """No sample can be sent; the text says why, and what to do."""


class SampleItem(msgspec.Struct, frozen=True):
    """What became of one item of a sample: a position in the log, or why there is none."""

    word: str
    detail: str
    position: int | None = None
    is_refused: bool = False


class SampleAnswer(msgspec.Struct, frozen=True):
    """What became of a sample. `trouble` is why the hook did not take it, or empty."""

    title: str
    trouble: str = ""
    items: tuple[SampleItem, ...] = ()


def send_sample(source: Source, number: int = 0, *, url: str = "") -> SampleAnswer:
    """Call the source's hook with its platform's sample `number`, and tell what came of it.

    Within this process, or at the server whose address is `url`. Raises `SampleError`.
    """
    # The next call within this process is served by the row as it is now.
    known = _ready(source, number, make_known_source if url else remember_source)
    title = known.preset.samples[number].title
    now = datetime.now(UTC)
    mark = make_sample_mark(known.public_id, now)
    nonce = read_sample_mark(mark, known.public_id, now)
    if known.platform == SEGMENT:
        return SampleAnswer(title, items=_append_segment(known, number, nonce))
    call = _sign(known, number, now)
    call = msgspec.structs.replace(
        call, headers=(*call.headers, (HEADER.lower(), mark))
    )
    path = write_path(known.public_id, call)
    try:
        status = call_server(url, path, call) if url else call_within(path, call)
    except NoAnswerError as error:
        raise SampleError(str(error)) from None
    if status != HTTPStatus.OK:
        return SampleAnswer(title, trouble=_explain(status, known, call, now))
    return SampleAnswer(title, items=_find_items(known, call, nonce))


def _ready(
    source: Source, number: int, make: Callable[[Source], KnownSource]
) -> KnownSource:
    """Return the source as it serves the next call. Raises `SampleError`."""
    try:
        known = make(source)
    except UnreadableSourceError:
        raise SampleError(_UNREADABLE) from None
    if known.is_archived:
        raise SampleError(_ARCHIVED)
    samples = known.preset.samples
    if not 0 <= number < len(samples):
        titles = ", ".join(f"{n} ({each.title})" for n, each in enumerate(samples))
        message = (
            f"{known.preset.title} has no sample of that number. It has: {titles}."
        )
        raise SampleError(message)
    if not known.secrets and known.platform != SEGMENT:
        raise SampleError(_ask_for_secret(known.preset))
    return known


def _ask_for_secret(preset: Preset) -> str:
    lacks = "The source has no secret yet, and takes no call without one."
    if preset.secret == THEIRS:
        return (
            f"{lacks} {preset.title} makes it: copy it from there, and enter it with the "
            "source's steps."
        )
    return f"{lacks} Make one on the source's page."


def _sign(known: KnownSource, number: int, now: datetime) -> Call:
    preset = msgspec.structs.replace(known.preset, verifier=known.verifier)
    try:
        return sign_sample(preset, known.secrets[0], now=now, number=number)
    except ValueError:
        message = "The source's secret is none that its platform could sign with."
        raise SampleError(message) from None


def _append_segment(
    known: KnownSource, number: int, nonce: str
) -> tuple[SampleItem, ...]:
    """Append a sample of Segment's: its address wants an API key, of which we have a hash."""
    outcomes = _read_sample(known, make_sample(known.preset, number), nonce)
    try:
        append_outcomes(known, outcomes)
    except ArchivedAppError:
        raise SampleError(_ARCHIVED) from None
    return tuple(_find_item(known, each) for each in outcomes)


def _read_sample(
    known: KnownSource, call: Call, nonce: str
) -> tuple[IncomingEvent | EventProblem | Ignored, ...]:
    choices = msgspec.structs.replace(known.choices, is_test=True)
    return rename_events(read_example(known, call, choices=choices), nonce)


def _find_items(known: KnownSource, call: Call, nonce: str) -> tuple[SampleItem, ...]:
    return tuple(_find_item(known, each) for each in _read_sample(known, call, nonce))


def _find_item(
    known: KnownSource, outcome: IncomingEvent | EventProblem | Ignored
) -> SampleItem:
    if isinstance(outcome, Ignored):
        return SampleItem("Ignored", _explain_ignored(outcome))
    if isinstance(outcome, EventProblem):
        where = f"{outcome.pointer}: " if outcome.pointer else ""
        return SampleItem("Refused", f"{where}{outcome.detail}", is_refused=True)
    logged = log.find_event(known.app.pk, outcome.id)
    if logged is None:
        return SampleItem(
            "Not in the log",
            "The hook has taken it, and it is not in the log yet. Where the database was "
            "slow, it is appended within seconds; the page Ingest shows what was refused.",
        )
    return SampleItem(
        "Accepted", f"A test event, at position {logged.position:,}.", logged.position
    )


def _explain_ignored(ignored: Ignored) -> str:
    because = f"{MEANINGS[ignored.reason].capitalize()}."
    if ignored.reason is Reason.NOT_CHOSEN and ignored.kind:
        return f'{because} Choose the event "{ignored.kind}" to take it.'
    return because


def _explain(status: int, known: KnownSource, call: Call, now: datetime) -> str:
    match status:
        case HTTPStatus.UNAUTHORIZED:
            verified = verify_call(known.verifier, call, known.secrets, now=now)
            if isinstance(verified, Unverified):
                return f"The hook refused it ({verified.check}): {verified.detail}"
            return (
                "The hook refused it, though this process would verify it: the server there "
                "has another secret, or remembers the one before for some seconds."
            )
        case HTTPStatus.NOT_FOUND:
            return "No source has this public ID there."
        case HTTPStatus.GONE:
            return _ARCHIVED
        case HTTPStatus.SERVICE_UNAVAILABLE | HTTPStatus.TOO_MANY_REQUESTS:
            return (
                f"The hook is busy ({status}): the database did not answer in time. Send it "
                "again."
            )
    return f"The hook answered {status}. Its platform would take that for a failure."
