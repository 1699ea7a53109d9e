"""The forms of a source: what is asked to connect one, and what may be changed later.

The events that a source takes are two columns, by what its mapping takes anyway; a form
shows one list of names with ticks, and a text for the names of custom events.
"""

from collections.abc import Mapping as AbstractMapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
from django import forms
from django.core.exceptions import ValidationError

from referrals.admin.sources.rule_text import split_lines
from referrals.models import Source
from referrals.source_address import read_verifier
from referrals.source_choices import (
    drop_repeated,
    find_event_problem,
    find_identity_problem,
    find_key_problem,
    find_verifier_problem,
)
from referrals.sources.mapping.words import fold_word
from referrals.sources.presets import PLATFORMS, load_preset
from referrals.sources.verifiers import Verifier
from referrals.vocabulary import TITLES, WHO_IS_WHO, EventType

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Source]
else:
    _ModelForm = forms.ModelForm

_LINES: Final = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})
_IDENTITY_HELP: Final = (
    "Which of our identities the platform's user IDs are, such as custom_id or email. An "
    "identity that the platform names itself goes before it."
)
_TEST_HELP: Final = (
    "All of its events are test events. Connect the platform's test environment as a "
    "source of its own."
)
_VERIFIED_HELP: Final = (
    'How a call shows that it is the platform\'s, as JSON. Such as {"is": "hmac", "header": '
    '"X-Signature", "digest": "sha256", "encoding": "hex"}; empty, a secret in a header. '
    "The page on a platform of your own lists all seven ways."
)
_NAME_TAKEN: Final = "The app has a source of that platform and name already. Give this one another name."


class TakenKind(NamedTuple):
    """A kind of event that a source may take: the platform's name for it, and ours."""

    name: str
    title: str
    is_taken: bool


def list_kinds(source: Source) -> list[TakenKind]:
    """Return the kinds of event that a person may switch on and off, with their state."""
    kinds: AbstractMapping[str, Any] = source.mapping_in_force.get("kinds") or {}
    left_out = {fold_word(name) for name in source.left_out_events}
    chosen = {fold_word(name) for name in source.chosen_events}
    return [
        TakenKind(
            name,
            _name_kind(kind),
            (kind.get("taken", True) and fold_word(name) not in left_out)
            or fold_word(name) in chosen,
        )
        for name, kind in kinds.items()
        if kind.get("ignore") is None
    ]


def list_custom_names(source: Source) -> list[str]:
    """Return the names that were chosen and are no kind of the mapping."""
    kinds = {fold_word(kind.name) for kind in list_kinds(source)}
    return [name for name in source.chosen_events if fold_word(name) not in kinds]


def choose_name(source: Source, name: str) -> None:
    """Take events of `name` from now on: a kind of the mapping, or a custom name."""
    folded = fold_word(name)
    source.left_out_events = [
        each for each in source.left_out_events if fold_word(each) != folded
    ]
    is_kept = any(
        kind.is_taken for kind in list_kinds(source) if fold_word(kind.name) == folded
    )
    if not is_kept and folded not in map(fold_word, source.chosen_events):
        source.chosen_events = [*source.chosen_events, name]


def write_verifier(source: Source) -> str:
    """Return how calls of `source` are verified, as JSON that the form takes."""
    said = msgspec.to_builtins(read_verifier(source))
    return msgspec.json.format(msgspec.json.encode(said), indent=0).decode()


class ConnectForm(_ModelForm):
    """What has to be known before a platform can call."""

    platform = forms.ChoiceField(
        choices=[(name, name) for name in PLATFORMS], widget=forms.HiddenInput
    )
    name = forms.CharField(
        max_length=100,
        required=False,
        help_text="What people call it. Another one for a second account or environment.",
    )
    identity = forms.CharField(
        max_length=50, required=False, help_text=_IDENTITY_HELP, label="User IDs are"
    )
    is_test = forms.BooleanField(required=False, label="Test", help_text=_TEST_HELP)

    class Meta:
        model = Source
        fields = ("app", "platform", "name", "identity", "is_test")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if "app" in self.fields:
            field: Any = self.fields["app"]
            field.queryset = field.queryset.filter(archived_at=None)

    def clean_identity(self) -> str:
        """Refuse what names no provider."""
        return _read_identity(self.cleaned_data)

    def clean(self) -> dict[str, Any]:
        """Fill in what the preset says, and refuse a name that is taken."""
        cleaned = super().clean() or self.cleaned_data
        platform = cleaned.get("platform")
        if platform:
            preset = load_preset(platform)
            cleaned["name"] = str(cleaned.get("name", "")).strip() or preset.title
            if cleaned.get("identity") == preset.identity:
                cleaned["identity"] = ""
            self.instance.takes_marketing_links = preset.takes_marketing_links
            _check_name(self, cleaned.get("app"), platform)
        return cleaned


