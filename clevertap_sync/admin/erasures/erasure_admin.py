"""Erasures: ordering and following one, deleting in CleverTap, lifting. For superusers.

Typed identities are not kept. None is in an address, a message, the history or a page,
except in the hidden fields of the page that asks for confirmation.
"""

from collections.abc import Callable
from typing import Any, Final

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from clevertap_sync.admin.erasures.erasure_form import EraseForm, SamePersonForm
from clevertap_sync.delivery.erasure import (
    erasure_orders,
    erasure_words,
    profile_deletion,
)
from clevertap_sync.delivery.erasure.known_others import KnownOther, find_known_others
from clevertap_sync.process import worker_presence
from referrals import suppression, words
from referrals.admin.kit.base import ReadOnlyAdmin, SeenBySuperusers
from referrals.admin.kit.charts import list_bar_shares
from referrals.admin.kit.date_range import filter_by_date
from referrals.identity import Identity
from referrals.models import App, ErasureRequest
from referrals.words import Colour

#: A person waits for the answer, and a router gives up after 30 seconds.
DELETION_SECONDS: Final = 15.0

State = ErasureRequest.State
_LIGHTS: Final[dict[str, tuple[Colour, str]]] = {
    State.WAITING: ("busy", "Waiting"),
    State.ERASING: ("busy", "Erasing"),
    State.DONE: ("good", "Done"),
}


