"""A platform that calls a hook of the running product, over real HTTP."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from referrals.sources.presets import load_preset
from referrals.sources.samples import sign_sample
from referrals.sources.signing import sign_call
from tests.harness.stack import Stack
from tests.platforms import a_call, send_call

#: What Branch sends of an install that nobody led to, and of an event that nobody chose.
NO_REFERRER: Final = {
    "name": "INSTALL",
    "user_data": {"idfv": "6F0D1C1E"},
    "last_attributed_touch_data": {"~feature": "ads"},
}
NOT_CHOSEN: Final = {
    "name": "LEVEL_UP",
    "user_data": {"developer_identity": "u-42"},
    "last_attributed_touch_data": {"referringUserID": "u-7"},
}
#: An install whose time is none.
REFUSED: Final = {**NOT_CHOSEN, "name": "INSTALL", "timestamp": 99}


def provision(stack: Stack, app: str, *options: str, stdin: str = "") -> dict[str, Any]:
    """Make a source by the command, and return what it printed."""
    printed = stack.manage("provision_source", app, *options, "--json", stdin=stdin)
    made: dict[str, Any] = json.loads(printed)
    return made


def send_sample(
    url: str, secret: str, *, platform: str = "branch", number: int = 0
) -> int:
    """Call with a sample of the platform, signed now; return the status."""
    preset = load_preset(platform)
    call = sign_sample(preset, secret, now=datetime.now(UTC), number=number)
    return send_call(url, call)


def send(url: str, secret: str, body: object, *, platform: str = "branch") -> int:
    """Call with `body`, signed now; return the status."""
    call = a_call(body, headers=[("content-type", "application/json")])
    verifier = load_preset(platform).verifier
    return send_call(url, sign_call(verifier, call, secret, now=datetime.now(UTC)))
