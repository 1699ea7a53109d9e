"""What platforms would say of the Demo Shop's events. Pure.

Each function returns None for an event that its platform knows nothing of: then the shop's
own backend tells it.
"""

from datetime import datetime
from typing import Final

import msgspec

from integration_project.demo.story import Json
from referrals.sources.call import Call, make_call

_OF_BRANCH: Final = {
    "link_click": "CLICK",
    "app_install": "INSTALL",
    "app_reinstall": "REINSTALL",
    "app_open": "OPEN",
    "web_open": "WEB_SESSION_START",
}
_OF_SEGMENT: Final = {
    "link_click": "Deep Link Clicked",
    "app_install": "Install Attributed",
    "app_open": "Application Opened",
    "web_sign_up": "Signed Up",
}
#: The links lead to nobody (RFC 2606).
_LINK: Final = "https://demo-shop.example/invite"


def write_branch_call(event: Json, *, at: datetime) -> Call | None:
    """Return Branch's call about an event that happened at `at`, without its secret.

    Branch knows people by their e-mail addresses, as the shop's app tells it.
    """
    name = _OF_BRANCH.get(event["type"], event.get("name"))
    if name is None or "referrer" not in event:
        return None
    user = event.get("user", {})
    user_data = {
        "os": "ANDROID",
        "developer_identity": user.get("identities", {}).get("email"),
        "idfv": user.get("device_id"),
        "ip": user.get("ip"),
    }
    touch = {
        "~feature": "referrals",
        "~channel": event.get("channel"),
        "~campaign": event.get("content"),
        "referringUserID": event["referrer"]["identities"]["email"],
        "+url": _LINK,
    }
    body = {
        "name": name,
        "timestamp": int(at.timestamp() * 1000),
        "user_data": _keep_said(user_data),
        "last_attributed_touch_data": _keep_said(touch),
        "custom_data": event.get("event_data", {}),
    }
    return make_call(
        "POST",
        headers=[("content-type", "application/json")],
        query_string=f"id={event['id']}&deep_linked=true",
        body=msgspec.json.encode(body),
    )


def write_track_call(event: Json, *, at: datetime) -> Json | None:
    """Return the item that an SDK of Segment's puts into a batch."""
    name = _OF_SEGMENT.get(event["type"], event.get("name"))
    if name is None or "referrer" not in event:
        return None
    user = event.get("user", {})
    identities = user.get("identities", {})
    context = {
        "traits": _keep_said({"email": identities.get("email")}),
        "ip": user.get("ip"),
        "device": _keep_said({"id": user.get("device_id")}),
        "campaign": _keep_said({"content": event.get("content")}),
    }
    properties = {
        **event.get("event_data", {}),
        "referrer": event["referrer"]["identities"],
        "channel": event.get("channel"),
    }
    return {
        "type": "track",
        "messageId": event["id"],
        "event": name,
        "timestamp": at.isoformat(),
        # Whoever only clicked has no ID of the shop's.
        **(
            {"userId": identities["custom_id"]}
            if identities
            else {"anonymousId": event["id"]}
        ),
        "context": _keep_said(context),
        "properties": _keep_said(properties),
    }


def _keep_said(found: Json) -> Json:
    return {name: value for name, value in found.items() if value not in (None, {})}
