"""The form of an alert. The receiver's address is a secret: typed in, never shown again."""

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, validate_email

from clevertap_sync.alerting.alert_rules import (
    LIMITS,
    MOST_RECIPIENTS,
    find_address_problem,
    forget_last_heartbeat,
)
from clevertap_sync.alerting.thresholds import (
    OTHER_ERRORS,
    OTHER_WARNINGS,
    THRESHOLDS,
)
from clevertap_sync.models import Alert, AlertMedium
from referrals.secret import Secret

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Alert]
else:
    _ModelForm = forms.ModelForm

THRESHOLD_FIELDS: Final = tuple(
    each.column for each in (*THRESHOLDS, OTHER_ERRORS, OTHER_WARNINGS)
)
HEARTBEAT_FIELDS: Final = ("new_heartbeat_url", "heartbeat_minutes", "heartbeat_fails")


class AlertForm(_ModelForm):
    """Who is told, how, and about what."""

    #: The history says of these only that they changed.
    secret_fields = ("new_url", "new_heartbeat_url")

    new_url = forms.CharField(
        required=False,
        max_length=1000,
        label="Address",
        help_text="For Slack: the address of an incoming webhook, from Slack under "
        "Apps → Incoming Webhooks. For a webhook: where we POST JSON to. Whoever knows it "
        "can write there, so it is kept encrypted and never shown again.",
        widget=forms.TextInput(
            attrs={
                "class": "vLargeTextField",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
    )

    new_heartbeat_url = forms.CharField(
        required=False,
        max_length=1000,
        label="Heartbeat address",
        help_text="Called by GET while all is well, so that whoever waits for the call can "
        "tell you when it stays away, even where everything here is dead. For healthchecks.io: "
        "the check's ping URL. It is kept encrypted and never shown again.",
        widget=forms.TextInput(
            attrs={
                "class": "vLargeTextField",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
    )
    forget_heartbeat = forms.BooleanField(
        required=False, initial=False, label="Forget the heartbeat address"
    )

    class Meta:
        model = Alert
        fields = (
            *("name", "app", "enabled", "way", "recipients"),
            *THRESHOLD_FIELDS,
            *("heartbeat_minutes", "heartbeat_fails"),
        )
        widgets = {"recipients": forms.Textarea(attrs={"rows": 3})}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, (least, most) in LIMITS.items():
            if name in self.fields:
                field = self.fields[name]
                field.validators += [MinValueValidator(least), MaxValueValidator(most)]
                field.widget.attrs.update(min=least, max=most)
        for name, kept in (
            ("new_url", self.instance.url),
            ("new_heartbeat_url", self.instance.heartbeat_url),
        ):
            if kept and name in self.fields:
                text = f"{mask_address(kept)} is stored. Type to replace it."
                self.fields[name].widget.attrs["placeholder"] = text

    def clean_recipients(self) -> str:
        """Check each address, and drop blanks and empty lines."""
        text = str(self.cleaned_data["recipients"]).replace(",", "\n")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(lines) > MOST_RECIPIENTS:
            message = f"Write at most {MOST_RECIPIENTS} addresses."
            raise ValidationError(message)
        for line in lines:
            try:
                validate_email(line)
            except ValidationError as error:
                message = f"{line} is no e-mail address."
                raise ValidationError(message) from error
        return "\n".join(lines)

    def clean_new_url(self) -> str:
        """Refuse what is no address of a web server, or one of our own machines."""
        return self._address("new_url")

    def clean_new_heartbeat_url(self) -> str:
        """Refuse the same of the heartbeat's address."""
        return self._address("new_heartbeat_url")

    def clean(self) -> dict[str, Any]:
        """Ask for what the chosen medium needs."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("way") == AlertMedium.EMAIL:
            if not cleaned.get("recipients") and "recipients" not in self.errors:
                self.add_error("recipients", "Write at least one e-mail address.")
        elif not (
            cleaned.get("new_url") or self.instance.url or "new_url" in self.errors
        ):
            self.add_error("new_url", "Paste the address to post to.")
        return cleaned

    def save(self, commit: bool = True) -> Alert:
        """Put the new address on the row, where there is one."""
        alert: Alert = super().save(commit=False)
        if self.cleaned_data["new_url"]:
            alert.url = Secret(self.cleaned_data["new_url"])
        if heartbeat := self.cleaned_data["new_heartbeat_url"]:
            alert.heartbeat_url = Secret(heartbeat)
        if heartbeat or self.cleaned_data["forget_heartbeat"]:
            forget_last_heartbeat(alert)
        if self.cleaned_data["forget_heartbeat"] and not heartbeat:
            alert.heartbeat_url = Secret()
        if commit:
            alert.save()
        return alert

    def _address(self, name: str) -> str:
        url = str(self.cleaned_data[name]).strip()
        if url and (problem := find_address_problem(url)):
            raise ValidationError(problem)
        return url


def mask_address(url: Secret) -> str:
    """Return the host of an address: the rest may be a secret."""
    try:
        parts = urlsplit(url.reveal())
    except ImproperlyConfigured:
        return Secret.MASK
    return f"{parts.scheme}://{parts.hostname}/{Secret.MASK}"
