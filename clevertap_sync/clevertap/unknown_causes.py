"""Why the outcome of a request is unknown, and what to do about each cause.

Most owners of unknown outcomes find a deploy hook here, and not CleverTap.

Pure: imports no framework.
"""

from enum import StrEnum
from typing import Final, NamedTuple


class UnknownCause(StrEnum):
    """Why no answer came that could be read. Attempts keep it."""

    WORKER_KILLED = "worker_killed"
    WORKER_STOPPED = "worker_stopped"
    DEADLINE = "deadline"
    CONNECTION_CUT = "connection_cut"
    GATEWAY = "gateway"
    UNREADABLE = "unreadable"
    OUR_FAULT = "our_fault"


class CauseWords(NamedTuple):
    """What a cause is called, one of it and several, and what to do about it."""

    one: str
    many: str
    advice: str

    def format_number(self, number: int) -> str:
        """Return "1 killed worker", "3 killed workers"."""
        return f"{number:,} {self.one if number == 1 else self.many}"


CAUSES: Final = {
    UnknownCause.WORKER_KILLED: CauseWords(
        "killed worker",
        "killed workers",
        "Look for what ends workers without a warning: a deploy hook, a memory limit. Let "
        "it send SIGTERM and wait for REQUEST_SECONDS.",
    ),
    UnknownCause.WORKER_STOPPED: CauseWords(
        "request cut by a stop",
        "requests cut by a stop",
        "Give workers more time to stop: a deploy ended them while they waited for "
        "CleverTap.",
    ),
    UnknownCause.DEADLINE: CauseWords(
        "deadline",
        "deadlines",
        "CleverTap did not answer within REQUEST_SECONDS. See how long its answers take, "
        "and raise both REQUEST_SECONDS and LEASE_SECONDS where they come later.",
    ),
    UnknownCause.CONNECTION_CUT: CauseWords(
        "cut connection",
        "cut connections",
        "Look for a proxy, a firewall or a NAT on the way that ends connections.",
    ),
    UnknownCause.GATEWAY: CauseWords(
        "answer of a gateway",
        "answers of a gateway",
        "502 or 504: see status.clevertap.com, and any proxy of your own on the way.",
    ),
    UnknownCause.UNREADABLE: CauseWords(
        "unreadable answer",
        "unreadable answers",
        "Something else answers in CleverTap's place: check proxies.",
    ),
    UnknownCause.OUR_FAULT: CauseWords(
        "fault of ours",
        "faults of ours",
        "Report this with the log line of the fault.",
    ),
}

#: What attempts are that an older version ended.
NOT_KNOWN: Final = CauseWords(
    "of a cause that is not known", "of causes that are not known", "See the attempts."
)


def describe_cause(code: str) -> CauseWords:
    """Return the words of a cause; also of one that is not known."""
    return CAUSES[UnknownCause(code)] if code in set(UnknownCause) else NOT_KNOWN
