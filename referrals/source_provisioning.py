"""Makes or updates a source in one step that may be repeated, for scripts.

What is not said stays as it is stored. Everything is checked before anything is written.
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from django.db import transaction

from referrals import history, source_setup
from referrals.history import Difference
from referrals.models import App, Source
from referrals.secret import Secret
from referrals.source_address import SEGMENT, describe_address
from referrals.source_choices import (
    drop_repeated,
    find_event_problem,
    find_identity_problem,
    find_key_problem,
)
from referrals.source_setup import THEIRS, SourceError
from referrals.sources.presets import Preset

_SHOWN_APPS: Final = 20


@dataclass(frozen=True)
class WantedSource:
    """The source to reach; the app, the platform and the name say which one.

    None leaves a choice as it is stored, and an empty one means the preset's again. An
    empty name is the platform's. `verifier` is JSON. `secret` is the platform's own.
    """

    platform: str
    name: str = ""
    identity: str | None = None
    referrer_keys: tuple[str, ...] | None = None
    events: tuple[str, ...] | None = None
    is_test: bool | None = None
    takes_marketing_links: bool | None = None
    verifier: str | None = None
    secret: Secret | None = None


@dataclass(frozen=True)
class ProvisionedSource:
    """The source that was reached. `made` is a new secret of ours, or an empty one.

    `differences` are what was changed of one that was there, in words.
    """

    source: Source
    made: Secret
    warnings: tuple[str, ...]
    is_new: bool = False
    differences: tuple[Difference, ...] = ()

    def describe(self) -> dict[str, Any]:
        """Return what scripts read. The secret is in it only where it was just made."""
        return describe_address(self.source, self.made.reveal())


def find_live_app(slug: str) -> App:
    """Return the app of that name. Raises `SourceError`, also for one that is archived."""
    app = App.objects.filter(slug=slug).first()
    if app is None:
        slugs = App.objects.filter(archived_at=None).values_list("slug", flat=True)
        known = ", ".join(slugs[:_SHOWN_APPS]) or "none yet"
        message = f"There is no app with this name. Apps: {known}."
        raise SourceError(message)
    if app.archived_at:
        message = f"The app {app.slug} is archived: it takes no events any more."
        raise SourceError(message)
    return app


def provision_source(app: App, wanted: WantedSource) -> ProvisionedSource:
    """Make the source or update it. Safe to repeat: the second time changes nothing.

    Another secret than the stored one is put in front of it, and both are accepted.
    Raises `SourceError` with nothing written.
    """
    preset = source_setup.find_preset(wanted.platform)
    name = wanted.name.strip() or preset.title
    with transaction.atomic():
        # Two that run at once would make the same source.
        App.objects.select_for_update().get(pk=app.pk)
        found = app.sources.filter(platform=wanted.platform, name=name).first()
        differences: list[Difference] = []
        if found is None:
            source, made = _create(app, name, preset, wanted)
        else:
            source, made = found, Secret()
            differences = _update(source, wanted)
    warnings = () if source.secret else _warn_of_missing_secret(source, preset)
    return ProvisionedSource(
        source, made, warnings, is_new=found is None, differences=tuple(differences)
    )


def _create(
    app: App, name: str, preset: Preset, wanted: WantedSource
) -> tuple[Source, Secret]:
    source = Source(
        app=app,
        platform=wanted.platform,
        name=name,
        takes_marketing_links=preset.takes_marketing_links,
    )
    for column, value in _find_changes(source, wanted).items():
        setattr(source, column, value)
    made = source_setup.create_source(history.COMMAND_LINE, source, wanted.secret)
    return source, made


def _update(source: Source, wanted: WantedSource) -> list[Difference]:
    """Store what differs; return it in words."""
    if source.archived_at:
        message = (
            f"The source {source.name} is archived. Choose another name with --name."
        )
        raise SourceError(message)
    changes = _find_changes(source, wanted)
    differences = [_compare(source, *change) for change in changes.items()]
    for column, value in changes.items():
        setattr(source, column, value)
    if changes:
        source_setup.change_source(history.COMMAND_LINE, source, changes, differences)
    if wanted.secret and wanted.secret != source.secret:
        source_setup.set_secret(history.COMMAND_LINE, source, wanted.secret)
        differences.append(("Secret", history.HIDDEN, "changed"))
    return differences


def _find_changes(source: Source, wanted: WantedSource) -> dict[str, Any]:
    """Return the columns that are to be other ones. Raises `SourceError` for a bad value."""
    _check_choices(source, wanted)
    keys, events = wanted.referrer_keys, wanted.events
    asked = {
        "identity": wanted.identity,
        "referrer_keys": None if keys is None else list(dict.fromkeys(keys)),
        "chosen_events": None if events is None else drop_repeated(events),
        "is_test": wanted.is_test,
        "takes_marketing_links": wanted.takes_marketing_links,
    }
    changes: dict[str, Any] = {
        column: value
        for column, value in asked.items()
        if value is not None and value != getattr(source, column)
    }
    if wanted.verifier is not None:
        verifier = _read_verifier(wanted.verifier)
        if verifier != source.verifier:
            changes["verifier"] = verifier
    return changes


def _read_verifier(text: str) -> object:
    """Return what the column holds; an empty text gives back what the preset says."""
    try:
        return msgspec.json.decode(text) if text else None
    except msgspec.DecodeError as error:
        message = f"--verifier is no JSON: {error}."
        raise SourceError(message) from None


def _check_choices(source: Source, wanted: WantedSource) -> None:
    if source.is_native and (wanted.identity or wanted.referrer_keys):
        message = (
            f"The calls of {source.preset.title} hold events of ours, which name their "
            "identities themselves. Leave --identity and --referrer-key out."
        )
        raise SourceError(message)
    problem = (
        find_identity_problem(wanted.identity or "")
        or find_key_problem(wanted.referrer_keys or ())
        or find_event_problem(
            wanted.events or (), source.mapping_in_force.get("kinds", {})
        )
    )
    if problem:
        raise SourceError(problem)


def _compare(source: Source, column: str, value: object) -> Difference:
    label = str(Source._meta.get_field(column).verbose_name).capitalize()  # type: ignore[union-attr]
    return label, _show(getattr(source, column)), _show(value)


def _show(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    text = ", ".join(value) if isinstance(value, list) else str(value or "")
    return text or history.EMPTY


def _warn_of_missing_secret(source: Source, preset: Preset) -> tuple[str, ...]:
    if preset.secret != THEIRS or source.platform == SEGMENT:
        return ()
    which = "" if source.name == preset.title else f' --name "{source.name}"'
    warning = (
        f"{source.name} has no secret yet, and no call is taken until it has: {preset.title} "
        "makes it. Follow the steps, copy the secret there, and pipe it into manage.py "
        f"provision_source {source.app.slug} --platform {source.platform}{which} "
        "--secret-stdin."
    )
    return (warning,)
