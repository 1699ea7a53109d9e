"""Changes with their author and time: from old to new, or only that a secret changed."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django import forms
from django.db.models import Model, QuerySet

from referrals.models import App, Change

COMMAND_LINE: Final = "command line"
WORKER: Final = "worker"
#: Shown in place of a secret's value.
HIDDEN: Final = "••••"
EMPTY: Final = "\N{EN DASH}"
_LONGEST: Final = 300
# A password typed a second time.
_REPEATED: Final = "password2"
_LONGEST_SUBJECT: Final = 200

#: A field's label, its old value, and its new value.
Difference = tuple[str, str, str]


def record_change(
    by: str,
    row: Model,
    what: str,
    *,
    app: App | None,
    differences: Iterable[Difference] = (),
) -> None:
    """Record a change of `row`. Call it inside the transaction of the change."""
    Change.objects.create(
        by=by,
        app=app,
        kind=row._meta.model_name or "",
        row=str(row.pk),
        subject=str(row)[:_LONGEST_SUBJECT],
        what=what[:_LONGEST],
        differences=[list(each) for each in differences],
    )


def list_changes(row: Model) -> QuerySet[Change]:
    """Return the changes of `row`, the latest first."""
    kind = row._meta.model_name or ""
    return Change.objects.filter(kind=kind, row=str(row.pk)).order_by("-pk")


def list_differences(form: forms.BaseForm) -> list[Difference]:
    """Return the differences that a saved form made, in the words of its fields.

    A form's `secret_fields` are shown without values; its `unsaved_fields` only fill in
    others and are left out.
    """
    secret = getattr(form, "secret_fields", ())
    unsaved = getattr(form, "unsaved_fields", ())
    found = []
    for name, field in form.fields.items():
        if name in unsaved or name == _REPEATED or field.disabled:
            continue
        if name not in form.cleaned_data:
            continue
        label = str(form[name].label)
        if name in secret or isinstance(field.widget, forms.PasswordInput):
            if form.cleaned_data.get(name):
                found.append((label, HIDDEN, "changed"))
            continue
        old = describe_value(field, form.get_initial_for_field(field, name))
        new = describe_value(field, form.cleaned_data.get(name))
        if old != new:
            found.append((label, old, new))
    return found


def describe_value(field: forms.Field, value: Any) -> str:
    """Return a field's value as the form's reader knows it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(field, forms.MultipleChoiceField):
        return _describe_choices(field, value or ())
    if isinstance(field, forms.ModelMultipleChoiceField):
        return ", ".join(sorted(str(each) for each in value or ())) or EMPTY
    if isinstance(field, forms.ModelChoiceField):
        return _describe_related(field, value)
    if isinstance(field, forms.ChoiceField):
        labels = {
            str(key): str(label) for key, label in _flatten_choices(field.choices)
        }
        value = labels.get(str(value), value)
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = "" if value is None else str(value)
    return text[:_LONGEST] or EMPTY


def _describe_related(field: "forms.ModelChoiceField[Any]", value: Any) -> str:
    if value is None or value == "":
        return str(field.empty_label or EMPTY).strip("-") or EMPTY
    if not isinstance(value, Model):
        value = field.queryset.model._default_manager.filter(pk=value).first()  # type: ignore[union-attr]
    return str(value)


def _describe_choices(field: forms.MultipleChoiceField, chosen: Sequence[str]) -> str:
    """Return the chosen ones; of many, which are left out."""
    labels = {str(key): str(label) for key, label in _flatten_choices(field.choices)}
    left_out = [label for key, label in labels.items() if key not in chosen]
    if not left_out:
        return "all"
    if len(left_out) <= len(labels) // 2:
        return f"all but {', '.join(left_out)}"
    return ", ".join(labels[key] for key in labels if key in chosen) or "none"


def _flatten_choices(choices: Any) -> list[tuple[Any, Any]]:
    return [
        inner
        for key, label in choices
        for inner in (label if isinstance(label, list | tuple) else [(key, label)])
    ]
