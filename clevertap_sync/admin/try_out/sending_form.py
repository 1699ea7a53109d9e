"""The forms that send for real: one test event, or one of each event (to announce)."""

import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

from django import forms
from django.conf import settings
from django.db.models import Q

from clevertap_sync.clevertap.limits import MAX_IDENTITY
from clevertap_sync.models import EventKinds, Integration
from referrals import samples
from referrals.models import CustomName
from referrals.vocabulary import TITLES, EventType, Side, find_referrals_without

PRODUCTION, TEST = EventKinds.PRODUCTION.value, EventKinds.TEST.value
#: The most custom names on offer: more than go to CleverTap without approval.
_MOST_NAMES: Final = 100
_CUSTOM: Final = "custom:"
_BATCH: Final = re.compile("[0-9a-f]{32}")
_OTHER_KIND: Final = {
    PRODUCTION: "This integration takes production events only, so a test event would "
    "be kept back here. Send it as a production event, or let the integration take both "
    "kinds, under What to send.",
    TEST: "This integration takes test events only, so a production event would be kept "
    "back here. Send it as a test event, or let the integration take both kinds, under "
    "What to send.",
}


class SendingForm(forms.Form):
    """What both forms have in common: the kind, and an ID for each event of the batch.

    The batch makes a second click harmless: the same events are duplicates.
    """

    kind = forms.ChoiceField(choices=[(TEST, TEST), (PRODUCTION, PRODUCTION)])
    batch = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        integration: Integration,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.integration = integration
        takes_tests = integration.event_kinds != EventKinds.PRODUCTION
        self.fields["kind"].initial = TEST if takes_tests else PRODUCTION
        self.fields["batch"].initial = uuid.uuid4().hex
        self.names = list_custom_names(integration)

    def clean_kind(self) -> str:
        """Refuse a kind that the integration would keep back."""
        kind = str(self.cleaned_data["kind"])
        takes = self.integration.event_kinds
        if takes not in (kind, EventKinds.BOTH):
            raise forms.ValidationError(_OTHER_KIND[takes])
        return kind

    def clean_batch(self) -> str:
        """Keep the batch ID of the form that was shown, or make one."""
        batch = str(self.cleaned_data["batch"])
        return batch if _BATCH.fullmatch(batch) else uuid.uuid4().hex

    def list_choices(self) -> list[tuple[str, str]]:
        """Return the choices: each built-in type, each custom name."""
        built_in = [(t.value, title) for t, title in TITLES.items()]
        return [*built_in, *((key, name) for key, name in self.names.items())]

    def list_events(self) -> list[dict[str, Any]]:
        """Return the chosen events in the shape in which a backend sends them."""
        batch = self.cleaned_data["batch"]
        return [
            event | {"id": f"admin-{batch}-{number}"}
            for number, event in enumerate(self._events_to_send(), start=1)
        ]

    def _events_to_send(self) -> Iterator[dict[str, Any]]:
        raise NotImplementedError

    def _make_event(
        self, what: str, user: dict[str, str], referrer: dict[str, str] | None
    ) -> dict[str, Any]:
        is_custom = what.startswith(_CUSTOM)
        event = samples.make_sample_event(
            EventType.CUSTOM if is_custom else EventType(what),
            event_id="",
            name=self.names.get(what, ""),
            user=user,
            referrer=referrer,
            test=self.cleaned_data["kind"] == TEST,
        )
        # Made-up properties would stand in CleverTap's schema for good.
        event.pop("event_data", None)
        return event

    def _read_identities(self, field: str) -> dict[str, str]:
        value = self.cleaned_data.get(field)
        return {self.integration.identity_provider: value} if value else {}


class TestEventForm(SendingForm):
    """One event about two people, whose identities are typed in."""

    what = forms.ChoiceField(label="Event")
    user = forms.CharField(
        required=False, max_length=MAX_IDENTITY, label="The user who came", strip=False
    )
    referrer = forms.CharField(
        required=False, max_length=MAX_IDENTITY, label="The referrer", strip=False
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["what"].choices = self.list_choices()  # type: ignore[attr-defined]  # a ChoiceField
        for field in ("user", "referrer"):
            self.fields[field].widget.attrs.update(_ATTRIBUTES)

    def clean(self) -> dict[str, Any]:
        """Ask for an identity of the user, which the event needs."""
        cleaned = super().clean() or self.cleaned_data
        what = cleaned.get("what")
        if what in find_referrals_without(Side.REFERRED):
            if not cleaned.get("referrer"):
                title = TITLES[EventType(what)].lower()
                self.add_error("referrer", f"A {title} is about the referrer alone.")
        elif not cleaned.get("user"):
            self.add_error("user", "Enter the identity of the user who came.")
        return cleaned

    def _events_to_send(self) -> Iterator[dict[str, Any]]:
        referrer = self._read_identities("referrer")
        user = self._read_identities("user")
        yield self._make_event(self.cleaned_data["what"], user, referrer or None)


class AnnounceForm(SendingForm):
    """One of each chosen event, all about one test profile."""

    chosen = forms.MultipleChoiceField(
        label="Events", widget=forms.CheckboxSelectMultiple
    )
    person = forms.CharField(max_length=MAX_IDENTITY, label="Test profile", strip=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        choices = self.list_choices()
        self.fields["chosen"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["chosen"].initial = [key for key, _ in choices]
        self.fields["person"].widget.attrs.update(_ATTRIBUTES)

    def _events_to_send(self) -> Iterator[dict[str, Any]]:
        person = self._read_identities("person")
        chosen: Sequence[str] = self.cleaned_data["chosen"]
        yield from (self._make_event(what, person, person) for what in chosen)


_ATTRIBUTES: Final = {"autocomplete": "off", "spellcheck": "false"}


def list_custom_names(integration: Integration) -> dict[str, str]:
    """Return the custom names that go to CleverTap, each under a key of the form's."""
    sent = Q(number__lte=settings.CUSTOM_NAMES_LIMIT) | Q(approved_at__isnull=False)
    names = CustomName.objects.filter(sent, app=integration.app_id).order_by("number")
    return {f"{_CUSTOM}{name.number}": name.name for name in names[:_MOST_NAMES]}
