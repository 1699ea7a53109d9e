"""An event's records, without any of the rules that the product keeps."""

from collections.abc import Iterator
from typing import Any

TITLES = {
    "app_install": "App Install",
    "app_reinstall": "App Reinstall",
    "app_open": "App Open",
    "web_sign_up": "Web Sign Up",
    "web_open": "Web Open",
    "link_click": "Link Click",
}


def records_of(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the record of the user, and that of the referrer."""
    title = TITLES.get(event["type"]) or event["name"]
    if event["type"] == "custom":
        data = {f"Event Data {k}": v for k, v in event["event_data"].items()}
    else:
        data = {
            "Channel": event["channel"],
            "Content": event["content"],
            "Status": event.get("status", "valid"),
        }
    for prefix, side in (("Referred", "user"), ("Generated", "referrer")):
        if side in event:
            yield {
                "identity": event[side]["identities"]["email"],
                "ts": event["occurred_at"],
                "type": "event",
                "evtName": f"{prefix} {title}",
                "evtData": data,
            }
