"""The spool: where events wait that a platform never sends again, while the log is away.

An entry is a call's events, made ready by `log.prepare_for_later` and encrypted. Entries
wait in a store outside the database, which another app registers. `drain` appends them.
Nothing that comes out of the store is believed: what no key of ours has encrypted is no
entry.
"""

import base64
import binascii
import logging
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from time import monotonic
from typing import Final, Literal, NamedTuple, Protocol

import msgspec
from cryptography.fernet import InvalidToken

from referrals import log
from referrals.encrypted_field import read_cipher
from referrals.hooks.deadline import NotDoneError, push_within
from referrals.log import PreparedEvent
from referrals.models import App, name_way
from referrals.schema import IncomingEvent

#: After the second that the log had, so that a platform has its answer within 1.5 s.
PUSH_SECONDS: Final = 0.4
#: After a failure nobody waits for the store again for so long.
SILENCE_SECONDS: Final = 2.0
#: A larger entry takes the store too long to read.
MOST_ENTRY_BYTES: Final = 2_000_000
#: What the cipher's texts begin with: its version, and then the time.
# Reference: https://github.com/fernet/spec/blob/master/Spec.md
_CIPHER_VERSION: Final = b"\x80"
_LEAST_CIPHER_BYTES: Final = 73

Place = Literal["waiting", "aside"]

logger: Final = logging.getLogger(__name__)


class LossReason(StrEnum):
    """Why events of a platform that never sends again are lost. Codes of `ingest`."""

    NO_SPOOL = "no_spool"
    SPOOL_AWAY = "spool_away"
    SPOOL_FULL = "spool_full"
    SPOOL_LOST = "spool_lost"


LOSS_MEANINGS: Final = {
    LossReason.NO_SPOOL: "The log did not take them in time, and there is no spool: "
    "REDIS_URL is not set, or SPOOL_MEGABYTES is 0.",
    LossReason.SPOOL_AWAY: "The log did not take them in time, and the spool's Redis did "
    "not answer.",
    LossReason.SPOOL_FULL: "The log did not take them in time, and the spool was full.",
    LossReason.SPOOL_LOST: "They waited in the spool, and Redis does not have them any "
    "more: it was flushed, or restarted, or had to make room.",
}


