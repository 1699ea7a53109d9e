"""Sources are made, changed and archived here, by the admin and by commands alike.

Each function writes in one transaction, with a line of history.
"""

import base64
import re
import secrets
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from referrals import history
from referrals.encrypted_field import UnreadableSecret
from referrals.history import Difference
from referrals.models import App, IdKey, Source
from referrals.secret import Secret
from referrals.source_address import SEGMENT, read_preset_in_force
from referrals.source_choices import find_verifier_problem
from referrals.sources.presets import PLATFORMS, Preset, load_preset
from referrals.sources.verifiers import StandardVerifier, read_standard_secret

#: What the history says of a new secret.
ROTATED: Final = "Put a new secret in front of the old one."
#: Who makes the secret: the platform.
THEIRS: Final = "theirs"

#: How long the shapes of a source's calls are captured, once a person asks for it.
CAPTURE_TIME: Final = timedelta(hours=1)

# A shorter text stands in others by accident.
_TELLING_CHARACTERS: Final = 4
_SECRET_BYTES: Final = 24
_ID_KEY_BYTES: Final = 32
_WHSEC: Final = "whsec_"
_OF_ADDRESS: Final = re.compile(r"[A-Za-z0-9_-]{1,200}")


class SourceError(Exception):
    """The source cannot be as asked; the text says why, and what to do."""


def make_secret(preset: Preset) -> Secret:
    """Return a new secret, in the form that the preset's platform takes."""
    if isinstance(preset.verifier, StandardVerifier):
        random = secrets.token_bytes(_SECRET_BYTES)
        return Secret(_WHSEC + base64.b64encode(random).decode())
    return Secret(secrets.token_urlsafe(_SECRET_BYTES))


def find_preset(platform: str) -> Preset:
    """Return a platform's preset. Raises `SourceError`, which lists the platforms."""
    try:
        return load_preset(platform)
    except KeyError:
        message = (
            f"There is no platform {platform!r}. Use one of: {', '.join(PLATFORMS)}."
        )
        raise SourceError(message) from None


def create_source(by: str, source: Source, secret: Secret | None = None) -> Secret:
    """Save a new `source`; return the secret that we made for it, or an empty one.

    `secret` is the platform's own, where it makes it; it may come later, by `set_secret`.
    Raises `SourceError` with nothing written.
    """
    find_preset(source.platform)
    _check_verifier(source)
    preset = read_preset_in_force(source)
    made = Secret()
    if secret:
        check_secret(preset, secret)
    elif preset.secret != THEIRS and source.platform != SEGMENT:
        secret = made = make_secret(preset)
    source.name = source.name or preset.title
    source.secret = secret or Secret()
    _check_columns(source)
    with transaction.atomic():
        find_or_create_id_key(source.app)
        source.save()
        history.record_change(by, source, "Created.", app=source.app)
    return made


def find_or_create_id_key(app: App) -> IdKey:
    """Return the key of an app's idempotency keys. It is made once and never replaced."""
    made: Any = Secret(secrets.token_hex(_ID_KEY_BYTES))
    key, _ = IdKey.objects.get_or_create(app=app, defaults={"key": made})
    return key


def change_source(
    by: str, source: Source, columns: Iterable[str], differences: Iterable[Difference]
) -> None:
    """Save changed `columns` of `source`. Raises `SourceError` with nothing written."""
    _check_verifier(source)
    _check_columns(source)
    with transaction.atomic():
        source.save(update_fields=list(columns))
        history.record_change(
            by, source, "Changed.", app=source.app, differences=differences
        )


def set_secret(by: str, source: Source, secret: Secret | None = None) -> Secret:
    """Put a new secret in front; return it where we made it, or else an empty one.

    The secret that there was is accepted beside it until `end_previous_secret`. Raises
    `SourceError` for a secret that the platform cannot have.
    """
    preset = read_preset_in_force(source)
    made = Secret()
    if secret:
        check_secret(preset, secret)
    else:
        secret = made = make_secret(preset)
    if secret == source.secret:
        return Secret()
    # What no key decrypts verifies nothing, and cannot be stored again.
    is_readable = not isinstance(source.secret, UnreadableSecret)
    with transaction.atomic():
        source.previous_secret = source.secret if is_readable else Secret()
        source.secret = secret
        source.save(update_fields=["previous_secret", "secret"])
        _record_secret(by, source, ROTATED)
    return made


