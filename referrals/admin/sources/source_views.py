"""The buttons of a source, one POST each: its secrets, its end, and a name that it takes."""

from typing import TYPE_CHECKING, Final

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern

from referrals import history, source_setup
from referrals.admin.kit.row_urls import build_row_url
from referrals.admin.sources.connect_page import show_connect_page
from referrals.admin.sources.source_form import choose_name
from referrals.models import Source
from referrals.secret import Secret
from referrals.source_address import read_preset_in_force
from referrals.source_choices import drop_repeated, find_event_problem
from referrals.source_setup import THEIRS, SourceError
from referrals.words import make_inert

if TYPE_CHECKING:
    from referrals.admin.sources.source_admin import SourceAdmin

_CHANGE: Final = "admin:referrals_source_change"


def list_source_urls(page: "SourceAdmin") -> list[URLPattern]:
    """Return the addresses below a source's own."""
    return [
        build_row_url(page, "connect", handle_steps, is_page=True, for_viewers=True),
        build_row_url(page, "secret", handle_new_secret),
        build_row_url(page, "end-secret", handle_end_of_secret),
        build_row_url(page, "take", handle_name),
        build_row_url(page, "archive", handle_archiving, is_page=True),
    ]


def handle_steps(
    page: "SourceAdmin", request: HttpRequest, source: Source
) -> HttpResponse:
    """Show the steps, and whether a call has come; on a POST, take the platform's secret."""
    if request.method == "POST":
        return handle_new_secret(page, request, source)
    return show_connect_page(page, request, source)


def handle_new_secret(
    page: "SourceAdmin", request: HttpRequest, source: Source
) -> HttpResponse:
    """Put a new secret in front: the platform's that was typed, or one of ours, shown once."""
    typed = Secret(request.POST.get("secret", "").strip())
    try:
        preset = read_preset_in_force(source)
        if preset.secret == THEIRS or (preset.takes_their_secret and typed):
            source_setup.check_secret(preset, typed)
            source_setup.set_secret(request.user.get_username(), source, typed)
            messages.success(
                request, "Saved, encrypted. It is never shown again. Now let it call."
            )
            return redirect("admin:referrals_source_connect", source.pk)
        made = source_setup.set_secret(request.user.get_username(), source)
    except SourceError as error:
        return show_connect_page(page, request, source, mistake=str(error))
    return show_connect_page(page, request, source, secret=made)


def handle_end_of_secret(
    page: "SourceAdmin", request: HttpRequest, source: Source
) -> HttpResponse:
    """Accept the new secret only."""
    if source.previous_secret:
        source_setup.end_previous_secret(request.user.get_username(), source)
        messages.success(
            request, "Ended. Calls with the old secret get 401 within seconds."
        )
    return redirect(_CHANGE, source.pk)


def handle_name(
    page: "SourceAdmin", request: HttpRequest, source: Source
) -> HttpResponse:
    """Take events of a name that was seen and ignored, from now on."""
    name = request.POST.get("name", "").strip()
    chosen = drop_repeated([*source.chosen_events, name])
    kinds = source.mapping_in_force.get("kinds") or {}
    if problem := find_event_problem(chosen, kinds):
        messages.error(request, problem)
        return redirect(_CHANGE, source.pk)
    choose_name(source, name)
    source_setup.change_source(
        request.user.get_username(),
        source,
        ["chosen_events", "left_out_events"],
        [("Events to take", history.EMPTY, name)],
    )
    messages.success(request, f"{make_inert(name)} is taken from now on.")
    return redirect(_CHANGE, source.pk)


def handle_archiving(
    page: "SourceAdmin", request: HttpRequest, source: Source
) -> HttpResponse:
    """Ask whether it is meant; on a POST, switch the source off for good."""
    if request.method == "POST":
        source_setup.archive_source(request.user.get_username(), source)
        messages.success(request, f"Archived {source.name}. Its secrets are wiped.")
        return redirect("admin:referrals_source_changelist")
    context = {
        **page.admin_site.each_context(request),
        "title": f"Archive {source.name}?",
        "opts": page.opts,
        "source": source,
    }
    return TemplateResponse(request, "referrals/sources/archive.html", context)
