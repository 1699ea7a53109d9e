"""Where a platform calls a source, and the steps to enter that there. Writes nothing."""

from typing import Any, Final

import msgspec

from referrals.models import Source
from referrals.sources.presets import Preset
from referrals.sources.segment import PATH as SEGMENT_PATH
from referrals.sources.verifiers import (
    BasicVerifier,
    HeaderVerifier,
    HmacVerifier,
    Over,
    StandardVerifier,
    TimestampVerifier,
    UrlVerifier,
    Verifier,
)

#: Its SDKs call below `SEGMENT_PATH`, with an API key: the source has no address of its own.
SEGMENT: Final = "segment"
#: Stands for a secret that was shown already.
SHOWN_BEFORE: Final = "…"
_HOOKS: Final = "/v1/hooks"


def read_verifier(source: Source) -> Verifier:
    """Return how the calls of a source are verified: by its own choice or the preset's."""
    if source.verifier is None:
        return source.preset.verifier
    verifier: Verifier = msgspec.convert(source.verifier, type=Verifier)
    return verifier


def read_preset_in_force(source: Source) -> Preset:
    """Return a source's preset with the verifier that the source has, and what that asks."""
    preset, verifier = source.preset, read_verifier(source)
    if source.verifier is None:
        return preset
    connect = (_write_proof(verifier), *preset.connect[1:])
    return msgspec.structs.replace(preset, verifier=verifier, connect=connect)


def _write_proof(verifier: Verifier) -> str:
    """Return the step that says how a call shows that it is the platform's."""
    match verifier:
        case HeaderVerifier(prefix=prefix):
            shown = f"{prefix}{{secret}}"
            return f"Let the platform call {{url}} with the header {{header}}: {shown}."
        case BasicVerifier():
            return "Let the platform call {url} with HTTP Basic: any user, and the password {secret}."
        case UrlVerifier():
            return "Let the platform call {url}, which has the secret in it."
        case StandardVerifier():
            how = "each call as Standard Webhooks or Svix has it,"
        case TimestampVerifier(timestamp_key=time, signature_key=signature):
            how = (
                "time and body with HMAC-SHA256 in the header {header}, as "
                f"{time}=…,{signature}=…,"
            )
        case HmacVerifier(digest=digest, over=over):
            what = "minified body" if over is Over.MINIFIED else "body"
            how = f"each {what} with HMAC-{digest.upper()} in the header {{header}},"
    return f"Let the platform call {{url}}, and sign {how} with the secret {{secret}}."


def write_hook_path(source: Source, secret: str = SHOWN_BEFORE) -> str:
    """Return the path of a source's hook, with `secret` in it where it has to be there."""
    path = f"{_HOOKS}/{source.public_id}"
    match read_verifier(source):
        case UrlVerifier(parameter=""):
            return f"{path}/{secret}"
        case UrlVerifier(parameter=parameter):
            return f"{path}?{parameter}={secret}"
    return path


def write_steps(
    source: Source, *, base: str = "", secret: str = SHOWN_BEFORE
) -> tuple[str, ...]:
    """Return the steps that connect the platform, with everything filled in.

    `base` is this server's address, such as `https://referrals.example.com`. Braces of
    the platform's own stay as they are.
    """
    filled = find_step_values(source, base=base, secret=secret)
    connect = read_preset_in_force(source).connect
    return tuple(_fill_in(step, filled) for step in connect)


def find_step_values(
    source: Source, *, base: str = "", secret: str = SHOWN_BEFORE
) -> dict[str, str]:
    """Return what stands for each mark of a step, as `write_steps` fills them in."""
    preset = read_preset_in_force(source)
    url = f"{base}{write_hook_path(source, secret)}"
    address = preset.address
    if "?" in url:
        address = address.replace("{url}?", "{url}&")
    return {
        "{address}": address.replace("{url}", url),
        "{url}": url,
        "{host}": f"{base}{SEGMENT_PATH}",
        "{header}": preset.header or "",
        # The last one: what stands in a secret is nobody's brace.
        "{secret}": secret,
    }


def describe_address(source: Source, made: str = "") -> dict[str, Any]:
    """Return what a script needs: platform, path and header, and the secret if it is new.

    `made` is the text of a secret that was just made, which is shown this once.
    """
    described: dict[str, Any] = {
        "source": source.public_id,
        "platform": source.platform,
        "url": write_hook_path(source, made or SHOWN_BEFORE),
    }
    if source.platform == SEGMENT:
        return {**described, "url": SEGMENT_PATH, "header": None}
    if made:
        described["secret"] = made
    return {**described, "header": read_preset_in_force(source).header}


def _fill_in(step: str, filled: dict[str, str]) -> str:
    for mark, text in filled.items():
        step = step.replace(mark, text)
    return step
