"""What a verified call becomes: events, each as `POST /v1/events` takes it. Pure.

Every item of a call has one outcome: an event, the reason why there is none, or a
refusal. What an event must satisfy is checked where it is appended, like every other.
"""

from typing import Any

from referrals.refusals import Code
from referrals.rules import BrokenRuleError
from referrals.schema import EventProblem
from referrals.sources.call import Call
from referrals.sources.document import Document, read_document
from referrals.sources.mapping.event import complete_event, make_event
from referrals.sources.mapping.outcome import Ignored, Outcome
from referrals.sources.mapping.program import Program, compile_mapping
from referrals.sources.mapping.reader import KeyedHash, Reader
from referrals.sources.mapping.rules import MAX_ITEMS, Choices, Mapping, Reason
from referrals.sources.mapping.work import TooMuchWorkError, Work


def translate_call(
    call: Call, mapping: Mapping, choices: Choices, *, key: bytes
) -> list[Outcome]:
    """Return what becomes of each item of a verified call, in order. Never raises.

    The call comes without its secrets (`verifiers.hide_secret`), as a mapping may name any
    header. `key` makes idempotency keys and handles; with another one, a call that is sent again
    is another event. Of more than `MAX_ITEMS` the first are translated, and one refusal
    stands for the others.
    """
    try:
        document = read_document(call)
    except BrokenRuleError as error:
        return [EventProblem(error.code, error.pointer, error.detail)]
    return translate_document(document, mapping, choices, key=key)


def translate_document(
    document: Document,
    mapping: Mapping,
    choices: Choices,
    *,
    key: bytes,
    most_items: int = MAX_ITEMS,
    work: Work | None = None,
) -> list[Outcome]:
    """Return what becomes of each item of a call that was read. Never raises.

    `work` counts what that costs, and bounds it; it is linear in the size of the body
    unless another is given.
    """
    program = compile_mapping(mapping)
    items = _find_items(document, program)
    if not items:
        return [Ignored(Reason.NO_EVENT)]
    kept = items[:most_items]
    work = work or Work(size=document.size, items=len(kept))
    keyed_hash = KeyedHash(key)
    outcomes = [
        _translate_item(
            Reader(document, item, keyed_hash=keyed_hash, work=work), program, choices
        )
        for item in kept
    ]
    if len(items) > len(kept):
        outcomes.append(_too_many_items(len(items), len(kept)))
    return outcomes


def _find_items(document: Document, program: Program) -> list[Any]:
    """Return the items: the elements of `each`, of a body that is a list, or the body."""
    if program.each is not None:
        work = Work(size=document.size, items=1)
        reader = Reader(document, document.body, keyed_hash=KeyedHash(b""), work=work)
        found = reader.read_path(program.each, document.body)
        if isinstance(found, list):
            return found
    return document.body if isinstance(document.body, list) else [document.body]


def _translate_item(reader: Reader, program: Program, choices: Choices) -> Outcome:
    event: dict[str, Any] = {}
    try:
        for holds, reason in program.when:
            if not holds(reader):
                return Ignored(reason)
        if program.native is not None:
            return complete_event(event, reader, program, choices)
        return make_event(event, reader, program, choices)
    except BrokenRuleError as error:
        return EventProblem(error.code, error.pointer, error.detail, event.get("id"))
    except TooMuchWorkError:
        return EventProblem(
            Code.TOO_LARGE,
            "",
            "The mapping reads more of this call than any call is worth. Let it read "
            "smaller parts: paths within the item in place of the whole body.",
            event.get("id"),
        )


def _too_many_items(sent: int, kept: int) -> EventProblem:
    return EventProblem(
        Code.TOO_MANY_EVENTS,
        "",
        f"The call has {sent:,} items, of which the first {kept:,} were taken. Let the "
        "platform send smaller batches.",
    )
