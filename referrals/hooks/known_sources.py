"""The sources that a process knows, in a form that a call is served from.

A row is read again after `FRESH_SECONDS`. While the database is away, or takes longer than
`READ_SECONDS`, the remembered one goes on: platforms that never send again would lose their
calls otherwise. For the same reason each web process reads all sources ahead, again and
again: one that was made since, and called at another process, is not unknown when an outage
begins. An unknown public ID is never remembered, so that a new source works at once.
"""

import json
import logging
import re
from collections.abc import Sequence
from functools import lru_cache, partial
from threading import Lock
from time import monotonic
from typing import Any, Final

import msgspec
from django.core.exceptions import ImproperlyConfigured
from django.db import Error

from referrals import hashing
from referrals.hooks import outage
from referrals.hooks.deadline import NotDoneError, run_within
from referrals.models import App, IdKey, Source, name_way
from referrals.secret import Secret
from referrals.source_address import read_verifier
from referrals.sources.mapping.paths import is_path
from referrals.sources.mapping.rules import Choices, Mapping
from referrals.sources.mapping.validate import validate_mapping
from referrals.sources.presets import Preset, load_mapping, load_preset
from referrals.sources.verifiers import Verifier

#: A change of a source is noticed so much later at most.
FRESH_SECONDS: Final = 5.0
#: How long a call waits for a row, whatever the database does.
READ_SECONDS: Final = 0.4
#: How far apart a web process reads all sources ahead.
AHEAD_SECONDS: Final = 30.0
#: Each is a row of ours; the bound is for the unforeseen.
MOST_SOURCES: Final = 2_000

#: What a public ID can be: nothing else is asked of the database.
_PUBLIC_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,40}")

logger: Final = logging.getLogger(__name__)


class UnreadableSourceError(Exception):
    """A secret of the source, or its app's key, cannot be decrypted."""


class KnownSource(msgspec.Struct, frozen=True):
    """A source, ready to serve calls. Made by `make_known_source`.

    `secrets` are the live ones, the newest first. `id_key` makes idempotency keys.
    """

    id: int
    app: App
    public_id: str
    platform: str
    preset: Preset
    verifier: Verifier
    secrets: tuple[str, ...]
    mapping: Mapping
    choices: Choices
    id_key: bytes
    is_archived: bool
    has_been_called: bool
    #: Unix seconds until which the shape of a call is captured.
    captures_until: float

    def __repr__(self) -> str:
        """Show the public ID alone: all else holds secrets."""
        return f"KnownSource({self.public_id!r})"

    @property
    def way(self) -> str:
        """Its name as a way in."""
        return name_way(self.id)


class _Remembered(msgspec.Struct):
    source: KnownSource
    until: float


class _Memory:
    """What this process remembers, and until when it does not ask the database again."""

    def __init__(self) -> None:
        self.known: dict[str, _Remembered] = {}
        self.away_until = 0.0
        self._lock = Lock()

    def keep(self, source: KnownSource, until: float) -> None:
        """Remember a source, in place of the oldest where there are too many."""
        with self._lock:
            self.known.pop(source.public_id, None)
            if len(self.known) >= MOST_SOURCES:
                del self.known[next(iter(self.known))]
            self.known[source.public_id] = _Remembered(source, until)

    def forget(self, public_id: str) -> None:
        with self._lock:
            self.known.pop(public_id, None)


_memory = _Memory()


def find_source(public_id: str) -> KnownSource | None:
    """Return the source of that ID, or None for an ID that no source has.

    A call is held up by the database for `READ_SECONDS` at most. Raises a database's error
    or `NotDoneError` where it does not answer and the source is not remembered, and
    `UnreadableSourceError`.
    """
    if not _PUBLIC_ID.fullmatch(public_id):
        return None
    now = monotonic()
    remembered = _memory.known.get(public_id)
    if remembered is not None and (
        now < max(remembered.until, _memory.away_until) or outage.database.is_away()
    ):
        return remembered.source
    try:
        row = run_within(partial(_read_row, public_id), READ_SECONDS)
    except (Error, NotDoneError) as error:
        if remembered is None:
            raise
        outage.database.note_failure()
        logger.warning("A source was not read again: %s", type(error).__name__)
        # Nobody waits for the database once more, for this source's calls or another's.
        _memory.away_until = monotonic() + FRESH_SECONDS
        return remembered.source
    if row is None:
        _memory.forget(public_id)
        return None
    return _remember(row, now)


