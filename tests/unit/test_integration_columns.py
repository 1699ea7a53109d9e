"""A setting of an integration is whole: somebody sets it, it is saved, and it counts.

Each sentence says what a new column still needs.
"""

import re
from datetime import UTC, datetime

import pytest
from django.contrib.admin.utils import flatten_fieldsets

from clevertap_sync.admin.integration.integration_admin import IntegrationAdmin
from clevertap_sync.admin.integration.integration_form import COLUMNS, IntegrationForm
from clevertap_sync.admin.try_out.preview_form import SettingsForm
from clevertap_sync.clevertap.mapping import MappingSettings
from clevertap_sync.insight.event_types import have_send_settings_changed
from clevertap_sync.insight.mapping_settings import (
    AppSettings,
    build_settings_for_claim,
)
from clevertap_sync.models import Integration
from tests.harness.commands import ROOT

PRODUCT = ROOT / "clevertap_sync"
#: What delivery, the switch and upkeep write: no form may save it.
OF_THE_PRODUCT = {
    *("id", "created_at", "credentials_since", "enabled", "first_enabled_at"),
    *("archived_at", "tail", "cursor", "deliver_since", "last_served_at"),
    *("identities_confirmed_at", "identities_known", "identities_unknown"),
    *("identities_other_case", "identities_may_be_new", "hold_reason", "hold_cause"),
    *("hold_hint", "held_since", "held_until", "hold_changed_at", "hold_probes"),
    *("failures", "probe_leased_until", "probe_token", "accepted_at", "restorations"),
    *("removed_delivered", "removed_dead", "removed_unknown", "removed_expired"),
    *("removed_revived", "tallied_to", "counts_since"),
}
#: What `IntegrationForm.save` and `save_model` put on the row, by the field that says it.
SAVED_OTHERWISE = {"account_id", "location", "new_passcode", "sends", "in_flight_limit"}
PUT_ON_THE_ROW = {"account", "passcode", "not_sent"}
#: What only says how the form takes another field.
OF_THE_FORM = {"passcode_kind"}
#: What decides how a record looks, and not whether it goes.
LOOKS = {
    *("identity_provider", "event_data_format", "send_none", "refuse_long_texts"),
    *("send_event_id", "property_limit", "falls_back_to_clevertap_id"),
}
#: A value that no new integration has.
OTHER = {
    "identity_provider": "custom_id",
    "event_data_format": "json",
    "property_limit": 7,
    "event_kinds": "both",
    "not_sent": ["app_open:generated"],
    "deliver_since": datetime(2026, 11, 1, tzinfo=UTC),
}
COLUMN_OF = {"since": "deliver_since"}
#: What an upload's settings have from elsewhere than the integration's row.
OF_THE_APP = {
    *("approved_names", "custom_names_limit", "suppressions_until"),
    *("waits_for", "remembers_referrers"),
}
OF_THE_ROW = [n for n in MappingSettings.__struct_fields__ if n not in OF_THE_APP]


def made_with(integration):
    """Return the settings that an upload of the integration gets."""
    return build_settings_for_claim(
        integration, AppSettings(), has_approved_names=False
    )


def changed(name):
    """Return an integration in which the column of a mapping setting is another."""
    column = COLUMN_OF.get(name, name)
    fresh = Integration(identity_provider="email")
    assert hasattr(fresh, column), (
        f"Say where {name} comes from: in COLUMN_OF here if another column has it, in "
        "OF_THE_APP if none has."
    )
    now = getattr(fresh, column)
    other = OTHER.get(column, not now if isinstance(now, bool) else None)
    assert other is not None, f"Say in OTHER here what {column} may be changed to."
    return Integration(**{"identity_provider": "email", column: other})


@pytest.mark.parametrize("column", [f.name for f in Integration._meta.fields])
def test_a_column_is_set_by_a_person_or_written_by_the_product(column):
    is_set = column in COLUMNS or column in PUT_ON_THE_ROW

    assert is_set is not (column in OF_THE_PRODUCT), (
        f"If a person sets {column}, add it to COLUMNS of integration_form.py, or no form "
        "saves it. If the product writes it, add it to OF_THE_PRODUCT here."
    )


@pytest.mark.parametrize("column", sorted({*COLUMNS} - OF_THE_FORM))
def test_a_setting_has_an_effect(column):
    readers = [
        path
        for path in PRODUCT.rglob("*.py")
        if not {"admin", "models", "migrations", "sandbox"} & set(path.parts)
        and re.search(rf"\b(integration|row)\.{column}\b", path.read_text("utf-8"))
    ]

    assert readers, (
        f"People may set {column}, and nothing outside the admin reads it: let what it is to "
        "change read integration." + column
    )


@pytest.mark.parametrize("field", IntegrationForm.base_fields)
def test_what_a_form_asks_for_is_shown_and_saved(field):
    is_saved = field in COLUMNS or field in SAVED_OTHERWISE

    assert is_saved or field in IntegrationForm.unsaved_fields, (
        f"The form asks for {field} and saves it nowhere: add it to COLUMNS of "
        "integration_form.py."
    )
    assert field in flatten_fieldsets(IntegrationAdmin.fieldsets), (
        f"Nobody sees {field}: give it a place among IntegrationAdmin.fieldsets."
    )


@pytest.mark.parametrize("name", OF_THE_ROW)
def test_a_mapping_setting_is_put_on_each_upload(name):
    fresh = made_with(Integration(identity_provider="email"))

    assert made_with(changed(name))[name] != fresh[name], (
        f"Uploads are mapped as if {name} were never set: let _settings in "
        "insight/mapping_settings.py read it."
    )


@pytest.mark.parametrize("name", OF_THE_ROW)
def test_a_setting_that_keeps_records_back_is_known_to_have_changed(name):
    before = made_with(Integration(identity_provider="email"))

    assert have_send_settings_changed(changed(name), before) is not (name in LOOKS), (
        f"If {name} can keep a record back, let have_send_settings_changed in insight/event_types.py "
        "read it. If it changes only how records look, add it to LOOKS here."
    )


@pytest.mark.parametrize("name", OF_THE_ROW)
def test_a_mapping_setting_can_be_tried_in_a_preview(name):
    tried = {*SettingsForm.base_fields, "not_sent", "since"}

    assert name in tried, (
        f"Add {name} to SettingsForm of try_out/preview_form.py, or every preview is of the "
        "stored setting."
    )
