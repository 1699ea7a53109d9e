"""What is known of each platform: a file of data each, checked when it is read. Pure.

A preset's mapping is one that a person could have written. What a platform documents
doubtfully stands under `doubts`, next to what was decided in spite of it.
"""

from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec

from referrals.decoding import prepare_type
from referrals.sources.mapping.rules import Mapping
from referrals.sources.mapping.validate import validate_mapping
from referrals.sources.verifiers import (
    BasicVerifier,
    HeaderVerifier,
    HmacVerifier,
    StandardVerifier,
    TimestampVerifier,
    UrlVerifier,
    Verifier,
)

#: In the order in which a page offers them.
PLATFORMS: Final = (
    "branch",
    "appsflyer",
    "adjust",
    "segment",
    "getsocial",
    "growsurf",
    "friendbuy",
    "dub",
    "voucherify",
    "rewardful",
    "impact_advocate",
    "talkable",
    "referralhero",
    "extole",
    "singular",
    "kochava",
    "referralcandy",
    "cloudevents",
    "standard_webhooks",
    "custom",
)


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that we made up after a platform's documents: `body` is JSON, or None."""

    title: str
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    body: Any = None


@prepare_type
class Preset(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a platform is connected, verified, answered and translated.

    `is_draft` says that its documents could not be read whole: `connect` has none of its
    menu words then. `secret` is who makes the secret: we, in the form that the platform
    takes, or the platform; "ours_whsec" is either, as Svix makes its own. `busy` is the status that asks it to call again, which only
    helps where `resends`; `retries` says how. In `connect` stand `{address}`, `{url}`,
    `{secret}` and `{header}`, and in `address` stands `{url}`: these are replaced, while
    every other brace is the platform's own. `identity` is the provider that its user IDs belong to unless
    a source says otherwise. With `any_verifier` a source may say how its calls are
    verified; then the first of `connect` is what it says. `cannot` is what no mapping can get out of its calls.
    """

    title: str
    verifier: Verifier
    secret: Literal["ours", "ours_whsec", "theirs"]
    connect: tuple[str, ...]
    retries: str
    resends: bool
    cannot: tuple[str, ...]
    mapping: dict[str, Any]
    samples: tuple[Sample, ...]
    is_draft: bool = msgspec.field(default=False, name="draft")
    methods: tuple[Literal["GET", "POST"], ...] = ("POST",)
    address: str = "{url}"
    busy: Literal[429, 503] = 503
    identity: str = "custom_id"
    takes_marketing_links: bool = False
    any_verifier: bool = False
    doubts: tuple[str, ...] = ()

    @property
    def header(self) -> str | None:
        """The header that carries the secret or the signature, or None."""
        match self.verifier:
            case HmacVerifier() | TimestampVerifier() | HeaderVerifier():
                return self.verifier.header
            case StandardVerifier():
                return "webhook-signature"
            case UrlVerifier():
                return None
        return "Authorization"

    @property
    def takes_their_secret(self) -> bool:
        """Whether a person may enter a secret that the platform made."""
        return self.secret != "ours" or self.any_verifier  # noqa: S105 - who makes it

    @property
    def has_secret_in_url(self) -> bool:
        """Whether nothing but the address can carry the secret."""
        return isinstance(self.verifier, UrlVerifier)


@cache
def load_preset(platform: str) -> Preset:
    """Return the preset of a platform. Raises `KeyError` for one that is not known."""
    if platform not in PLATFORMS:
        raise KeyError(platform)
    raw = (files(__package__) / f"{platform}.json").read_bytes()
    return msgspec.json.decode(raw, type=Preset)


@cache
def describe_platform(platform: str) -> Preset:
    """Return what a page says of a platform: its preset, or that there is none.

    A version that is taken back meets the sources of a newer one. They are shown, and no
    call of theirs is taken: whoever serves calls goes by `load_preset`.
    """
    if platform in PLATFORMS:
        return load_preset(platform)
    return Preset(
        title=f"{platform}, which this version does not know",
        verifier=BasicVerifier(),
        secret="ours",  # noqa: S106 - who makes it
        connect=(),
        retries="",
        resends=True,
        cannot=(),
        mapping={},
        samples=(),
        is_draft=True,
    )


@cache
def load_mapping(platform: str) -> Mapping:
    """Return the mapping of a platform's preset, ready to run.

    Raises `KeyError` for a platform that is not known, `ValueError` for a mapping with
    mistakes.
    """
    checked = validate_mapping(load_preset(platform).mapping)
    if isinstance(checked, Mapping):
        return checked
    raise ValueError("; ".join(f"{each.pointer}: {each.detail}" for each in checked))
