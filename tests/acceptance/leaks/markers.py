"""What must not come out: a text of its own for each secret and each thing about a person.

A stem is found in whatever spelling: its letters and digits are the same in a URL, in JSON,
in HTML and in `repr`; base64 and hexadecimal digits are looked for as well.
"""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Final

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox.accounts import ACCOUNTS

#: The characters that mean something somewhere, for a text in which they may stand.
_MEANING: Final = "\"'<&>\\%+/ é"


def _personal(stem: str) -> str:
    return f"{stem}{_MEANING}"


#: What the environment holds. Each is used.
OF_THE_ENVIRONMENT: Final = {
    "SECRET_KEY": "zq1signing-key-of-the-test-of-leaks-0123456789",
    "newest field key": "zq2newest-key-of-the-test-of-leaks-0123456789",
    "oldest field key": "zq3oldest-key-of-the-test-of-leaks-0123456789",
    "database password": "zq4database-password",
    "Redis password": "zq5redis-password",
    "METRICS_TOKEN": "zq6metrics-token-of-the-test",
    "Sentry key": "zq7sentrykey",
    "e-mail password": "zq8email-password",
}
#: What people and backends log in with, or tell us in confidence.
TOLD: Final = {
    "passcode": ACCOUNTS[Location.EU1].passcode,
    "wrong passcode": "ZQA-PAS-WRNG",
    "password": "zqbpassword-of-root",
    "wrong password": "zqcpassword-that-is-wrong",
    "unknown API key": f"rk_zqd{'unknownkey' * 4}",
    "API key cut short": f"rk_zqe{'shortened' * 4}",
    "API key as a name of a request": f"rk_zqf{'requestid' * 4}k",
    "address of an alert": "zqgaddress-of-an-alert",
    "signing secret": "whsec_enFoc2lnbmluZy1zZWNyZXQtb2YtYW4tYWxlcnQ=",
    "address of a heartbeat": "zqiaddress-of-a-heartbeat",
    "session of nobody": "zqjsessionofnobody",
    # Base64 of 24 bytes, so that Standard Webhooks takes it, too.
    "secret of a source": "whsec_enFzZWNyZXQtb2YtYS1zb3VyY2UtMDEy",
    "wrong secret of a source": "whsec_enF3cm9uZy1vbmUtb2YtYS1zb3VyY2Uh",
}
#: What events say about people.
PERSONAL: Final = {
    "e-mail of the user": "zqkuser@example.com",
    "phone of the user": _personal("zqluser-phone"),
    "ID of the referrer": _personal("zqmreferrer-id"),
    "IP address": "203.0.113.231",
    "device": _personal("zqndevice"),
    "advertising ID": _personal("zqoadvertising"),
    "content": _personal("zqpcontent"),
    "event data": _personal("zqqdata"),
    "metadata": _personal("zqrmetadata"),
    "person to be erased": "zqserased@example.com",
}
#: What stands in a request beside events.
ASKED: Final = {
    "path": "zqtpath",
    "query": "zququery",
    "header": "zqvheader",
    "text that cannot be read": "zqwunreadable",
    "value of another type": _personal("zqxwrong"),
    "name of a login": "zqyname",
    "answer of a receiver": "zqzanswer",
    "message on the broker": "zq0message",
}
_STEMS: Final = {
    **{name: TOLD[name] for name in ("passcode", "wrong passcode")},
    # In front stands what is shown on purpose, to tell keys apart.
    "unknown API key": "unknownkeyunknown",
    "API key cut short": "shortenedshortened",
    "API key as a name of a request": "requestidrequest",
    "signing secret": "enFoc2lnbmluZy1zZW",
    "secret of a source": "enFzZWNyZXQtb2",
    "wrong secret of a source": "enF3cm9uZy1vb",
    "IP address": "203.0.113.231",
}
#: What no spelling changes, and no more than texts that are cut short still have.
_STEM: Final = re.compile(r"[A-Za-z0-9]{1,8}")


def stems(**issued: str) -> dict[str, str]:
    """Return by which text each marker is found; `issued` are those that we made up."""
    named = {**OF_THE_ENVIRONMENT, **TOLD, **PERSONAL, **ASKED}
    found = {name: _STEMS.get(name) or _start(text) for name, text in named.items()}
    return {**found, **issued}


def _start(text: str) -> str:
    start = _STEM.match(text)
    assert start
    return start[0]


def shown(text: str, sought: Mapping[str, str]) -> set[str]:
    """Return the names of those that stand in `text`, however they are spelled."""
    folded = text.casefold()
    encoded = text.translate(str.maketrans("-_", "+/"))
    return {
        name
        for name, stem in sought.items()
        if stem.casefold() in folded
        or stem.encode().hex() in folded
        or any(core in encoded for core in _in_base64(stem))
    }


def _in_base64(stem: str) -> Iterator[str]:
    """Yield what base64 makes of it, wherever in a longer text it stands."""
    for before in range(3):
        code = base64.b64encode(bytes(before) + stem.encode()).decode()
        # What its neighbours change as well is left out.
        first, last = -(-before * 8 // 6), (before + len(stem)) * 8 // 6
        yield code[first:last]
