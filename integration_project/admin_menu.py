"""The admin's menu: each page that the person may see, in the order of a working day."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest
from django.urls import reverse


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A page of the menu."""

    label: str
    url: str
    active: bool


@dataclass(frozen=True, slots=True)
class MenuSection:
    """Pages that belong together."""

    title: str
    entries: tuple[MenuEntry, ...]


# No role or group can have this permission: only superusers, who have every one.
_SUPERUSERS: Final = "superusers.alone"
# Title, then label, name of the address, and the permission that shows the page.
_SECTIONS: Final = (
    (
        "",
        (
            ("Overview", "index", ""),
            ("Events", "events", "referrals.view_referralevent"),
            ("Referrals", "referrals", "referrals.view_referralevent"),
            ("People", "people", "referrals.view_identities"),
            ("Ingest", "ingest", "referrals.view_referralevent"),
            ("Problems", "problems", "clevertap_sync.view_deadletter"),
        ),
    ),
    (
        "Try it out",
        (
            ("Preview", "preview_start", "clevertap_sync.view_integration"),
            ("Test event", "test_event_start", "clevertap_sync.change_integration"),
        ),
    ),
    (
        "Delivery",
        (
            (
                "Uploads",
                "clevertap_sync_upload_changelist",
                "clevertap_sync.view_upload",
            ),
            (
                "Attempts",
                "clevertap_sync_attempt_changelist",
                "clevertap_sync.view_attempt",
            ),
            (
                "Dead letters",
                "clevertap_sync_deadletter_changelist",
                "clevertap_sync.view_deadletter",
            ),
            (
                "Replays",
                "clevertap_sync_replay_changelist",
                "clevertap_sync.view_replay",
            ),
            (
                "Rejected events",
                "referrals_rejectedevent_changelist",
                "referrals.view_rejectedevent",
            ),
        ),
    ),
    (
        "Set-up",
        (
            ("Apps", "referrals_app_changelist", "referrals.view_app"),
            ("Sources", "referrals_source_changelist", "referrals.view_source"),
            ("API keys", "referrals_apikey_changelist", "referrals.view_apikey"),
            (
                "Integrations",
                "clevertap_sync_integration_changelist",
                "clevertap_sync.view_integration",
            ),
            ("Alerts", "clevertap_sync_alert_changelist", "clevertap_sync.view_alert"),
            (
                "Custom names",
                "referrals_customname_changelist",
                "referrals.view_customname",
            ),
        ),
    ),
    (
        "Administration",
        (
            ("Machinery", "machinery", _SUPERUSERS),
            ("Users", "auth_user_changelist", _SUPERUSERS),
            ("Groups", "auth_group_changelist", _SUPERUSERS),
            ("History", "history", _SUPERUSERS),
            ("Erasures", "referrals_erasurerequest_changelist", _SUPERUSERS),
        ),
    ),
)


def build_menu(request: HttpRequest) -> list[MenuSection]:
    """Return the sections that have something for the person."""
    addresses = {
        name: reverse(f"admin:{name}") for _, pages in _SECTIONS for _, name, _ in pages
    }
    open_page = _find_open_page(request.path, addresses)
    sections = (
        MenuSection(
            title,
            tuple(
                MenuEntry(label, addresses[name], name == open_page)
                for label, name, permission in pages
                if not permission or request.user.has_perm(permission)
            ),
        )
        for title, pages in _SECTIONS
    )
    return [section for section in sections if section.entries]


def _find_open_page(path: str, addresses: Mapping[str, str]) -> str:
    """Return the name of the menu's page that `path` belongs to: the nearest one.

    Every address begins with the overview's, which none but itself belongs to.
    """
    if path == addresses["index"]:
        return "index"
    around = [
        name
        for name, address in addresses.items()
        if path.startswith(address) and name != "index"
    ]
    return max(around, key=lambda name: len(addresses[name]), default="")