class SourceForm(_ModelForm):
    """What may be changed of a source that is there."""

    name = forms.CharField(max_length=100)
    identity = forms.CharField(
        max_length=50, required=False, help_text=_IDENTITY_HELP, label="User IDs are"
    )
    keys = forms.CharField(required=False, label="Referrer keys", widget=_LINES)
    takes = forms.MultipleChoiceField(
        required=False,
        label="Events to take",
        widget=forms.CheckboxSelectMultiple,
        help_text="What the platform calls them, and what they are to us.",
    )
    custom_names = forms.CharField(
        required=False,
        label="Custom names",
        widget=_LINES,
        help_text="Further events of the platform that become custom events, one name a "
        "line, as the platform writes it. Case, blanks, underscores and hyphens do not "
        "count.",
    )
    takes_marketing_links = forms.BooleanField(
        required=False,
        label="Marketing links",
        help_text="Take calls that name nobody who invited, as those of a marketing link. "
        "Otherwise they are ignored.",
    )
    is_test = forms.BooleanField(required=False, label="Test", help_text=_TEST_HELP)

    verified_by = forms.CharField(
        required=False,
        max_length=2_000,
        label="Verified by",
        widget=_LINES,
        help_text=_VERIFIED_HELP,
    )

    class Meta:
        model = Source
        fields = ("name", "identity", "takes_marketing_links", "is_test")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        source = self.instance
        if source.preset.any_verifier:
            self.initial["verified_by"] = write_verifier(source)
        else:
            self.fields.pop("verified_by", None)
        if source.is_native:
            for name in NATIVE_HAS_NOT:
                self.fields.pop(name, None)
            return
        kinds = list_kinds(source)
        own_keys = (source.mapping_in_force.get("referrer") or {}).get("keys") or ()
        self.initial = {
            **self.initial,
            "identity": source.identity or source.preset.identity,
            "keys": "\n".join(source.referrer_keys),
            "takes": [kind.name for kind in kinds if kind.is_taken],
            "custom_names": "\n".join(list_custom_names(source)),
        }
        if "takes" in self.fields:
            field: Any = self.fields["takes"]
            field.choices = [
                (kind.name, f"{kind.name} → {kind.title}") for kind in kinds
            ]
            self.fields["keys"].help_text = _describe_keys(own_keys)

    def clean_identity(self) -> str:
        """Say what the preset says where nothing is typed."""
        return _read_identity(self.cleaned_data) or self.instance.preset.identity

    def clean_keys(self) -> str:
        """Read one path a line."""
        keys = split_lines(self.cleaned_data["keys"])
        _refuse(find_key_problem(keys))
        return "\n".join(keys)

    def clean_custom_names(self) -> str:
        """Read one name a line; the same one counts once."""
        names = drop_repeated(split_lines(self.cleaned_data["custom_names"]))
        kinds = self.instance.mapping_in_force.get("kinds") or {}
        _refuse(find_event_problem(names, kinds))
        return "\n".join(names)

    def clean_verified_by(self) -> str:
        """Read what a verifier is; nothing is what the preset says."""
        text = str(self.cleaned_data["verified_by"]).strip()
        if not text:
            return msgspec.json.encode(self.instance.preset.verifier).decode()
        try:
            said = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            message = f"This is no JSON: {error}."
            raise ValidationError(message) from None
        _refuse(find_verifier_problem(said))
        return text

    def clean(self) -> dict[str, Any]:
        """Refuse a name that another source of the app and platform has."""
        cleaned = super().clean() or self.cleaned_data
        source = self.instance
        _check_name(self, source.app, source.platform)
        return cleaned

    def save(self, commit: bool = True) -> Source:
        """Put everything on the row. `source_setup` saves it."""
        source: Source = super().save(commit=False)
        if said := self.cleaned_data.get("verified_by"):
            source.verifier = _read_verifier(said, source)
        if not source.is_native:
            cleaned = self.cleaned_data
            if source.identity == source.preset.identity:
                source.identity = ""
            source.referrer_keys = split_lines(cleaned["keys"])
            _put_choices(source, cleaned["takes"], split_lines(cleaned["custom_names"]))
        return source


#: What a source has not whose calls hold events of ours.
NATIVE_HAS_NOT: Final = (
    "identity",
    "keys",
    "takes",
    "custom_names",
    "takes_marketing_links",
)
#: The columns that the form changes.
COLUMNS: Final = (
    *("name", "identity", "takes_marketing_links", "is_test"),
    *("referrer_keys", "chosen_events", "left_out_events", "verifier"),
)


def _read_verifier(text: str, source: Source) -> Any:
    """Return what the column holds: None where it is as the preset says."""
    verifier: Verifier = msgspec.json.decode(text, type=Verifier)
    is_presets = verifier == source.preset.verifier
    return None if is_presets else msgspec.to_builtins(verifier)


def _put_choices(source: Source, ticked: Sequence[str], names: Sequence[str]) -> None:
    """Write ticks down as what differs from the mapping's own."""
    kinds: AbstractMapping[str, Any] = source.mapping_in_force.get("kinds") or {}
    taken_anyway = {name for name, kind in kinds.items() if kind.get("taken", True)}
    offered = [kind.name for kind in list_kinds(source)]
    source.left_out_events = [
        name for name in offered if name in taken_anyway and name not in ticked
    ]
    added = [name for name in offered if name in ticked and name not in taken_anyway]
    source.chosen_events = [*added, *names]


def _name_kind(kind: AbstractMapping[str, Any]) -> str:
    """Return what an event of the kind is to us."""
    if "type" in kind:
        return TITLES.get(EventType(kind["type"]), WHO_IS_WHO)
    return str(kind.get("name") or "custom events, of the names below")


def _describe_keys(own: Sequence[str]) -> str:
    places = (
        f"Without any: {', '.join(own)}." if own else "The platform names the referrer."
    )
    return (
        "Where your ID of the referrer stands in a call, one key a line: the first that is "
        f"there counts. {places}"
    )


def _read_identity(cleaned: AbstractMapping[str, Any]) -> str:
    identity = str(cleaned["identity"]).strip()
    _refuse(find_identity_problem(identity))
    return identity


def _refuse(problem: str | None) -> None:
    if problem:
        raise ValidationError(problem)


def _check_name(form: forms.BaseForm, app: Any, platform: str) -> None:
    """Add an error where another source of `app` and `platform` has the name."""
    name, source = form.cleaned_data.get("name"), form.instance  # type: ignore[attr-defined]
    others = Source.objects.filter(app=app, platform=platform, name=name)
    if app and name and others.exclude(pk=source.pk).exists():
        form.add_error("name", _NAME_TAKEN)