def end_previous_secret(by: str, source: Source) -> None:
    """Accept the new secret only."""
    with transaction.atomic():
        source.previous_secret = Secret()
        source.save(update_fields=["previous_secret"])
        _record_secret(by, source, "Ended the old secret.")


def archive_source(by: str, source: Source) -> None:
    """Switch a source off for good: its address answers 410, and its secrets are gone."""
    with transaction.atomic():
        source.archived_at = timezone.now()
        source.secret = source.previous_secret = source.captured_call = Secret()
        source.capture_until = None
        source.save()
        history.record_change(by, source, "Archived.", app=source.app)


def start_capture(by: str, source: Source) -> None:
    """Keep the shape of the source's last call for an hour from now. See `hooks.capture`."""
    source.capture_until = timezone.now() + CAPTURE_TIME
    with transaction.atomic():
        source.save(update_fields=["capture_until"])
        history.record_change(
            by, source, "Captures the shape of calls for an hour.", app=source.app
        )


def end_capture(by: str, source: Source) -> None:
    """Capture no call any more, and drop the shape that was kept."""
    source.capture_until = source.captured_at = None
    source.captured_call = Secret()
    with transaction.atomic():
        source.save(update_fields=["capture_until", "captured_call", "captured_at"])
        history.record_change(
            by, source, "Ended the capture, and dropped what was kept.", app=source.app
        )


def remove_captures(app_id: int, identities: Iterable[str]) -> int:
    """Drop the shapes of calls in which one of `identities` stands; return how many.

    A shape has no value of a call, but a platform may have named a member after a person.
    One that no key decrypts goes as well: nobody can say what it holds.
    """
    told = [each.casefold() for each in identities if len(each) >= _TELLING_CHARACTERS]
    captured = Source.objects.filter(app_id=app_id).exclude(captured_at=None)
    named = [source.pk for source in captured if _may_name(source, told)]
    return Source.objects.filter(pk__in=named).update(
        captured_call=Secret(), captured_at=None
    )


def _may_name(source: Source, told: Iterable[str]) -> bool:
    if isinstance(source.captured_call, UnreadableSecret):
        return True
    shape = source.captured_call.reveal().casefold()
    return any(each in shape for each in told)


def check_secret(preset: Preset, secret: Secret) -> None:
    """Raise `SourceError` for a secret that the preset's platform cannot have."""
    text = secret.reveal()
    if not text.strip():
        message = f"The secret is empty. Copy it from {preset.title}, whole."
        raise SourceError(message)
    if text != text.strip() or not text.isprintable():
        message = "The secret has blanks or a line end around it. Copy it without."
        raise SourceError(message)
    if preset.has_secret_in_url and not _OF_ADDRESS.fullmatch(text):
        message = (
            "The secret stands in the address, so it has letters, digits, hyphens and "
            "underscores only. Choose another one, or let us make it."
        )
        raise SourceError(message)
    is_standard = isinstance(preset.verifier, StandardVerifier)
    if is_standard and not read_standard_secret(text):
        message = (
            "The secret is none of Standard Webhooks: it begins with whsec_, and base64 "
            "follows. Copy it whole."
        )
        raise SourceError(message)


def _record_secret(by: str, source: Source, what: str) -> None:
    difference = ("Secret", history.HIDDEN, "changed")
    history.record_change(by, source, what, app=source.app, differences=[difference])


def _check_verifier(source: Source) -> None:
    """Raise `SourceError` where calls could not be verified as the source says."""
    if source.verifier is None:
        return
    if not source.preset.any_verifier:
        message = f"How calls of {source.preset.title} are verified cannot be chosen."
        raise SourceError(message)
    if problem := find_verifier_problem(source.verifier):
        raise SourceError(problem)


def _check_columns(source: Source) -> None:
    """Raise `SourceError` where a column would not take its value, or the name is taken."""
    try:
        source.clean_fields(exclude={"secret", "previous_secret", "captured_call"})
        source.validate_constraints()
    except ValidationError as error:
        problems = (
            f"{name.replace('_', ' ')}: {' '.join(texts)}"
            if name != "__all__"
            else "The app has a source of that platform and name already."
            for name, texts in error.message_dict.items()
        )
        raise SourceError(" ".join(problems)) from error
