"""The form of an integration. It finds or creates the account's row by itself."""

import re
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import F
from django.db.models.functions import Least

from clevertap_sync.admin.integration.sends_grid import SendsGrid, describe_send
from clevertap_sync.clevertap.connection_check import read_dashboard_address
from clevertap_sync.clevertap.limits import MAX_IN_FLIGHT
from clevertap_sync.clevertap.locations import LABELS, Location
from clevertap_sync.insight.misplaced import find_misplaced
from clevertap_sync.models import (
    DEFAULT_IN_FLIGHT,
    SENDS,
    Account,
    Integration,
    LateTime,
    PasscodeKind,
)
from clevertap_sync.provisioning import ACCOUNT_ID, UNUSUAL_ACCOUNT_ID
from referrals.secret import Secret

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Integration]
else:
    _ModelForm = forms.ModelForm

#: The integration's own columns that a person sets. Delivery writes the others, so a
#: form must never save a whole row.
COLUMNS: Final = (
    *("app", "name", "identity_provider", "event_data_format", "send_none"),
    *("refuse_long_texts", "send_event_id", "property_limit", "event_kinds"),
    *("send_suspicious", "send_rejected", "time_zone"),
    *("passcode_kind", "passcode_expires_on"),
    *("late_time", "falls_back_to_clevertap_id", "reconciles"),
)
# The shape that CleverTap shows. It publishes no rule, so another one only gets a warning.
_PASSCODE: Final = re.compile(r"[0-9A-Z]{3}-[0-9A-Z]{3}-[0-9A-Z]{4}")
_UNUSUAL_PASSCODE: Final = (
    "The passcode does not look like one of CleverTap's, which have the shape "
    "ABC-DEF-GHIJ. The account's Token, for one, is not the passcode. Check the connection."
)
_AN_IDENTITY: Final = (
    "The identity provider looks like one user's identity. It should be its name in your "
    "events' identities, such as email or custom_id."
)
_NO_EXPIRY: Final = (
    "You set no last day for the user passcode. Without it nobody can be reminded before "
    "CleverTap refuses it."
)


@cache
def list_time_zones() -> tuple[str, ...]:
    """Return the names of all time zones, in order."""
    return tuple(sorted(available_timezones()))


