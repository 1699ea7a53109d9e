"""Forms for the identities of a person to erase. They never repeat what was typed."""

import re
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError

from referrals import suppression
from referrals.identity import Identity, UnreadableIdentityError, parse_identity
from referrals.models import App, ErasureRequest

#: More identities than one person has.
MOST_IDENTITIES: Final = 100
_LONGEST: Final = 50_000
# As browsers and files end lines; a value may hold any other character.
_LINE_END: Final = re.compile(r"\r\n|\r|\n")
_NOBODY: Final = "Say who is meant: one identity a line, as PROVIDER=VALUE."
_OTHERS: Final = (
    "At least one of these is not among the identities that this order erased. Type them "
    "exactly as they were typed then. Nothing was done."
)


class UnrepeatedTextarea(forms.Textarea):
    """A text field that, like a password's, is empty whenever its page is shown."""

    def format_value(self, value: Any) -> str:
        """Return nothing, whatever was typed."""
        return ""


class IdentitiesField(forms.CharField):
    """One identity a line; cleaned, a list without repetition."""

    def __init__(self) -> None:
        super().__init__(
            label="Identities",
            strip=False,
            max_length=_LONGEST,
            error_messages={"required": _NOBODY},
            widget=UnrepeatedTextarea(
                attrs={"rows": 4, "autocomplete": "off", "spellcheck": "false"}
            ),
        )

    def clean(self, value: Any) -> Any:
        """Return the identities, or say which line cannot be read, and why."""
        found: dict[Identity, None] = {}
        for number, line in enumerate(_LINE_END.split(super().clean(value)), start=1):
            if not line.strip():
                continue
            try:
                found[parse_identity(line)] = None
            except UnreadableIdentityError as error:
                message = f"Line {number} cannot be read. {error} Type all lines again."
                raise ValidationError(message) from None
        if not found:
            raise ValidationError(_NOBODY)
        if len(found) > MOST_IDENTITIES:
            message = f"These are more than {MOST_IDENTITIES} identities. Erase one person at a time."
            raise ValidationError(message)
        return list(found)


class EraseForm(forms.Form):
    """The identities of the person to erase, and the app."""

    app = forms.ModelChoiceField(App.objects.all(), empty_label="Choose an app")
    identities = IdentitiesField()
    including_others = forms.BooleanField(
        required=False,
        label="Including what else the person is known by",
        help_text="Identities that the app has learned to be the same person's. Those "
        "that are shared with somebody else are never taken along.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        apps = App.objects.all()[:2]
        if len(apps) == 1:
            self.initial.setdefault("app", apps[0].pk)


class SamePersonForm(forms.Form):
    """The identities of an order, typed again: the order holds only hashes."""

    identities = IdentitiesField()

    def __init__(
        self,
        *args: Any,
        order: ErasureRequest,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._order = order

    def clean_identities(self) -> list[Identity]:
        """Refuse other identities: a slip would delete, or bring back, another person."""
        identities: list[Identity] = self.cleaned_data["identities"]
        hashes = suppression.hash_identities(self._order.app_id, identities)
        if not set(hashes) <= set(self._order.hashes):
            raise ValidationError(_OTHERS)
        return identities
