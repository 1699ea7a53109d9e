"""Our admin site: the overview as its first page, a menu of its own, a throttled login.

The pages belong to the apps, which register theirs on the default site. They are
imported when they are asked for: they need the site first.
"""

from functools import partial
from typing import Any

from django.contrib import admin
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

from integration_project.admin_menu import build_menu
from integration_project.login_throttle import (
    ThrottledLoginForm,
    ThrottledPasswordChangeForm,
    remember_browser,
)


class ReferralsAdminSite(admin.AdminSite):
    """The product's face."""

    site_title = "Referral events"
    site_header = "Referral events"
    index_title = "Overview"
    enable_nav_sidebar = False
    site_url = None
    login_form = ThrottledLoginForm

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Add the menu to what every page knows."""
        context = super().each_context(request)
        if context["has_permission"]:
            context["menu"] = build_menu(request)
        return context

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Add the pages that are not about one table."""
        from clevertap_sync.admin.page_urls import list_page_urls
        from integration_project.doctor.page import show_machinery

        machinery = self.admin_view(partial(show_machinery, site=self))
        return [
            path("machinery/", machinery, name="machinery"),
            *list_page_urls(self),
            *super().get_urls(),
        ]

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Let a person in, and know the browser again."""
        response = super().login(request, extra_context)
        if request.method == "POST" and request.user.is_authenticated:
            remember_browser(request, response)
        return response

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Change one's own password, by the form that is throttled."""
        request.current_app = self.name
        return PasswordChangeView.as_view(
            form_class=ThrottledPasswordChangeForm,
            success_url=reverse("admin:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )(request)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Show where every integration stands."""
        from clevertap_sync.admin.overview import overview_page

        context = {
            **self.each_context(request),
            "title": self.index_title,
            **overview_page.build_overview(request),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/index.html", context)

    def app_index(
        self,
        request: HttpRequest,
        app_label: str,
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Lead to the overview: the menu lists every page, in an order that people know."""
        return redirect("admin:index")