class TimeZoneInput(forms.TextInput):
    """A text with all time zones to choose from."""

    template_name = "clevertap_sync/time_zone.html"

    def get_context(
        self,
        name: str,
        value: Any,
        attrs: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Add the list of time zones."""
        context = super().get_context(name, value, attrs)
        context["widget"]["attrs"]["list"] = "time-zones"
        return {**context, "time_zones": list_time_zones()}


class IntegrationForm(_ModelForm):
    """What a person says about an integration, in the order of the set-up."""

    #: The history leaves these out: they fill in other fields, or are asked once.
    unsaved_fields = ("dashboard_address", "sends_misplaced")

    dashboard_address = forms.CharField(
        required=False,
        label="Dashboard address",
        help_text="Optional and quickest: open CleverTap, copy the address from the "
        "browser, and paste it here. It fills in the account ID and the location.",
        widget=forms.TextInput(
            attrs={
                "placeholder": "https://in1.dashboard.clevertap.com/ABC-DEF-123Z/…",
                "class": "vLargeTextField",
                "autocomplete": "off",
            }
        ),
    )
    account_id = forms.CharField(
        required=False,
        max_length=64,
        label="Account ID",
        help_text="In CleverTap under Settings → Project, such as ABC-DEF-123Z. A test "
        "account's begins with TEST-.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    new_passcode = forms.CharField(
        required=False,
        max_length=200,
        label="Passcode",
        help_text="An account passcode or a user passcode, in CleverTap under Settings → "
        "Passcode. A user passcode expires: note the date. It is kept encrypted and "
        "never shown again.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    passcode_expires_on = forms.DateField(
        required=False,
        label="Last day",
        help_text="Of a user passcode: CleverTap shows it beside the passcode. You are "
        "reminded from two weeks before.",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    time_zone = forms.CharField(
        max_length=64,
        initial="UTC",
        label="The project's time zone",
        help_text="In CleverTap under Settings → Project, such as Asia/Kolkata. Its days "
        "begin there: in day counts, and where delivery starts from a date.",
        widget=TimeZoneInput,
    )
    location = forms.ChoiceField(
        required=False,
        choices=[("", "Choose a location"), *LABELS.items()],
        help_text="Where CleverTap stores the account's data. The beginning of its "
        "dashboard's address tells: in1 is India, sg1 is Singapore.",
    )
    sends = forms.MultipleChoiceField(
        required=False,
        choices=[(key, describe_send(key)) for key in SENDS],
        initial=list(SENDS),
        label="Events to send",
        help_text="CleverTap bills by active users. A Generated App Open, for one, makes "
        "a referrer active who only sleeps.",
        widget=SendsGrid,
    )
    sends_misplaced = forms.BooleanField(
        required=False,
        label="Send them there all the same",
        # Asked only where it matters: `_check_misplaced` shows it.
        widget=forms.HiddenInput,
    )
    late_time = forms.ChoiceField(
        choices=LateTime,
        initial=LateTime.HAPPENED,
        label="Time of a record that waited",
        help_text="For apps with IDs that come before sign-up. When it happened is right "
        "for reports. But CleverTap starts live campaigns only for events younger than two "
        "hours: when the person became known is right for these.",
    )
    falls_back_to_clevertap_id = forms.BooleanField(
        required=False,
        label="Without an identity, send by CleverTap ID",
        help_text="Where the event carries a clevertap_id, which CleverTap's SDK reports, the "
        "record goes out by it at once and does not wait. CleverTap's pages contradict each "
        "other about such events: by the newer ones they join the user's profile at the "
        "first login on the device; by the older ones they stay in an anonymous profile. "
        "Try it with a test account first.",
    )
    reconciles = forms.BooleanField(
        required=False,
        label="Compare with CleverTap each night",
        help_text="CleverTap accepts records that it later drops, without a word. So it is "
        "asked each night how many of each event it counts for the last seven days, and in "
        "the first half hour whether it shows a new event. The passcode has to be allowed to "
        "read, not only to upload. It costs at most 2 % of the time of an upload, and one "
        "request at a time of the three that CleverTap allows for reading.",
    )
    in_flight_limit = forms.IntegerField(
        min_value=1,
        max_value=MAX_IN_FLIGHT,
        initial=DEFAULT_IN_FLIGHT,
        label="Uploads at the same time",
        help_text=f"CleverTap allows {MAX_IN_FLIGHT} per account, shared with every other tool that "
        "uses the account. All integrations of the account share this limit.",
    )

    class Meta:
        model = Integration
        fields = COLUMNS

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        #: Warnings: sentences about values that are probably wrong, but may be right.
        self.doubts: list[str] = []
        integration = self.instance
        self._known = _whose(integration) if integration.pk else None
        self._was_misplaced = find_misplaced(integration) if integration.pk else None
        if "app" in self.fields:
            field: Any = self.fields["app"]
            field.queryset = field.queryset.filter(archived_at=None)
        if integration.pk is not None:
            self._fill_in(integration)

    def _fill_in(self, integration: Integration) -> None:
        off = set(integration.not_sent)
        self.initial = {
            **self.initial,
            "account_id": integration.account.account_id,
            "location": integration.account.location,
            "in_flight_limit": integration.account.in_flight_limit,
            "sends": [key for key in SENDS if key not in off],
        }
        if integration.passcode and "new_passcode" in self.fields:
            self.fields["new_passcode"].widget.attrs["placeholder"] = (
                "Type to replace it"
            )

    def clean_new_passcode(self) -> str:
        """Drop the blanks around a copied passcode."""
        passcode = str(self.cleaned_data["new_passcode"]).strip()
        if passcode and _PASSCODE.fullmatch(passcode) is None:
            self.doubts.append(_UNUSUAL_PASSCODE)
        return passcode

    def clean_identity_provider(self) -> str:
        """Drop blanks around the name."""
        provider = str(self.cleaned_data["identity_provider"]).strip()
        if "@" in provider:
            self.doubts.append(_AN_IDENTITY)
        return provider

    def clean_time_zone(self) -> str:
        """Take the names that this machine knows; case does not count."""
        typed = str(self.cleaned_data["time_zone"]).strip().casefold()
        known = next(
            (name for name in list_time_zones() if name.casefold() == typed), None
        )
        if known is None:
            message = "There is no such time zone. It looks like Asia/Kolkata or UTC."
            raise ValidationError(message)
        return known

    def clean(self) -> dict[str, Any]:
        """Read the dashboard's address, and check the fields that depend on each other."""
        cleaned = super().clean() or self.cleaned_data
        self._read_address(cleaned)
        account_id = str(cleaned.get("account_id", "")).strip()
        cleaned["account_id"] = account_id
        if not account_id:
            self.add_error(
                "account_id", "Enter the account ID, or paste the dashboard's address."
            )
        elif ACCOUNT_ID.fullmatch(account_id) is None:
            self.doubts.append(UNUSUAL_ACCOUNT_ID)
        if not cleaned.get("location"):
            self.add_error(
                "location",
                "Choose where CleverTap stores the data, or paste the dashboard's address.",
            )
        self._check_account_is_free(cleaned)
        self._check_expiry(cleaned)
        self._check_misplaced(cleaned)
        return cleaned

    def _check_misplaced(self, cleaned: dict[str, Any]) -> None:
        """Warn of events that go to an account of the other kind.

        Where delivery is on, saving would send them at once: so it asks before.
        """
        if not cleaned.get("account_id") or not cleaned.get("event_kinds"):
            return
        wanted = Integration(
            account=Account(account_id=cleaned["account_id"]),
            event_kinds=cleaned["event_kinds"],
        )
        misplaced = find_misplaced(wanted)
        if misplaced is None:
            return
        is_new = self._was_misplaced != misplaced
        if self.instance.enabled and is_new and not cleaned.get("sends_misplaced"):
            self.fields["sends_misplaced"].widget = forms.CheckboxInput()
            self.add_error("sends_misplaced", f"{misplaced} Or confirm it here.")
        else:
            self.doubts.append(str(misplaced))

    def _check_expiry(self, cleaned: dict[str, Any]) -> None:
        """Keep the last day of a user passcode only: account passcodes do not expire."""
        if cleaned.get("passcode_kind") != PasscodeKind.USER:
            cleaned["passcode_expires_on"] = None
            return
        last = cleaned.get("passcode_expires_on")
        if last is None and "passcode_expires_on" not in self.errors:
            self.doubts.append(_NO_EXPIRY)
        if last and cleaned.get("new_passcode") and last < datetime.now(UTC).date():
            message = "This day has passed. Enter the last day of the new passcode."
            self.add_error("passcode_expires_on", message)

    @property
    def changes_identities(self) -> bool:
        """Whether saving changes whose identities are sent, so that the canary starts over."""
        return self._known is not None and self._known != _whose(self.instance)

    @property
    def changes_account(self) -> bool:
        """Whether saving moves an integration to another account."""
        return self._known is not None and self._known[0] != self.instance.account_id

    @property
    def changes_credentials(self) -> bool:
        """Whether saving changes the account or the passcode."""
        return self.changes_account or bool(self.cleaned_data["new_passcode"])

    def _read_address(self, cleaned: dict[str, Any]) -> None:
        address = cleaned.get("dashboard_address")
        if not address:
            return
        read = read_dashboard_address(address)
        if read is None:
            self.add_error(
                "dashboard_address",
                "This is no address of CleverTap's dashboard. It looks like "
                "https://in1.dashboard.clevertap.com/ABC-DEF-123Z/….",
            )
            return
        location, account_id = read
        cleaned["location"], cleaned["account_id"] = location.value, account_id

    def _check_account_is_free(self, cleaned: dict[str, Any]) -> None:
        app = cleaned.get("app") or (self.instance.app if self.instance.pk else None)
        if not app or not cleaned.get("account_id"):
            return
        others = Integration.objects.filter(
            app=app,
            account__location=cleaned.get("location"),
            account__account_id=cleaned["account_id"],
        ).exclude(pk=self.instance.pk)
        if other := others.first():
            message = f"The app's integration {other.name} uses this account already."
            self.add_error("account_id", ValidationError(message))

    def save(self, commit: bool = True) -> Integration:
        """Put everything on the row. The admin saves it."""
        integration: Integration = super().save(commit=False)
        cleaned = self.cleaned_data
        integration.account, _ = Account.objects.get_or_create(
            location=Location(cleaned["location"]), account_id=cleaned["account_id"]
        )
        if cleaned["new_passcode"]:
            integration.passcode = Secret(cleaned["new_passcode"])
        chosen = set(cleaned["sends"])
        integration.not_sent = [key for key in SENDS if key not in chosen]
        if commit:
            integration.save()
        return integration

    def save_limit(self) -> None:
        """Put the in-flight limit on the account; a lowered one counts at once."""
        limit = self.cleaned_data["in_flight_limit"]
        account = Account.objects.filter(pk=self.instance.account_id)
        account.exclude(in_flight_limit=limit).update(
            in_flight_limit=limit, current_limit=Least(F("current_limit"), limit)
        )


def _whose(integration: Integration) -> tuple[int, str]:
    """Return the account's primary key and the identity provider."""
    return integration.account_id, integration.identity_provider


def read_passcode_hint(integration: Integration) -> str:
    """Return the masked passcode: enough for a person to recognise it."""
    passcode = integration.passcode
    return passcode.hint() if isinstance(passcode, Secret) and passcode else ""
