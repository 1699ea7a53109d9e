"""The forms of a preview: the event (of the log, a sample, pasted) and the settings."""

from typing import TYPE_CHECKING, Any, Final

from django import forms

from clevertap_sync.admin.integration.sends_grid import SendsGrid
from clevertap_sync.models import SENDS, Integration
from referrals.api.stream import MAX_BODY_BYTES
from referrals.vocabulary import REFERRAL_TYPES, TITLES, EventType

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Integration]
else:
    _ModelForm = forms.ModelForm

SAMPLE, LOGGED, PASTED = "sample", "logged", "pasted"
TYPES: Final = [(t.value, TITLES.get(t, "Custom event")) for t in REFERRAL_TYPES]


class SourceForm(forms.Form):
    """Where the event comes from."""

    source = forms.ChoiceField(
        choices=[(SAMPLE, SAMPLE), (LOGGED, LOGGED), (PASTED, PASTED)], initial=SAMPLE
    )
    sample = forms.ChoiceField(
        choices=TYPES, required=False, initial=EventType.APP_INSTALL.value
    )
    logged = forms.CharField(
        required=False,
        max_length=200,
        label="Event ID or position",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    pasted = forms.CharField(
        required=False,
        max_length=MAX_BODY_BYTES,
        strip=False,
        label="JSON",
        widget=forms.Textarea(
            attrs={
                "rows": 10,
                "spellcheck": "false",
                "autocomplete": "off",
                "placeholder": '{"id": "order-17", "type": "app_install", …}',
            }
        ),
    )

    def clean(self) -> dict[str, Any]:
        """Ask for the value that the chosen source needs."""
        cleaned = super().clean() or self.cleaned_data
        source = cleaned.get("source")
        if source == LOGGED and not cleaned.get("logged"):
            self.add_error(
                "logged", "Enter the event's ID, or its position in the log."
            )
        if source == PASTED and not (cleaned.get("pasted") or "").strip():
            self.add_error("pasted", "Paste an event as your backend sends it.")
        return cleaned


class SettingsForm(_ModelForm):
    """The mapping settings, to try others without saving them."""

    sends = forms.MultipleChoiceField(
        required=False,
        choices=[(key, key) for key in SENDS],
        label="Events to send",
        widget=SendsGrid,
    )

    class Meta:
        model = Integration
        fields = (
            *("identity_provider", "event_data_format", "send_none"),
            *("refuse_long_texts", "send_event_id", "property_limit", "event_kinds"),
            *("send_suspicious", "send_rejected", "falls_back_to_clevertap_id"),
        )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        off = set(self.instance.not_sent)
        self.initial["sends"] = [key for key in SENDS if key not in off]

    def clean_identity_provider(self) -> str:
        """Drop blanks around the name."""
        return str(self.cleaned_data["identity_provider"]).strip()

    def clean(self) -> dict[str, Any]:
        """Put the grid's choice on the row, which is never saved."""
        cleaned = super().clean() or self.cleaned_data
        chosen = set(cleaned.get("sends") or ())
        self.instance.not_sent = [key for key in SENDS if key not in chosen]
        return cleaned

    def save(self, commit: bool = True) -> Integration:
        """Refuse: only the integration's own form saves settings."""
        msg = "A preview saves nothing."
        raise NotImplementedError(msg)