def find_remembered_source(public_id: str) -> KnownSource | None:
    """Return the source if this process remembers it. Never asks the database."""
    remembered = _memory.known.get(public_id)
    return remembered.source if remembered else None


def remember_source(row: Source) -> KnownSource:
    """Remember a row that was just read or changed, so that the next call is served by it.

    Raises `UnreadableSourceError`.
    """
    return _remember(row, monotonic())


def remember_sources() -> None:
    """Remember all live sources, so that an outage finds none unknown.

    Raises a database's error. A source that cannot serve is left out, and told of.
    """
    now = monotonic()
    hashing.load_keys()
    for row in _read_rows().filter(archived_at=None)[:MOST_SOURCES]:
        _remember_readable(row, now)


def clear_known_sources() -> None:
    """Clear this process's memory of sources, so that the next call reads the database."""
    _memory.known.clear()
    _memory.away_until = 0.0


def make_known_source(row: Source) -> KnownSource:
    """Return `row` in the form that calls are served from.

    Raises `UnreadableSourceError` for a secret that no key decrypts.
    """
    preset = load_preset(row.platform)
    try:
        secrets = _reveal_secrets((row.secret, row.previous_secret))
        id_key = bytes.fromhex(row.app.id_key.key.reveal())
    except (ImproperlyConfigured, IdKey.DoesNotExist, ValueError) as error:
        raise UnreadableSourceError from error
    return KnownSource(
        id=row.pk,
        app=row.app,
        public_id=row.public_id,
        platform=row.platform,
        preset=preset,
        verifier=read_verifier(row),
        secrets=secrets,
        mapping=_read_mapping(row),
        choices=make_choices(row),
        id_key=id_key,
        is_archived=row.archived_at is not None or row.app.archived_at is not None,
        has_been_called=row.first_call_at is not None,
        captures_until=row.capture_until.timestamp() if row.capture_until else 0.0,
    )


def make_choices(row: Source) -> Choices:
    """Return what a source has chosen for itself, beside its mapping."""
    return Choices(
        identity=row.identity or row.preset.identity,
        # They were checked when they were saved: an earlier release knew other paths.
        referrer_keys=tuple(filter(is_path, row.referrer_keys)),
        chosen=frozenset(row.chosen_events),
        left_out=frozenset(row.left_out_events),
        takes_marketing_links=row.takes_marketing_links,
        is_test=row.is_test,
        learns_people=row.app.learns_of_people,
    )


def _read_row(public_id: str) -> Source | None:
    # What a call says is hashed, also while the database is away.
    hashing.load_keys()
    row: Source | None = _read_rows().filter(public_id=public_id).first()
    return row


def _read_rows() -> Any:  # noqa: ANN401 - a query set of rows that are read whole
    return Source.objects.select_related("app__id_key").order_by("pk")


def _remember(row: Source, now: float) -> KnownSource:
    source = make_known_source(row)
    _memory.keep(source, now + FRESH_SECONDS)
    return source


def _remember_readable(row: Source, now: float) -> None:
    try:
        _remember(row, now)
    except Exception as error:  # noqa: BLE001 - one bad row must not keep others unknown
        logger.warning("Source %s was not read: %s", row.pk, type(error).__name__)


def _reveal_secrets(stored: Sequence[Secret]) -> tuple[str, ...]:
    # The second one is only accepted beside the first.
    return tuple(
        text for secret in stored if (text := secret.reveal() if secret else "")
    )


def _read_mapping(row: Source) -> Mapping:
    if row.mapping is None:
        return load_mapping(row.platform)
    mapping = _check_mapping(json.dumps(row.mapping))
    if mapping is not None:
        return mapping
    # It was good when it was saved: an earlier release knew other rules.
    logger.error("The mapping of source %s is not valid any more", row.pk)
    return load_mapping(row.platform)


# A row is read again every few seconds: the same mapping keeps its one program.
@lru_cache(maxsize=512)
def _check_mapping(text: str) -> Mapping | None:
    checked = validate_mapping(json.loads(text))
    return checked if isinstance(checked, Mapping) else None
