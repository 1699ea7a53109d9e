"""The cards from which somebody who connects a platform chooses it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from referrals.sources.presets import PLATFORMS, load_preset
from referrals.sources.verifiers import (
    BasicVerifier,
    HeaderVerifier,
    UrlVerifier,
    Verifier,
)

if TYPE_CHECKING:
    from referrals.admin.sources.source_admin import SourceAdmin


@dataclass(frozen=True, slots=True)
class PlatformCard:
    """One platform: its name, how its calls are verified, and where its form is."""

    title: str
    verified: str
    is_draft: bool
    url: str


def show_platforms(page: "SourceAdmin", request: HttpRequest) -> HttpResponse:
    """Show a card for each platform that can be connected."""
    app = request.GET.get("app", "")
    context: dict[str, Any] = {
        **page.admin_site.each_context(request),
        "title": "Connect a platform",
        "opts": page.opts,
        "cards": [_make_card(platform, app) for platform in PLATFORMS],
    }
    return TemplateResponse(request, "referrals/sources/platforms.html", context)


def _make_card(platform: str, app: str) -> PlatformCard:
    preset = load_preset(platform)
    query = {"platform": platform} | ({"app": app} if app else {})
    return PlatformCard(
        preset.title,
        describe_verifier(preset.verifier),
        preset.is_draft,
        f"?{urlencode(query)}",
    )


def describe_verifier(verifier: Verifier) -> str:
    """Return in a few words how a call shows that it is the platform's."""
    match verifier:
        case HeaderVerifier():
            return "a secret in a header"
        case BasicVerifier():
            return "a password"
        case UrlVerifier():
            return "a secret in the address"
    return "signed calls"
