"""An alert of a set-up file. One that a person has switched off stays so."""

from collections.abc import Sequence
from typing import Any, Final

from clevertap_sync.alerting import alert_rules, notifiers
from clevertap_sync.models import Alert, AlertMedium
from clevertap_sync.provisioning import store
from clevertap_sync.provisioning.applied import Applied, Shown, Verb
from clevertap_sync.provisioning.file_keys import TABLES
from clevertap_sync.provisioning.file_reading import WantedRow, refuse_place
from referrals.history import Difference
from referrals.models import App
from referrals.secret import Secret

_SECRETS: Final = {"address": "url", "heartbeat_address": "heartbeat_url"}
_COLUMNS: Final = {
    name: _SECRETS.get(name, name) for name in TABLES["alerts"].keys if name != "app"
}


def apply_alert(wanted: WantedRow, applied: Applied) -> None:
    """Bring one alert to what the file says."""
    found = list(Alert.objects.filter(name=wanted.name)[:2])
    if len(found) > 1:
        refuse_place(
            wanted.place,
            "Several alerts have this name. Rename all but one in the admin.",
        )
    alert = found[0] if found else Alert(name=wanted.name)
    differences = store.put_changes(alert, _find_changes(alert, wanted))
    _check_together(alert, wanted)
    if differences or not found:
        _store(alert, wanted, applied, differences, is_new=not found)
    if not alert.enabled:
        applied.add_note(
            wanted, "It is switched off, and stays so: switch it on in the admin."
        )


def _find_changes(alert: Alert, wanted: WantedRow) -> dict[str, Any]:
    _check_addresses(wanted)
    changes = {
        column: value
        for column, value in wanted.choose(_COLUMNS).items()
        if not _is_stored(alert, column, value)
    }
    app = _find_app(wanted) if "app" in wanted.values else alert.app
    return changes if app == alert.app else {**changes, "app": app}


def _is_stored(alert: Alert, column: str, value: object) -> bool:
    stored = getattr(alert, column)
    if isinstance(value, Secret):
        return store.is_same_secret(stored, value)
    return bool(stored == value)


def _check_addresses(wanted: WantedRow) -> None:
    for key in _SECRETS:
        secret = wanted.values.get(key)
        if secret and (problem := alert_rules.find_address_problem(secret.reveal())):
            refuse_place(f"{wanted.place}.{key}", problem)


def _find_app(wanted: WantedRow) -> App:
    app = App.objects.filter(slug=wanted.values["app"], archived_at=None).first()
    if app is None:
        refuse_place(
            f"{wanted.place}.app", "There is no such app, here or in the file."
        )
    return app


def _check_together(alert: Alert, wanted: WantedRow) -> None:
    """Refuse an alert that could tell nobody."""
    if alert.way == AlertMedium.EMAIL and not alert.recipients:
        refuse_place(f"{wanted.place}.recipients", "Write at least one e-mail address.")
    if alert.way != AlertMedium.EMAIL and not alert.url:
        refuse_place(f"{wanted.place}.address", "Say where the address to post to is.")


def _store(
    alert: Alert,
    wanted: WantedRow,
    applied: Applied,
    differences: Sequence[Difference],
    *,
    is_new: bool,
) -> None:
    if alert.way == AlertMedium.WEBHOOK and not alert.signing_secret:
        alert.signing_secret = notifiers.create_signing_secret()
        secret = alert.signing_secret.reveal()
        applied.shown.append(Shown(wanted.place, "signing secret", secret))
    heartbeat = store.label_column(Alert, "heartbeat_url")
    if any(label == heartbeat for label, *_ in differences):
        alert_rules.forget_last_heartbeat(alert)
    alert.save()
    what, verb = ("Created.", Verb.MADE) if is_new else ("Changed.", Verb.CHANGED)
    changed = () if is_new else differences
    store.record(alert, what, alert.app, changed)
    applied.add_step(wanted, verb, changed)
