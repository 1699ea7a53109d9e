"""The form of an app: what it is called, and what is known of its people."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError

from referrals.admin.fraud_page import FIELDS
from referrals.loose_ids import LooseIdsError, read_loose_ids, spell_loose_ids
from referrals.models import App

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[App]
else:
    _ModelForm = forms.ModelForm


class LooseIdsField(forms.CharField):
    """A text that names providers; its value is their list."""

    def prepare_value(self, value: Any) -> Any:
        """Return the text for the field; what a person typed stays as it is."""
        return spell_loose_ids(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        """Return the list, or say what is wrong with the text."""
        try:
            return read_loose_ids(super().clean(value))
        except LooseIdsError as error:
            raise ValidationError(str(error)) from error

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Return whether the text names others than `initial`."""
        return super().has_changed(self.prepare_value(initial or []), data)


class AppForm(_ModelForm):
    """What a person says about an app."""

    loose_ids = LooseIdsField(
        required=False,
        max_length=1000,
        label="IDs that come before sign-up",
        help_text="Names of identity providers, such as anonymous_id, or device_handle for "
        "Branch. A record that carries only these waits until an event ties one of them to "
        "a user, and is delivered then. Leave it empty, and nothing waits.",
        widget=forms.TextInput(
            attrs={
                "class": "vTextField",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
    )
    remembers_referrers = forms.BooleanField(
        required=False,
        label="Remember who invited each user",
        help_text='Then an event may name its referrer as "last", and stands for the '
        "referrer that the user's latest earlier event named.",
    )

    class Meta:
        model = App
        fields = (
            "name",
            "slug",
            "ignored_networks",
            *FIELDS,
            "loose_ids",
            "remembers_referrers",
        )
