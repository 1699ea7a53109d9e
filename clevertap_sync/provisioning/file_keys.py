"""What a set-up file may say: its tables, and each key with what it takes and means.

The one list of it: the file is checked by it, and its page is written from it. A setting of
an app joins by its column in `APP_COLUMNS`: type, rules and sentence are the column's own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from django.db.models import Field, Model
from django.utils.text import capfirst

from clevertap_sync.alerting.alert_rules import LIMITS
from clevertap_sync.alerting.thresholds import (
    OTHER_ERRORS,
    OTHER_WARNINGS,
    THRESHOLDS,
)
from clevertap_sync.clevertap.limits import MAX_IN_FLIGHT
from clevertap_sync.models import SENDS, Alert, Integration
from clevertap_sync.provisioning.file_values import (
    Reader,
    allow_never,
    make_choice_reader,
    make_choices_reader,
    make_column_reader,
    make_range_reader,
    read_addresses,
    read_flag,
    read_location,
    read_networks,
    read_provider_names,
    read_secret_place,
    read_text,
    read_texts,
    read_verifier,
)
from referrals.keys import LONGEST_LIFE, SHORTEST_LIFE
from referrals.models import App, Source
from referrals.sources.presets import PLATFORMS

_PLACE: Final = '`{ env = "NAME" }` or `{ file = "PATH" }`'
_FLAG: Final = "`true` or `false`"
_TEXTS: Final = "a list of texts"
_NEVER: Final = " Empty: never."

#: Settings of an app, by column.
APP_COLUMNS: Final = (
    *("name", "ignored_networks", "loose_ids", "remembers_referrers"),
    *("fraud_same_ip", "fraud_installs", "fraud_installs_days"),
    *("fraud_advertising_ids", "fraud_advertising_ids_days"),
)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a table. `takes` and `meaning` are for people."""

    name: str
    read: Reader
    takes: str
    meaning: str
    is_required: bool = False
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the file: each row of it has a name, which is checked as a column is.

    `inner` are the tables within each row.
    """

    place: str
    title: str
    name: Key
    keys: Mapping[str, Key]
    inner: Mapping[str, "Table"] = field(default_factory=dict)


def _take_column(model: type[Model], column: str, meaning: str = "") -> Key:
    """Return the key of a column, with its type, its rules and its sentence."""
    found: Any = model._meta.get_field(column)
    read, takes = _READERS.get(column) or make_column_reader(found)
    return Key(column, read, takes, meaning or _describe_column(found))


def _describe_column(found: "Field[Any, Any]") -> str:
    """Return a column's sentence; of a flag with a label of its own, that as well."""
    sentence = str(found.help_text).removesuffix(_NEVER).replace("Empty:", "`false`:")
    is_labelled = found.verbose_name != found.name.replace("_", " ")
    if is_labelled and found.get_internal_type() == "BooleanField":
        return f"{capfirst(found.verbose_name)}. {sentence}".strip()
    return sentence


def _take_threshold(column: str) -> Key:
    key = _take_column(Alert, column)
    if column not in LIMITS:
        return key
    least, most = LIMITS[column]
    read = allow_never(make_range_reader(least, most))
    return Key(
        column, read, f"{least:,} to {most:,}, or `false` for never", key.meaning
    )


def _take_secret(name: str, meaning: str) -> Key:
    return Key(name, read_secret_place, _PLACE, meaning, is_secret=True)


def _require(key: Key) -> Key:
    return Key(key.name, key.read, key.takes, key.meaning, is_required=True)


def _by_name(*keys: Key) -> dict[str, Key]:
    return {key.name: key for key in keys}


#: Sentences that differ from those of the form.
_MEANINGS: Final = {
    "ignored_networks": "Networks that many users share, such as an office or a campus. "
    "Their addresses are no sign of fraud.",
}
#: Columns that hold more than their type says.
_READERS: Final[dict[str, tuple[Reader, str]]] = {
    "ignored_networks": (read_networks, "a list of networks"),
    "loose_ids": (read_provider_names, "a list of providers"),
    "not_sent": (
        make_choices_reader(SENDS),
        'a list, such as `["app_open:generated"]`',
    ),
}

