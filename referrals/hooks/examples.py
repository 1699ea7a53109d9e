"""What would become of a call that nobody made: a sample, or the shape of a captured one."""

import msgspec

from referrals.hooks.known_sources import KnownSource
from referrals.hooks.receive_call import check_outcomes, read_events
from referrals.rules import BrokenRuleError
from referrals.schema import EventProblem, IncomingEvent
from referrals.source_address import SEGMENT
from referrals.sources.call import Call
from referrals.sources.mapping.outcome import Ignored
from referrals.sources.mapping.rules import Choices
from referrals.sources.segment import read_segment_call, translate_segment_call

_BATCH = "batch"
_TRACK = "track"


def read_example(
    source: KnownSource, call: Call, *, choices: Choices | None = None
) -> tuple[IncomingEvent | EventProblem | Ignored, ...]:
    """Return what becomes of each item of `call`. Stores and counts nothing; never raises.

    A call of Segment's is read as a batch where it has one, or else by the type that it says.
    """
    if source.platform != SEGMENT:
        return read_events(source, call, choices=choices)
    try:
        document = read_segment_call(_BATCH, call)
    except BrokenRuleError as error:
        return (EventProblem(error.code, error.pointer, error.detail),)
    body = document.body
    if isinstance(body, dict) and _BATCH not in body:
        body = {"type": _TRACK, **body}
        document = msgspec.structs.replace(document, body=body)
    outcomes = translate_segment_call(
        document, source.mapping, choices or source.choices, key=source.id_key
    )
    return check_outcomes(outcomes)
