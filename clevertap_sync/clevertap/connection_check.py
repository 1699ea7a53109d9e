"""Checks with a dry run whether CleverTap answers and knows the credentials.

Pure: imports no framework. A check stores nothing: it sends one made-up record, always
the same, as a dry run.
"""

import re
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from clevertap_sync.clevertap.client import Client
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    CredentialsError,
    MalformedResponseError,
    NoAnswerError,
    NotSentError,
    TooManyRequestsError,
    WrongAddressError,
)
from clevertap_sync.clevertap.limits import (
    MAX_IN_FLIGHT,
    encode_body,
    make_probe_record,
)
from clevertap_sync.clevertap.locations import (
    Location,
    find_base_url,
    spell_in_sentence,
)
from referrals.secret import Secret

#: A person waits for the answer, and so does a thread of the web process.
CHECK_SECONDS: Final = 8.0

_DASHBOARD = re.compile(
    r"\s*(?:https?://)?(?P<region>[a-z0-9]+)\.dashboard\.clevertap\.com/"
    r"(?P<account>[A-Za-z0-9-]+)(?:[/?#].*)?\s*",
    re.IGNORECASE,
)


class CheckResult(StrEnum):
    """The kinds of results that a check has."""

    GOOD = "good"
    ACCOUNT_UNKNOWN = "account_unknown"
    PASSCODE_REFUSED = "passcode_refused"
    CREDENTIALS_REFUSED = "credentials_refused"
    INCOMPLETE = "incomplete"
    DNS = "dns"
    TLS = "tls"
    TIMEOUT = "timeout"
    NOT_REACHED = "not_reached"
    WRONG_ADDRESS = "wrong_address"
    BUSY = "busy"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Location, account ID and passcode. `template` is `CLEVERTAP_BASE_URL`."""

    location: Location
    account_id: str
    passcode: Secret
    template: str = ""

    def make_client(self, seconds: float) -> Client:
        """Return a client of the account, for one thread; each request takes at most `seconds`."""
        return Client(
            base_url=find_base_url(self.location, self.template),
            account_id=self.account_id,
            passcode=self.passcode,
            request_seconds=seconds,
        )


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of a check in words: what happened, what we saw, what to do."""

    result: CheckResult
    title: str
    remedy: str
    evidence: str = ""
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether events can be delivered."""
        return self.result is CheckResult.GOOD

    @property
    def is_about_credentials(self) -> bool:
        """Whether other credentials, or another location, could mend it."""
        return self.result in {
            CheckResult.ACCOUNT_UNKNOWN,
            CheckResult.PASSCODE_REFUSED,
            CheckResult.CREDENTIALS_REFUSED,
        }


_WORDS: Final = {
    CheckResult.ACCOUNT_UNKNOWN: (
        "CleverTap does not know this account ID in {place}.",
        (
            "Compare the account ID with Settings → Project in CleverTap. If it is right, "
            "the account is stored in another location: let us find it."
        ),
    ),
    CheckResult.PASSCODE_REFUSED: (
        "CleverTap in {place} refuses the passcode.",
        (
            "Copy the passcode again from Settings → Passcode in CleverTap. A user passcode "
            "may have expired: then make a new one there."
        ),
    ),
    CheckResult.CREDENTIALS_REFUSED: (
        "CleverTap in {place} refuses the credentials.",
        "Check the account ID, the passcode and the location.",
    ),
    CheckResult.INCOMPLETE: (
        "The passcode or the account ID is missing, or cannot be right.",
        "Enter both as CleverTap shows them under Settings.",
    ),
    CheckResult.DNS: (
        "The host name of CleverTap in {place} was not found.",
        "Check this server's DNS and, where it is set, CLEVERTAP_BASE_URL.",
    ),
    CheckResult.TLS: (
        "CleverTap's certificate in {place} cannot be trusted.",
        (
            "Check this server's clock and certificates, and whether a proxy intercepts "
            "HTTPS. Nothing was sent."
        ),
    ),
    CheckResult.TIMEOUT: (
        "CleverTap in {place} did not answer in time.",
        "Try again. If it lasts, check the outgoing firewall and status.clevertap.com.",
    ),
    CheckResult.NOT_REACHED: (
        "CleverTap in {place} cannot be reached.",
        "Check this server's network and outgoing firewall.",
    ),
    CheckResult.WRONG_ADDRESS: (
        "Something other than CleverTap's upload API answered for {place}.",
        "Check CLEVERTAP_BASE_URL and any proxy on the way.",
    ),
    CheckResult.BUSY: (
        "CleverTap knows the account, but too many requests are under way for it.",
        f"Try again in a minute. Other tools share the account's {MAX_IN_FLIGHT} requests at a time.",
    ),
    CheckResult.FAULT: (
        "CleverTap in {place} answered with a fault of its own.",
        "Try again in a minute, and see status.clevertap.com.",
    ),
}


def check_credentials(
    credentials: Credentials, *, seconds: float = CHECK_SECONDS
) -> Diagnosis:
    """Send one dry run and return its diagnosis. No answer of CleverTap raises an error.

    Ends within about `seconds`.
    """
    place = spell_in_sentence(credentials.location)
    record = make_probe_record()
    client = credentials.make_client(seconds)
    began = time.monotonic()
    try:
        client.upload(encode_body([record]), [record], dry_run=True)
    except CleverTapError as error:
        return diagnose_error(error, credentials.location, time.monotonic() - began)
    finally:
        client.close()
    return Diagnosis(
        CheckResult.GOOD,
        f"CleverTap in {place} accepts the account ID and the passcode.",
        "Nothing was stored: the check is a dry run.",
        seconds=time.monotonic() - began,
    )


def check_credentials_everywhere(
    credentials: Credentials, *, seconds: float = CHECK_SECONDS
) -> dict[Location, Diagnosis]:
    """Check the same account ID and passcode at every location, all at once.

    The passcode goes to CleverTap's hosts (or `template`) and nowhere else. Only on a
    person's request.
    """

    def check_location(location: Location) -> Diagnosis:
        moved = Credentials(
            location, credentials.account_id, credentials.passcode, credentials.template
        )
        return check_credentials(moved, seconds=seconds)

    with ThreadPoolExecutor(len(Location), thread_name_prefix="find") as pool:
        return dict(zip(Location, pool.map(check_location, Location), strict=True))


def find_good_locations(diagnoses: dict[Location, Diagnosis]) -> Sequence[Location]:
    """Return the locations at which the account answers."""
    return [location for location, found in diagnoses.items() if found.is_good]


def read_dashboard_address(address: str) -> tuple[Location, str] | None:
    """Return location and account ID from an address of CleverTap's dashboard.

    Such as `https://in1.dashboard.clevertap.com/ABC-DEF-123Z/…`; None for any other.
    """
    match = _DASHBOARD.fullmatch(address)
    if match is None or match["region"].lower() not in set(Location):
        return None
    return Location(match["region"].lower()), match["account"].upper()


def diagnose_error(
    error: CleverTapError, location: Location, seconds: float
) -> Diagnosis:
    """Return an error of the client as a diagnosis."""
    verdict = _verdict(error)
    title, remedy = _WORDS[verdict]
    seen = (f"HTTP {error.status}" if error.status else "", error.detail)
    return Diagnosis(
        verdict,
        title.format(place=spell_in_sentence(location)),
        remedy,
        evidence=": ".join(filter(None, seen)),
        seconds=seconds,
    )


def _verdict(error: CleverTapError) -> CheckResult:
    match error:
        case CredentialsError():
            return CheckResult.INCOMPLETE
        case AuthenticationError():
            return _refused(error)
        case NotSentError() | NoAnswerError():
            return _unanswered(error.detail.casefold())
        case TooManyRequestsError():
            return CheckResult.BUSY
        case WrongAddressError() | MalformedResponseError():
            return CheckResult.WRONG_ADDRESS
    return CheckResult.FAULT


def _refused(error: AuthenticationError) -> CheckResult:
    """Return which part CleverTap refuses. Only the wording of its answer tells."""
    detail = error.detail.casefold()
    if "account id" in detail:
        return CheckResult.ACCOUNT_UNKNOWN
    if "passcode" in detail or "invalid credentials" in detail:
        return CheckResult.PASSCODE_REFUSED
    return CheckResult.CREDENTIALS_REFUSED


def _unanswered(detail: str) -> CheckResult:
    for words, verdict in (
        ("dns", CheckResult.DNS),
        ("tls", CheckResult.TLS),
        ("certificate", CheckResult.TLS),
        ("timed out", CheckResult.TIMEOUT),
    ):
        if words in detail:
            return verdict
    return CheckResult.NOT_REACHED
