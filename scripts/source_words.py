"""Rules of a mapping, and verifiers, in words of people, for the pages below docs/sources/."""

from collections.abc import Sequence
from typing import Final

from referrals.sources.digests import Digest, Encoding
from referrals.sources.mapping.rules import Condition, Rule, Scalar
from referrals.sources.mapping.times import TimeForm
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

_TIMES: Final = {
    TimeForm.RFC3339: "RFC 3339",
    TimeForm.UNIX_S: "Unix seconds",
    TimeForm.UNIX_MS: "Unix milliseconds",
    TimeForm.UTC_TEXT: "UTC",
}
#: Between alternatives, of which the first that is there counts.
ELSE: Final = ", else "
#: The same between long ones: a line each, in a cell of a table too.
_OR_ELSE: Final = "<br>or else "
_DIGESTS: Final = {Digest.SHA1: "HMAC-SHA1", Digest.SHA256: "HMAC-SHA256"}
_ENCODINGS: Final = {
    Encoding.HEX: "in hexadecimal digits",
    Encoding.BASE64: "in base64",
    Encoding.BASE64_OF_HEX: "as the base64 of its hexadecimal digits",
    Encoding.HEX_OR_BASE64: "in hexadecimal digits or in base64",
}
_OVER: Final = {
    Over.BODY: "the body as it came",
    Over.MINIFIED: "the body without blanks outside its texts",
    Over.BODY_OR_FIRST: "the body, or of its first event",
}


def describe_rule(rule: str | Rule | None) -> str:
    """Return where a rule finds its value, and what it makes of it."""
    if rule is None:
        return "nothing"
    if isinstance(rule, str):
        return _name_path(rule)
    said = _describe_steps(rule, _describe_way(rule))
    if rule.when:
        said = f"{said}, {' and '.join(map(describe_condition, rule.when))}"
    return said


def _describe_steps(rule: Rule, said: str) -> str:
    """Return what is made of the value, in the order in which it is made."""
    if rule.json is not None:
        within = "" if rule.json == "." else f"`{rule.json}` of "
        said = f"{within}the JSON in {said}"
    if rule.query_of is not None:
        what = (
            "the parameters" if rule.query_of == "*" else f"parameter `{rule.query_of}`"
        )
        said = f"{what} of the address in {said}"
    if rule.pick is not None:
        said = _describe_pick(rule, said)
    if rule.map is not None:
        said = f"{said}: {_describe_map(rule)}"
    if rule.time is not None:
        said = f"{said} ({_TIMES[rule.time]})"
    return said


def _name_path(path: str) -> str:
    return {".": "the item itself", "$": "the whole call"}.get(path, f"`{path}`")


def _describe_way(rule: Rule) -> str:
    if rule.path is not None:
        return _name_path(rule.path)
    if rule.first is not None:
        between = _OR_ELSE if any(map(_is_long, rule.first)) else ELSE
        return between.join(map(describe_rule, rule.first))
    if rule.template is not None:
        return f"`{rule.template}`"
    if rule.hash is not None:
        return f"a keyed hash of {'; '.join(map(describe_rule, rule.hash))}"
    if rule.const is not None:
        return f"*{_write(rule.const)}*"
    return "the item"


def _is_long(rule: str | Rule) -> bool:
    """Whether a reader needs a line for it."""
    return isinstance(rule, Rule) and bool(rule.when or rule.hash)


def _describe_pick(rule: Rule, said: str) -> str:
    if isinstance(rule.pick, dict):
        picked = [f"`{path}` as `{name}`" for name, path in rule.pick.items()]
    else:
        picked = [
            "all members" if path == "*" else f"`{path}`" for path in rule.pick or ()
        ]
    found = ", ".join(picked)
    if said != "the item":
        found = f"{found} of {said}"
    if rule.without:
        left_out = ", ".join(f"`{name}`" for name in rule.without)
        found = f"{found}, without {left_out}"
    return found


def _describe_map(rule: Rule) -> str:
    rows = [
        f"`{word}` is `{_write(value)}`" for word, value in (rule.map or {}).items()
    ]
    if rule.keep:
        rows.append("any other as it is")
    elif rule.otherwise is not None:
        rows.append(f"any other `{_write(rule.otherwise)}`")
    return ", ".join(rows)


def describe_condition(condition: Condition) -> str:
    """Return what has to hold, to go on a sentence with."""
    said = []
    if condition.is_in is not None:
        said.append(f"is {_list(condition.is_in)}")
    if condition.not_in is not None:
        said.append(f"is not {_list(condition.not_in)}")
    if condition.exists is not None:
        said.append("is there" if condition.exists else "is not there")
    return f"where `{condition.path}` {' and '.join(said)}"


def _list(values: Sequence[Scalar]) -> str:
    return " or ".join(f"`{_write(each)}`" for each in values)


def _write(value: Scalar) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def describe_verifier(verifier: Verifier) -> str:
    """Return how a call is told from a forged one."""
    match verifier:
        case HmacVerifier():
            return (
                f"Each call is signed: the header `{verifier.header}` has the "
                f"{_DIGESTS[verifier.digest]} of {_OVER[verifier.over]}, "
                f"{_ENCODINGS[verifier.encoding]}."
            )
        case TimestampVerifier():
            return (
                f"Each call is signed: the header `{verifier.header}` is "
                f"`{verifier.timestamp_key}=TIME,{verifier.signature_key}=SIGNATURE`: the time "
                "in Unix seconds, and the HMAC-SHA256 of `TIME.body`, "
                f"{_ENCODINGS[verifier.encoding]}. "
                + _describe_tolerance(verifier.tolerance)
            )
        case StandardVerifier():
            return (
                "Each call is signed as Standard Webhooks has it, in the headers `webhook-id`, "
                "`webhook-timestamp` (Unix seconds) and `webhook-signature`, or in Svix's. The "
                "signature is `v1,` and the HMAC-SHA256 of `id.timestamp.body` in base64; its key "
                "is what the part of the secret behind `whsec_` stands for in base64. "
                + _describe_tolerance(verifier.tolerance)
            )
        case HeaderVerifier():
            return f"Each call shows the secret in the header `{verifier.header}`."
        case BasicVerifier():
            return "Each call shows the secret by HTTP Basic."
        case UrlVerifier():
            return (
                "The secret is in the address, and nowhere else: whoever sees the address can "
                "call it."
            )


def _describe_tolerance(tolerance: int | None) -> str:
    if tolerance is None:
        return "A call may be of any age, and its ID stops replays."
    return f"Its time may be {tolerance} seconds off."