@admin.register(ErasureRequest)
class ErasureAdmin(SeenBySuperusers, ReadOnlyAdmin):
    """The orders to erase: when, by which operator, and how far each is. No identity."""

    change_list_template = "clevertap_sync/erasures.html"
    change_form_template = "clevertap_sync/erasure.html"
    intro = (
        "People who asked to be forgotten. Only keyed hashes of their identities are kept, "
        "so no page can say who they are."
    )
    empty_state = "Nobody asked to be forgotten yet."
    next_step = ("admin:referrals_erasurerequest_erase", "Erase a person")
    list_display = (
        *("id", "status", "app", "requested_by", "requested"),
        *("progress", "events", "dead_letters", "waiting"),
    )
    list_filter = (filter_by_date("requested_at"), "app", "state")
    list_select_related = ("app",)
    fields = ("app", "requested_by", "requested", "known_by", "replaced")

    @admin.display(description="state", ordering="state")
    def status(self, order: ErasureRequest) -> str:
        """Return how far it is, as a light."""
        return words.render_light(*_LIGHTS[order.state])

    @admin.display(description="requested", ordering="pk")
    def requested(self, order: ErasureRequest) -> str:
        return words.format_instant(order.requested_at)

    @admin.display(description="gone through")
    def progress(self, order: ErasureRequest) -> str:
        """Return how much of the log the erasure has gone through."""
        if order.state == State.WAITING:
            return words.NOTHING
        return f"{order.erased_to:,} of {order.head:,}"

    @admin.display(description="uploads waited for", ordering="uploads_waiting")
    def waiting(self, order: ErasureRequest) -> str:
        """Return how many uploads may still hold the person."""
        return words.format_number(order.uploads_waiting)

    @admin.display(description="known by")
    def known_by(self, order: ErasureRequest) -> str:
        """Return the number of identities whose hashes are kept."""
        return f"keyed hashes of {_identities(len(order.hashes))}"

    @admin.display(description="uploads replaced")
    def replaced(self, order: ErasureRequest) -> str:
        """Return how many uploads were replaced by parts without the person."""
        return words.format_number(order.uploads_replaced)

    def build_extra_context(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        obj: ErasureRequest | None,
    ) -> dict[str, Any]:
        """Add the progress, and the actions that can follow."""
        return _progress_of(obj) if obj else {}

    def get_urls(self) -> list[URLPattern]:
        """Add the page that orders an erasure, and the actions that can follow."""

        def route_to(
            route: str, name: str, view: Callable[..., HttpResponse]
        ) -> URLPattern:
            def guarded(request: HttpRequest, **named: int) -> HttpResponse:
                if not request.user.is_superuser:
                    raise PermissionDenied
                return view(request, **named)

            page = require_http_methods(["GET", "HEAD", "POST"])(guarded)
            wrapped = self.admin_site.admin_view(sensitive_post_parameters()(page))
            return path(route, wrapped, name=f"referrals_erasurerequest_{name}")

        return [
            route_to("erase/", "erase", self.erase),
            route_to("<int:pk>/clevertap/", "clevertap", self.clevertap),
            route_to("<int:pk>/lift/", "lift", self.lift),
            *super().get_urls(),
        ]

    def erase(self, request: HttpRequest) -> HttpResponse:
        """Ask for the person's identities, then for confirmation, and order the erasure."""
        form = EraseForm(request.POST if request.method == "POST" else None)
        is_read = form.is_bound and form.is_valid()
        if is_read and request.POST.get("confirmed"):
            return self._order(request, form)
        known = find_known_others(*_whom(form)) if is_read else []
        context = {
            **self.admin_site.each_context(request),
            "title": "Erase a person",
            "opts": self.opts,
            "form": form,
            "whom": form.cleaned_data["identities"] if is_read else [],
            "own": [each.identity for each in known if not each.is_shared],
            "shared": [each.identity for each in known if each.is_shared],
            "kept": erasure_words.KEPT,
            "clevertap_has": erasure_words.CLEVERTAP_HAS,
        }
        return TemplateResponse(request, "clevertap_sync/erase.html", context)

    def _order(self, request: HttpRequest, form: EraseForm) -> HttpResponse:
        app, identities = _whom(form)
        including: list[KnownOther] = []
        if form.cleaned_data["including_others"]:
            including = find_known_others(app, identities)
        with transaction.atomic():
            order = erasure_orders.order_erasure(
                app,
                identities,
                including=including,
                requested_by=request.user.get_username(),
            )
            self.log_addition(
                request, order, f"Ordered, by {_identities(len(order.hashes))}."
            )
        messages.success(
            request,
            "Ordered. From now on nothing about the person goes to CleverTap.",
        )
        return redirect("admin:referrals_erasurerequest_change", order.pk)

    def clevertap(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask CleverTap to delete the person; the operator types the identities again."""
        template = "clevertap_sync/erasure_clevertap.html"
        return self._again(request, pk, template, self._delete)

    def lift(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Let later events of the person go out again."""
        template = "clevertap_sync/erasure_lift.html"
        return self._again(request, pk, template, self._lift)

    def _delete(
        self, request: HttpRequest, order: ErasureRequest, identities: list[Identity]
    ) -> list[str]:
        deletions = profile_deletion.delete_profiles(
            order.app, identities, seconds=DELETION_SECONDS
        )
        answers = erasure_words.describe_answers(deletions)
        self.log_change(
            request, order, f"Asked CleverTap to delete them. {' '.join(answers)}"
        )
        return answers

    def _lift(
        self, request: HttpRequest, order: ErasureRequest, identities: list[Identity]
    ) -> list[str]:
        with transaction.atomic():
            lifted = erasure_orders.lift_suppressions(order.app, identities)
            answer = erasure_words.describe_lifting(identities, lifted)
            self.log_change(request, order, f"Lifted: {answer}")
        return [answer]

    def _again(
        self,
        request: HttpRequest,
        pk: int,
        template: str,
        act: Callable[[HttpRequest, ErasureRequest, list[Identity]], list[str]],
    ) -> HttpResponse:
        orders = self.get_queryset(request).select_related("app")
        order = get_object_or_404(orders, pk=pk)
        if order.state != State.DONE or not _suppressed(order):
            messages.error(
                request, "That has its time when the person is erased and suppressed."
            )
            return redirect("admin:referrals_erasurerequest_change", pk)
        form = SamePersonForm(
            request.POST if request.method == "POST" else None, order=order
        )
        answers: list[str] = []
        if form.is_bound and form.is_valid():
            answers = act(request, order, form.cleaned_data["identities"])
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "order": order,
            "form": form,
            "answers": answers,
            "takes": erasure_words.DELETION_TAKES,
        }
        return TemplateResponse(request, template, context)


def _whom(form: EraseForm) -> tuple[App, list[Identity]]:
    return form.cleaned_data["app"], form.cleaned_data["identities"]


def _progress_of(order: ErasureRequest) -> dict[str, Any]:
    """Return the context of the live part of an order's page."""
    is_done = order.state == State.DONE
    silence = None if is_done else worker_presence.read_worker_silence()
    return {
        "is_done": is_done,
        "light": words.render_light(*_LIGHTS[order.state]),
        "shares": list_bar_shares(order.head, accepted=order.erased_to),
        "completes_by": erasure_orders.find_latest_completion(order),
        "suppressed": _suppressed(order),
        "lacks_worker": not is_done and (silence is None or silence.is_too_long),
    }


def _suppressed(order: ErasureRequest) -> int:
    """Return how many of the order's identities are suppressed now."""
    return suppression.count_suppressed(order.app_id, order.hashes)


def _identities(count: int) -> str:
    return words.format_count(count, "identity", "identities")
