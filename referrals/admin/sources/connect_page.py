"""The steps that connect a platform, in its own menu words, and the wait for its first call.

A secret of ours is shown in the answer that made it, and never again: whoever opens the
page later finds the steps with a mask in its place.
"""

import re
from collections.abc import Iterator, Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from referrals.admin.key_admin import find_origin
from referrals.admin.sources import numbers
from referrals.admin.sources.standing import describe_source
from referrals.ingest.source_health import read_source_health
from referrals.models import Source
from referrals.secret import Secret
from referrals.source_address import (
    SEGMENT,
    SHOWN_BEFORE,
    find_step_values,
    read_preset_in_force,
    write_hook_path,
)
from referrals.source_setup import THEIRS
from referrals.sources.segment import PATH as SEGMENT_PATH

if TYPE_CHECKING:
    from referrals.admin.sources.source_admin import SourceAdmin

# What a step may name. Every other brace is the platform's own.
_MARKS: Final = re.compile(r"(\{(?:url|address|host|secret|header)\})")


@dataclass(frozen=True, slots=True)
class StepPart:
    """A piece of a step: words, or a value. By its `slug` one to paste can be copied."""

    text: str
    is_value: bool = False
    slug: str = ""


def show_connect_page(
    page: "SourceAdmin",
    request: HttpRequest,
    source: Source,
    *,
    secret: Secret | None = None,
    mistake: str = "",
) -> HttpResponse:
    """Show the steps; with `secret`, which was made by this request, for this once.

    `mistake` says what is wrong with a secret that was typed.
    """
    preset = read_preset_in_force(source)
    now = timezone.now()
    health = read_source_health([source.pk], now)[source.pk]
    context: dict[str, Any] = {
        **page.admin_site.each_context(request),
        "title": f"Connect {preset.title}",
        "opts": page.opts,
        "source": source,
        "preset": preset,
        "steps": list_steps(source, find_origin(request), secret),
        "is_shown": bool(secret),
        "is_theirs": preset.secret == THEIRS,
        "takes_theirs": preset.takes_their_secret,
        "is_segment": source.platform == SEGMENT,
        "mistake": mistake,
        "may_change": page.has_change_permission(request, source),
        "light": describe_source(source, health, now),
        "arrived": numbers.describe_arrival(source, health),
    }
    return TemplateResponse(
        request,
        "referrals/sources/connect.html",
        context,
        headers={"Cache-Control": "no-store"},
    )


def list_steps(
    source: Source, server: str, secret: Secret | None = None
) -> list[list[StepPart]]:
    """Return the preset's steps, each in parts, with the values of `source` filled in."""
    shown = secret.reveal() if secret else SHOWN_BEFORE
    values = find_step_values(source, base=server, secret=shown)
    preset = read_preset_in_force(source)
    # Nobody pastes an address with a mask in it.
    in_address = preset.has_secret_in_url
    masked = set() if secret else {"{secret}", *(["{url}", "{address}"] * in_address)}
    return [
        list(_fill_step(number, step, values, masked))
        for number, step in enumerate(preset.connect, start=1)
    ]


def find_host(source: Source, server: str) -> str:
    """Return the URL that SDKs of Segment's kind have as their host; "" of other platforms."""
    return f"{server}{SEGMENT_PATH}" if source.platform == SEGMENT else ""


def mask_url(source: Source, server: str) -> str:
    """Return the URL that a platform calls, with `…` where its secret stands."""
    return f"{server}{write_hook_path(source)}"


def _fill_step(
    number: int, step: str, values: dict[str, str], masked: AbstractSet[str]
) -> Iterator[StepPart]:
    # Every second piece is a mark.
    for index, piece in enumerate(_MARKS.split(step)):
        if index % 2:
            slug = "" if piece in masked else f"step-{number}-{piece[1:-1]}"
            yield StepPart(values[piece], is_value=True, slug=slug)
        elif piece:
            yield StepPart(piece)
