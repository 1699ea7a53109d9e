"""How an app's backend sends an event, in the languages that backends are written in.

Pure: the address and a key in, code to paste out. Each sample runs as it stands. Those for
`POST /v1/events` need nothing but what their language brings along, and say what to do about
the answer; those for tracking need the SDK that they name.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from referrals.sources.segment import PATH as SEGMENT_PATH

#: What stands for the key wherever it is not known, which is everywhere but once.
NO_KEY: Final = "YOUR-API-KEY"
#: The sample's event, but for its id, which each language makes anew.
_EVENT: Final[dict[str, Any]] = {
    "type": "app_install",
    "user": {"identities": {"email": "ann@example.com"}},
    "referrer": {"identities": {"email": "bob@example.com"}},
    "channel": "whatsapp",
}

_IDENTITIES: Final = {"anonymous_id": "a-7f3", "email": "ann@example.com"}


@dataclass(frozen=True, slots=True)
class CodeSample:
    """A language's name, a name for its element on the page, and its code."""

    language: str
    slug: str
    code: str


def list_code_samples(address: str, key: str = NO_KEY) -> list[CodeSample]:
    """Return a sample for each language, and one that says who is who.

    `address` is that of `POST /v1/events`.
    """
    values = {"ADDRESS": address, "KEY": key}
    return [
        CodeSample("curl", "curl", make_curl_line(address, key)),
        *(
            CodeSample(language, slug, _filled(text, values))
            for language, slug, text in (
                ("Python", "python", _PYTHON),
                ("Node", "node", _NODE),
                ("PHP", "php", _PHP),
            )
        ),
        CodeSample("Who is who", "people", make_people_line(address, key)),
    ]


def list_tracking_samples(origin: str, key: str) -> list[CodeSample]:
    """Return a sample for each SDK of Segment's kind. `origin` is a URL without a path."""
    values = {"ORIGIN": origin, "HOST": f"{origin}{SEGMENT_PATH}", "KEY": key}
    return [
        CodeSample(title, slug, _filled(text, values))
        for title, slug, text in (
            ("Segment for Python", "segment-python", _SEGMENT_PYTHON),
            ("Segment for Node", "segment-node", _SEGMENT_NODE),
            ("RudderStack for Python", "rudderstack-python", _RUDDERSTACK_PYTHON),
        )
    ]


def make_curl_line(address: str, key: str) -> str:
    """Return a command that sends an event, as one to paste into a terminal."""
    # It leaves the shell's quotes, so that each paste is a new event.
    event = {"id": "hello-'$(date +%s)'", **_EVENT}
    body = json.dumps(event, separators=(",", ":"))
    return (
        f"curl -sS {address} \\\n  -H 'Authorization: Bearer {key}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d '{body}'"
    )


def make_people_line(address: str, key: str) -> str:
    """Return a command that says which IDs belong to one person.

    `address` is that of `POST /v1/events`, beside which people have theirs.
    """
    people = f"{address.rpartition('/')[0]}/people"
    body = json.dumps({"identities": _IDENTITIES}, separators=(",", ":"))
    return (
        "# At each sign-up and login: ties the ID from before it to your own.\n"
        f"curl -sS -X PUT {people} \\\n  -H 'Authorization: Bearer {key}' \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d '{body}'"
    )


def _filled(text: str, values: dict[str, str]) -> str:
    """Put each value where its name stands, as a string that all three languages read."""
    for name, value in values.items():
        text = text.replace(f"<{name}>", json.dumps(value)[1:-1])
    return text.strip()


_PYTHON: Final = """
import json
import urllib.request
import uuid

event = {
    "id": str(uuid.uuid4()),  # keep it: sending it again is harmless
    "type": "app_install",
    "user": {"identities": {"email": "ann@example.com"}},
    "referrer": {"identities": {"email": "bob@example.com"}},
    "channel": "whatsapp",
}
request = urllib.request.Request(
    "<ADDRESS>",
    data=json.dumps(event).encode(),
    headers={
        "Authorization": "Bearer <KEY>",
        "Content-Type": "application/json",
    },
)
# On a timeout, a 429 or a 5xx, send the same event again.
with urllib.request.urlopen(request, timeout=10) as answer:
    print(answer.status, answer.read().decode())
"""

_NODE: Final = """
const { randomUUID } = require("node:crypto");

const event = {
  id: randomUUID(), // keep it: sending it again is harmless
  type: "app_install",
  user: { identities: { email: "ann@example.com" } },
  referrer: { identities: { email: "bob@example.com" } },
  channel: "whatsapp",
};
// On a timeout, a 429 or a 5xx, send the same event again.
fetch("<ADDRESS>", {
  method: "POST",
  headers: {
    Authorization: "Bearer <KEY>",
    "Content-Type": "application/json",
  },
  body: JSON.stringify(event),
  signal: AbortSignal.timeout(10_000),
}).then(async (answer) => console.log(answer.status, await answer.text()));
"""

_PHP: Final = """
<?php
$event = [
    "id" => bin2hex(random_bytes(16)), // keep it: sending it again is harmless
    "type" => "app_install",
    "user" => ["identities" => ["email" => "ann@example.com"]],
    "referrer" => ["identities" => ["email" => "bob@example.com"]],
    "channel" => "whatsapp",
];
$context = stream_context_create(["http" => [
    "method" => "POST",
    "header" => [
        "Authorization: Bearer <KEY>",
        "Content-Type: application/json",
    ],
    "content" => json_encode($event),
    "timeout" => 10,
    "ignore_errors" => true,
]]);
// On a timeout, a 429 or a 5xx, send the same event again.
echo file_get_contents("<ADDRESS>", false, $context), PHP_EOL;
"""

_SEGMENT_PYTHON: Final = """
# pip install segment-analytics-python
import segment.analytics as analytics

analytics.write_key = "<KEY>"
analytics.host = "<HOST>"
analytics.track("u-42", "Install Attributed", {"referrer_id": "u-7"})
analytics.flush()
"""

_SEGMENT_NODE: Final = """
// npm install @segment/analytics-node
const { Analytics } = require("@segment/analytics-node");

const analytics = new Analytics({
  writeKey: "<KEY>",
  host: "<ORIGIN>", // a path would be dropped from it
  path: "/v1/segment/v1/batch",
});
analytics.track({
  userId: "u-42",
  event: "Install Attributed",
  properties: { referrer_id: "u-7" },
});
analytics.closeAndFlush();
"""

_RUDDERSTACK_PYTHON: Final = """
# pip install rudder-sdk-python
import rudderstack.analytics as analytics

analytics.write_key = "<KEY>"
analytics.dataPlaneUrl = "<HOST>"
analytics.track("u-42", "Install Attributed", {"referrer_id": "u-7"})
analytics.flush()
"""
