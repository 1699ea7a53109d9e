"""An app of a set-up file, with its key, its integrations and its sources."""

from datetime import timedelta
from typing import Final

import msgspec

from clevertap_sync.provisioning import store
from clevertap_sync.provisioning.applied import Applied, Shown, Verb
from clevertap_sync.provisioning.apply_integration import apply_integration
from clevertap_sync.provisioning.file_keys import APP_COLUMNS
from clevertap_sync.provisioning.file_reading import WantedRow, refuse_place
from clevertap_sync.provisioning.one_app import (
    create_missing_key,
    make_app_name,
    store_app,
)
from referrals.models import App, Source
from referrals.secret import Secret
from referrals.source_provisioning import WantedSource, provision_source
from referrals.source_setup import SourceError

_COLUMNS: Final = {name: name for name in APP_COLUMNS}


def apply_app(wanted: WantedRow, applied: Applied) -> None:
    """Bring one app to what the file says, with everything of it."""
    app = App.objects.filter(slug=wanted.name).first()
    is_new = app is None
    if app is None:
        app = App(slug=wanted.name, name=make_app_name(wanted.name))
    if app.archived_at:
        refuse_place(wanted.place, "This app is archived. Choose another name.")
    differences = store.put_changes(
        app,
        {
            column: value
            for column, value in wanted.choose(_COLUMNS).items()
            if value != getattr(app, column)
        },
    )
    if is_new or differences:
        store_app(app, differences)
    if is_new:
        applied.add_step(wanted, Verb.MADE)
    else:
        applied.add_step(wanted, Verb.CHANGED, differences)
    _make_key(app, wanted, applied)
    for each in wanted.inner["integrations"]:
        apply_integration(app, each, applied)
    for each in wanted.inner["sources"]:
        _apply_source(app, each, applied)
    _list_unnamed(app, wanted, applied)


def _make_key(app: App, wanted: WantedRow, applied: Applied) -> None:
    if not wanted.values.get("api_key", True):
        return
    days = wanted.values.get("api_key_days")
    key, text = create_missing_key(app, timedelta(days=days) if days else None)
    if key and text:
        applied.add_step(wanted.within("api_key"), Verb.MADE)
        applied.shown.append(Shown(wanted.place, "API key", text))


def _apply_source(app: App, wanted: WantedRow, applied: Applied) -> None:
    values = wanted.values
    found = app.sources.filter(platform=values["platform"], name=wanted.name).first()
    if found and found.archived_at:
        refuse_place(wanted.place, "This source is archived. Choose another name.")
    verifier = values.get("verifier")
    try:
        provisioned = provision_source(
            app,
            WantedSource(
                platform=values["platform"],
                name=wanted.name,
                identity=values.get("identity"),
                referrer_keys=_as_tuple(values.get("referrer_keys")),
                events=_as_tuple(values.get("events")),
                is_test=values.get("test"),
                takes_marketing_links=values.get("takes_marketing_links"),
                verifier=msgspec.json.encode(verifier).decode() if verifier else None,
                secret=_choose_secret(found, values.get("secret")),
            ),
        )
    except SourceError as error:
        refuse_place(wanted.place, str(error))
    applied.add_step(
        wanted,
        Verb.MADE if provisioned.is_new else Verb.CHANGED,
        provisioned.differences,
    )
    applied.warn(wanted.place, *provisioned.warnings)
    if provisioned.is_new:
        described = provisioned.describe()
        applied.shown += (
            Shown(wanted.place, label, described[key])
            for label, key in (("address", "url"), ("secret", "secret"))
            if described.get(key)
        )


def _choose_secret(source: Source | None, secret: Secret | None) -> Secret | None:
    """Return the secret, unless either live one is it: a person may have rotated since."""
    live = () if source is None else (source.secret, source.previous_secret)
    return None if secret in live else secret


def _as_tuple(texts: list[str] | None) -> tuple[str, ...] | None:
    return None if texts is None else tuple(texts)


def _list_unnamed(app: App, wanted: WantedRow, applied: Applied) -> None:
    """Name the app's integrations and sources that the file does not."""
    for table, rows in (
        ("integrations", app.integrations.filter(archived_at=None)),
        ("sources", app.sources.filter(archived_at=None)),
    ):
        named = {each.name for each in wanted.inner[table]}
        applied.left_alone += (
            wanted.within(table, each.name).place
            for each in rows
            if each.name not in named
        )