_INTEGRATION: Final = Table(
    "apps.APP.integrations.NAME",
    "An integration",
    _take_column(Integration, "name"),
    _by_name(
        Key(
            "account_id",
            read_text,
            "a text",
            "The account's ID, in CleverTap under Settings → Project.",
            is_required=True,
        ),
        Key(
            "location",
            read_location,
            "a code or a name",
            "Where CleverTap stores the account's data, such as `in1` or `India`.",
            is_required=True,
        ),
        _require(_take_column(Integration, "identity_provider")),
        _take_secret("passcode", "The account's passcode."),
        Key(
            "enable",
            read_flag,
            _FLAG,
            "Deliver from now on, where it never was enabled. What a person has paused stays "
            "paused.",
        ),
        _take_column(
            Integration,
            "event_kinds",
            "Which events it delivers: `production` at first.",
        ),
        _take_column(Integration, "not_sent", "Types and sides that are not sent."),
        _take_column(
            Integration, "send_suspicious", "Send events that look like fraud."
        ),
        _take_column(
            Integration, "send_rejected", "Send events that were rejected as fraud."
        ),
        _take_column(
            Integration, "passcode_kind", "Whose passcode it is: a `user`'s expires."
        ),
        _take_column(Integration, "passcode_expires_on"),
        Key(
            "time_zone",
            read_text,
            "a name, such as `Asia/Kolkata`",
            "The CleverTap project's time zone: its days begin there.",
        ),
        _take_column(Integration, "reconciles"),
        _take_column(
            Integration, "event_data_format", "How a custom event's data is sent."
        ),
        _take_column(Integration, "send_none"),
        _take_column(Integration, "refuse_long_texts"),
        _take_column(Integration, "send_event_id"),
        _take_column(Integration, "property_limit"),
        _take_column(
            Integration,
            "late_time",
            "Which time a record has that waited for its person to be known.",
        ),
        _take_column(
            Integration,
            "falls_back_to_clevertap_id",
            "Without an identity, send by the event's CleverTap ID.",
        ),
        Key(
            "in_flight_limit",
            make_range_reader(1, MAX_IN_FLIGHT),
            f"1 to {MAX_IN_FLIGHT}",
            "Uploads of the account at the same time, of all of its integrations.",
        ),
    ),
)

_SOURCE: Final = Table(
    "apps.APP.sources.NAME",
    "A source",
    _take_column(Source, "name"),
    _by_name(
        Key(
            "platform",
            make_choice_reader(PLATFORMS),
            "a platform",
            "Whose calls it takes, such as `branch`: see [sources](../sources/README.md).",
            is_required=True,
        ),
        Key(
            "identity",
            read_text,
            "a provider",
            "Which of your users' identities the platform's user IDs are.",
        ),
        Key(
            "referrer_keys",
            read_texts,
            _TEXTS,
            "Where the referrer's ID stands: the first that is there counts.",
        ),
        Key("events", read_texts, _TEXTS, "Events that are taken beyond the preset's."),
        Key("test", read_flag, _FLAG, "Whether all of its events are test events."),
        Key(
            "takes_marketing_links",
            read_flag,
            _FLAG,
            "Whether calls without a referrer count, as those of a marketing link.",
        ),
        Key(
            "verifier",
            read_verifier,
            "a table",
            "How calls of [a platform of your own](../sources/custom.md#how-its-calls-are-verified) are verified.",
        ),
        _take_secret(
            "secret",
            "The secret, where the platform makes it. Where we make it, it is printed once.",
        ),
    ),
)

_APP: Final = Table(
    "apps.APP",
    "An app",
    _take_column(App, "slug"),
    _by_name(
        *(
            _take_column(App, column, _MEANINGS.get(column, ""))
            for column in APP_COLUMNS
        ),
        Key(
            "api_key",
            read_flag,
            _FLAG,
            "Make an API key where none works; it is printed once. `true` where it is left out.",
        ),
        Key(
            "api_key_days",
            make_range_reader(SHORTEST_LIFE.days, LONGEST_LIFE.days),
            f"{SHORTEST_LIFE.days} to {LONGEST_LIFE.days:,}",
            "A key that is made works for so many days. Without it, until it is revoked.",
        ),
    ),
    {"integrations": _INTEGRATION, "sources": _SOURCE},
)

_ALERT: Final = Table(
    "alerts.NAME",
    "An alert",
    _take_column(Alert, "name"),
    _by_name(
        Key(
            "app",
            read_text,
            "an app's short name",
            "Of which app. Without it, every app.",
        ),
        _take_column(Alert, "way", "How people are told: `email` at first."),
        Key(
            "recipients",
            read_addresses,
            "a list of e-mail addresses",
            "Who is told, by e-mail.",
        ),
        _take_secret("address", "Where Slack or a webhook takes messages."),
        *(
            _take_threshold(each.column)
            for each in (*THRESHOLDS, OTHER_ERRORS, OTHER_WARNINGS)
        ),
        _take_secret("heartbeat_address", "Called while all is well."),
        Key(
            "heartbeat_minutes",
            make_range_reader(*LIMITS["heartbeat_minutes"]),
            "1 to 60",
            "Minutes between two calls of it.",
        ),
        _take_column(Alert, "heartbeat_fails"),
    ),
)

#: The tables of a file.
TABLES: Final = {"apps": _APP, "alerts": _ALERT}


def list_tables() -> list[Table]:
    """Return all tables, each before those within it."""
    return [
        each for table in TABLES.values() for each in (table, *table.inner.values())
    ]
