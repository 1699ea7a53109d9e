"""The pages People: look one up, see why, mark an identity as shared.

For those who may see identities. A typed identity is not kept, and is in no address: pages
are named by keyed hashes.
"""

from typing import Any, Final
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import (
    require_http_methods,
    require_POST,
    require_safe,
)

from referrals import access, hashing, history, log, people
from referrals.admin.kit.base import demand_permission
from referrals.admin.people import who_is_who
from referrals.models import App, KnownIdentity, SharedMark

#: To mark an identity changes what becomes of an app's events.
MARKS: Final = "referrals.change_app"
_LONGEST: Final = 1_000
_MARKED: Final = "Marked as shared: it names nobody from now on."
_LIFTED: Final = "Lifted the mark: the next event that ties it says whose it is, unless two users had claimed it."


class LookUpForm(forms.Form):
    """An identity to look up in an app."""

    app = forms.ModelChoiceField(
        App.objects.none(), to_field_name="slug", empty_label=None
    )
    provider = forms.CharField(
        max_length=100,
        help_text="Such as email, custom_id or anonymous_id.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    identity = forms.CharField(
        max_length=_LONGEST,
        strip=False,
        help_text="Compared byte for byte. It is not kept.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, request: HttpRequest, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        field: Any = self.fields["app"]
        field.queryset = access.list_apps(request.user, access.VIEW_IDENTITIES)

    def find_hash(self) -> UUID:
        """Return the keyed hash of the typed identity."""
        typed = self.cleaned_data
        digest = hashing.make_identity_hasher(typed["app"].pk)
        return UUID(digest(typed["provider"].strip(), typed["identity"]))


@sensitive_post_parameters("identity")
@require_http_methods(["GET", "HEAD", "POST"])
def show_people(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Show how far an app has learned and which identities conflict; look one up."""
    demand_permission(request, access.VIEW_IDENTITIES)
    apps = list(access.list_apps(request.user, access.VIEW_IDENTITIES))
    app = next((each for each in apps if each.slug == request.GET.get("app")), None)
    form = LookUpForm(request, initial={"app": (app or (apps[0] if apps else None))})
    missed = False
    if request.method == "POST":
        form = LookUpForm(request, request.POST)
        if form.is_valid():
            app, digest = form.cleaned_data["app"], form.find_hash()
            if "mark" in request.POST:
                _mark(request, app, digest, form.cleaned_data["provider"].casefold())
            if _is_known(app, digest):
                return redirect("admin:person", app.slug, digest.hex)
            missed = True
    app = app or (apps[0] if apps else None)
    context = {
        **site.each_context(request),
        "title": "People",
        "apps": apps,
        "app": app,
        "form": form,
        "missed": missed,
        "may_mark": app is not None and request.user.has_perm(MARKS, app),
        **(_describe_learning(app) if app else {}),
    }
    return TemplateResponse(request, "referrals/people.html", context)


@require_safe
def show_person(
    request: HttpRequest, slug: str, digest: str, site: AdminSite
) -> HttpResponse:
    """Show what is known of an identity, of its person, and why."""
    app, key = _find_place(request, slug, digest)
    known = who_is_who.find_by_hash(app, key)
    mark = who_is_who.find_mark(app, key)
    if not known and mark is None:
        raise Http404
    context = {
        **site.each_context(request),
        "title": "Person",
        "app": app,
        "hash": key.hex,
        "known": known,
        "mark": mark,
        "provider": known[0].identity.provider if known else mark and mark.provider,
        "may_mark": request.user.has_perm(MARKS, app),
    }
    return TemplateResponse(request, "referrals/person.html", context)


@require_POST
def mark_person(
    request: HttpRequest, slug: str, digest: str, site: AdminSite
) -> HttpResponse:
    """Mark an identity as shared."""
    app, key = _find_place(request, slug, digest)
    row = KnownIdentity.objects.filter(app=app, hash=key).first()
    if row is None:
        raise Http404
    _mark(request, app, key, row.provider)
    return redirect("admin:person", app.slug, key.hex)


@require_POST
def lift_person(
    request: HttpRequest, slug: str, digest: str, site: AdminSite
) -> HttpResponse:
    """Lift the mark of an identity."""
    app, key = _find_place(request, slug, digest)
    demand_permission(request, MARKS, app)
    mark = get_object_or_404(SharedMark, app=app, hash=key)
    with transaction.atomic():
        history.record_change(request.user.get_username(), mark, _LIFTED, app=app)
        people.lift_mark(app.pk, mark)
    messages.success(request, _LIFTED)
    return redirect(f"{reverse('admin:people')}?app={app.slug}")


def _find_place(request: HttpRequest, slug: str, digest: str) -> tuple[App, UUID]:
    """Return the app and the hash of an address, or refuse."""
    demand_permission(request, access.VIEW_IDENTITIES)
    apps = access.list_apps(request.user, access.VIEW_IDENTITIES)
    app = get_object_or_404(apps, slug=slug)
    try:
        return app, UUID(hex=digest)
    except ValueError as error:
        raise Http404 from error


def _mark(request: HttpRequest, app: App, key: UUID, provider: str) -> None:
    """Mark an identity, and put it into the history; a second time changes nothing."""
    demand_permission(request, MARKS, app)
    by = request.user.get_username()
    with transaction.atomic():
        if who_is_who.find_mark(app, key) is None:
            mark = people.mark_hash(app.pk, provider, key.hex, by)
            history.record_change(by, mark, _MARKED, app=app)
    messages.success(request, _MARKED)


def _is_known(app: App, digest: UUID) -> bool:
    rows = KnownIdentity.objects.filter(app=app, hash=digest)
    return rows.exists() or who_is_who.find_mark(app, digest) is not None


def _describe_learning(app: App) -> dict[str, Any]:
    progress = who_is_who.read_progress(app)
    return {
        "progress": progress,
        "head": log.read_head(app.pk) if progress else 0,
        "conflicts": who_is_who.list_conflicts(app),
        "most_conflicts": who_is_who.MOST_CONFLICTS,
    }