class NotSpooledError(Exception):
    """The events are not in the spool, as far as that is known.

    `late` is the work that may still put them there.
    """

    def __init__(self, reason: LossReason, late: NotDoneError | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.late = late


class SpoolAwayError(Exception):
    """The store does not answer, or not as it should."""


class SpoolFullError(Exception):
    """The store has no room."""


class Unreadable(StrEnum):
    """Why something in the store is no entry that can be read."""

    #: It may be an entry. The key that it was encrypted with is not in the settings.
    LOST_KEY = "lost_key"
    #: A key of ours has encrypted it. Another release of the product can read it.
    OTHER_RELEASE = "other_release"
    #: It is no entry of ours.
    GARBAGE = "garbage"


class SpoolEntry(msgspec.Struct, frozen=True):
    """The good events of one call, with the time of its receipt.

    The app's short name is there because a database that was restored from a backup gives
    another app the same number. Entries of earlier releases do not have it.
    """

    app_id: int
    source_id: int
    received_at: datetime
    events: tuple[PreparedEvent, ...]
    app_slug: str = ""

    def is_of(self, app: App | None) -> bool:
        """Return whether the events are this app's."""
        return app is not None and self.app_slug in ("", app.slug)

    @property
    def way(self) -> str:
        """The source's name as a way in."""
        return name_way(self.source_id)


class SpoolState(NamedTuple):
    """How much is in the store: entries that wait, those kept aside, bytes of both."""

    waiting: int
    aside: int
    size: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, anywhere."""
        return not (self.waiting or self.aside)


class SpoolStore(Protocol):
    """Keeps entries in order, within bounds. All but `is_there` raise `SpoolAwayError`."""

    def is_there(self) -> bool:
        """Return whether there is such a store at all. Asks nobody."""

    def push(self, entry: bytes) -> None:
        """Put an entry at the end. Raises `SpoolFullError` where there is no room."""

    def read(self, place: Place, start: int = 0) -> list[bytes]:
        """Return some entries in order, those from the index `start` on."""

    def remove(self, entries: Sequence[bytes], place: Place) -> list[bool]:
        """Remove each of these entries; return of each whether it was there."""

    def set_aside(self, entries: Sequence[bytes]) -> int:
        """Move entries that wait to those that are kept aside; return how many."""

    def measure(self) -> SpoolState:
        """Return how much is in there."""


_stores: Final[list[SpoolStore]] = []
_silent_until = 0.0


def register_spool_store(store: SpoolStore) -> None:
    """Make `store` the one where events wait."""
    _stores[:] = [store]


def find_store() -> SpoolStore | None:
    """Return the store, or None where events have nowhere to wait."""
    return next((store for store in _stores if store.is_there()), None)


def read_state() -> SpoolState | None:
    """Return how much waits in the spool; None where there is none.

    Raises `SpoolAwayError`.
    """
    store = find_store()
    return store.measure() if store else None


def put_events(
    app: App,
    source_id: int,
    events: Sequence[IncomingEvent],
    received_at: datetime,
    *,
    request_id: str = "",
) -> None:
    """Let the events of the call `request_id` wait in the spool. Asks no database.

    Raises `NotSpooledError`.
    """
    store = find_store()
    if store is None:
        raise NotSpooledError(LossReason.NO_SPOOL)
    if is_silent():
        raise NotSpooledError(LossReason.SPOOL_AWAY)
    prepared = log.prepare_for_later(app, events, received_at, request_id=request_id)
    entry = encrypt_entry(
        SpoolEntry(app.pk, source_id, received_at, tuple(prepared), app.slug)
    )
    if len(entry) > MOST_ENTRY_BYTES:
        raise NotSpooledError(LossReason.SPOOL_FULL)
    try:
        push_within(lambda: store.push(entry), seconds=PUSH_SECONDS)
    except SpoolFullError:
        raise NotSpooledError(LossReason.SPOOL_FULL) from None
    except (SpoolAwayError, NotDoneError) as error:
        begin_silence()
        logger.warning("The spool took no events: %s", type(error).__name__)
        late = error if isinstance(error, NotDoneError) else None
        raise NotSpooledError(LossReason.SPOOL_AWAY, late) from None


def encrypt_entry(entry: SpoolEntry) -> bytes:
    """Return the entry as the store gets it."""
    return read_cipher().encrypt(_encode(entry))


def decrypt_entry(stored: bytes) -> SpoolEntry | Unreadable:
    """Return the entry that the store has as `stored`, or why it cannot be read."""
    try:
        return _decode(read_cipher().decrypt(stored))
    except InvalidToken:
        return Unreadable.LOST_KEY if _may_be_encrypted(stored) else Unreadable.GARBAGE
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Unreadable.OTHER_RELEASE


def is_silent() -> bool:
    """Return whether the store has just failed, so that nobody should ask it."""
    return monotonic() < _silent_until


def begin_silence() -> None:
    """Let nobody of this process ask the store for some seconds: it has failed."""
    global _silent_until  # noqa: PLW0603 - one silence per process
    _silent_until = monotonic() + SILENCE_SECONDS


def clear_silence() -> None:
    """Let the store be asked again."""
    global _silent_until  # noqa: PLW0603 - one silence per process
    _silent_until = 0.0


def _may_be_encrypted(stored: bytes) -> bool:
    """Return whether this has the form of what the cipher makes, with whatever key."""
    try:
        raw = base64.urlsafe_b64decode(stored)
    except (binascii.Error, ValueError):
        return False
    return raw.startswith(_CIPHER_VERSION) and len(raw) >= _LEAST_CIPHER_BYTES


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(SpoolEntry).decode
