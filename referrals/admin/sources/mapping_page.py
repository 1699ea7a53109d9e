"""The page of a source's mapping: as a form or as JSON, beside what it makes of a call.

Every button sends the whole form, and only *Save* and *Reset* write. A mapping with
mistakes is shown again as it was sent, with a sentence for each.
"""

from collections.abc import Mapping as Pairs, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from referrals import source_setup
from referrals.admin.sources import call_preview
from referrals.admin.sources.call_preview import Example
from referrals.admin.sources.mapping_changes import list_mapping_changes
from referrals.admin.sources.mapping_form import (
    BECOMES,
    TIME_FORMS,
    MappingForm,
    can_say,
    read_form,
    write_form,
)
from referrals.admin.sources.mapping_text import (
    MistakeError,
    format_json,
    read_json_text,
)
from referrals.admin.sources.source_rows import CHANGES, find_source_row
from referrals.hooks.capture import find_capture_end
from referrals.hooks.known_sources import UnreadableSourceError, make_known_source
from referrals.models import Source
from referrals.sources.mapping.mistakes import Mistake
from referrals.sources.mapping.rules import Mapping
from referrals.sources.mapping.validate import validate_mapping

FORM, JSON = "form", "json"
_MOST_MISTAKES: Final = 50


@dataclass(slots=True)
class _Edited:
    """A mapping as it is being edited. `checked` is None where it has mistakes."""

    mode: str
    sent: Any
    text: str = ""
    form: MappingForm | None = None
    mistakes: list[Mistake] = field(default_factory=list)
    checked: Mapping | None = None

    def check(self) -> "_Edited":
        """Look for what is wrong with the mapping itself, where all of it could be read."""
        if not self.mistakes:
            checked = validate_mapping(self.sent)
            if isinstance(checked, Mapping):
                self.checked = checked
            else:
                self.mistakes = list(checked)
        if self.form is not None:
            self.form = self.form.mark(self.mistakes)
        return self

    def turn(self, mode: str) -> "_Edited":
        """Return a mapping without mistakes in another mode; as JSON where no form can say it."""
        return _write(self.sent, mode) if self.checked is not None else self


@require_http_methods(["GET", "HEAD", "POST"])
def show_mapping(request: HttpRequest, pk: int, site: AdminSite) -> HttpResponse:
    """Show the mapping and what it makes of a call; save or reset it."""
    posted = request.method == "POST"
    source = find_source_row(request, pk, *([CHANGES] if posted else []))
    if posted and request.POST.get("do") == "reset":
        return _reset(request, source)
    edited = _read(request.POST) if posted else _write_kept(request, source)
    if posted and request.POST.get("do") == "save" and edited.checked is not None:
        return _save(request, source, edited.sent)
    if posted and request.POST.get("do") in (FORM, JSON):
        edited = edited.turn(request.POST["do"])
    context = {
        **site.each_context(request),
        "title": "Mapping",
        "opts": Source._meta,
        "source": source,
        "may_change": request.user.has_perm(CHANGES, source.app)
        and source.archived_at is None,
        "is_own": source.mapping is not None,
        "mode": edited.mode,
        "form": edited.form,
        "text": edited.text,
        "mistakes": edited.mistakes[:_MOST_MISTAKES],
        "more_mistakes": max(0, len(edited.mistakes) - _MOST_MISTAKES),
        "becomes": BECOMES,
        "time_forms": TIME_FORMS,
        "captures_until": find_capture_end(source, timezone.now()),
        **_preview(source, edited.checked, _find_asked(request)),
    }
    return TemplateResponse(request, "referrals/source_mapping.html", context)


@require_POST
def switch_capture(request: HttpRequest, pk: int, site: AdminSite) -> HttpResponse:
    """Capture the shape of calls for an hour, or end that and drop what was kept."""
    source = find_source_row(request, pk, CHANGES)
    if source.archived_at is not None:
        messages.error(request, "The source is archived: no call comes any more.")
    elif request.POST.get("do") == "end":
        source_setup.end_capture(request.user.get_username(), source)
        messages.success(request, "Nothing is captured any more, and nothing is kept.")
    else:
        source_setup.start_capture(request.user.get_username(), source)
        messages.success(
            request,
            "Captures for an hour. The next call shows here some seconds later.",
        )
    return redirect("admin:source_mapping", pk)


def _write_kept(request: HttpRequest, source: Source) -> _Edited:
    mode = JSON if request.GET.get("as") == JSON else FORM
    return _write(source.mapping_in_force, mode)


def _write(mapping: Any, mode: str) -> _Edited:
    """Show a mapping that was read or saved; one that no form can say, as JSON."""
    edited = _Edited(JSON, mapping, text=format_json(mapping)).check()
    if mode == JSON or edited.checked is None or not can_say(mapping):
        return edited
    return replace(edited, mode=FORM, text="", form=write_form(mapping))


def _read(posted: Pairs[str, str]) -> _Edited:
    """Return what a person sent, checked."""
    if posted.get("mode") != JSON:
        form, mapping, mistakes = read_form(posted)
        return _Edited(FORM, mapping, form=form, mistakes=mistakes).check()
    text = posted.get("text", "").replace("\0", "")
    try:
        return _Edited(JSON, read_json_text(text), text=text).check()
    except MistakeError as error:
        return _Edited(JSON, None, text=text, mistakes=[error.mistake])


def _save(request: HttpRequest, source: Source, mapping: Any) -> HttpResponse:
    is_presets = mapping == source.preset.mapping
    return _keep(request, source, None if is_presets else mapping, "Saved the mapping.")


def _reset(request: HttpRequest, source: Source) -> HttpResponse:
    done = f"The mapping is again as {source.preset.title}'s preset has it."
    return _keep(request, source, None, done)


def _keep(
    request: HttpRequest, source: Source, mapping: Any, done: str
) -> HttpResponse:
    if source.archived_at is not None:
        messages.error(request, "The source is archived: its mapping stays as it is.")
        return redirect("admin:source_mapping", source.pk)
    before = source.mapping_in_force
    after = source.preset.mapping if mapping is None else mapping
    differences = list_mapping_changes(before, after)
    if differences or (source.mapping is None) != (mapping is None):
        source.mapping = mapping
        by = request.user.get_username()
        source_setup.change_source(by, source, ["mapping"], differences)
    messages.success(request, f"{done} Calls follow it within five seconds.")
    return redirect("admin:source_mapping", source.pk)


def _find_asked(request: HttpRequest) -> str:
    asked = request.POST if request.method == "POST" else request.GET
    return asked.get("example", "")


def _preview(source: Source, mapping: Mapping | None, asked: str) -> dict[str, Any]:
    """Return the context of the preview: the call, and what the mapping makes of it."""
    examples = call_preview.list_examples(source)
    chosen = _choose(examples, asked)
    context = {"examples": examples, "example": chosen}
    if mapping is None or chosen is None:
        return context
    try:
        known = make_known_source(source)
    except UnreadableSourceError:
        return {**context, "is_unreadable": True}
    known = msgspec.structs.replace(known, mapping=mapping)
    items, left_out = call_preview.preview_call(known, chosen.call)
    return {**context, "items": items, "left_out": left_out}


def _choose(examples: Sequence[Example], asked: str) -> Example | None:
    """Return the example that was asked for, or the first one."""
    found = [each for each in examples if each.value == asked]
    return next(iter([*found, *examples]), None)
