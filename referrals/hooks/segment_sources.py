"""Which source the Segment calls of an API key belong to; the first call makes it.

It is the source that a tracking-only key is bound to, or else the app's oldest one of the
platform segment that is not archived. So a choice stays right until that is archived, and is
remembered until then.
"""

import contextlib

from django.db import IntegrityError

from referrals.api.auth import CallerRefusedError
from referrals.api.problems import APP_ARCHIVED
from referrals.hooks.known_sources import MOST_SOURCES, KnownSource, find_source
from referrals.models import ApiKey, Source
from referrals.refusals import Code
from referrals.source_address import SEGMENT
from referrals.source_setup import SourceError, create_source

#: Public IDs of sources, by app and by the source that a key is bound to.
_chosen: dict[tuple[int, int | None], str] = {}


def find_segment_source(key: ApiKey) -> KnownSource:
    """Return the source for the calls of `key`.

    Raises `CallerRefusedError` where it is archived, `UnreadableSourceError`, and a
    database's error or `NotDoneError` where the database is away and the source is not
    remembered.
    """
    which = (key.app_id, key.tracking_source_id)
    remembered = _chosen.get(which)
    source = find_source(remembered) if remembered else None
    if source is None or source.is_archived:
        _chosen.pop(which, None)
        public_id = _choose_source(key).public_id
        source = find_source(public_id)
        if source is None or source.is_archived:
            raise _make_refusal(key)
        if len(_chosen) >= MOST_SOURCES:
            _chosen.clear()
        _chosen[which] = public_id
    return source


def clear_chosen_sources() -> None:
    """Clear this process's memory of choices, so that the next call reads the database."""
    _chosen.clear()


def _choose_source(key: ApiKey) -> Source:
    if key.tracking_source_id is not None:
        return Source.objects.get(pk=key.tracking_source_id)
    sources = Source.objects.filter(app=key.app_id, platform=SEGMENT).order_by("pk")
    if not sources.exists():
        # Another process may make it in the same moment.
        with contextlib.suppress(SourceError, IntegrityError):
            create_source(f"API key {key}", Source(app=key.app, platform=SEGMENT))
    live = sources.filter(archived_at=None).first()
    if live is None:
        raise _make_refusal(key)
    return live


def _make_refusal(key: ApiKey) -> CallerRefusedError:
    return CallerRefusedError(
        Code.SOURCE_ARCHIVED,
        "The Segment source of this API key is archived, and a call does not bring it back. "
        "Nothing was stored. Make a new source on the page Sources of the admin.",
        kind=APP_ARCHIVED,
        key=key,
    )
