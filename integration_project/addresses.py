"""Addresses in the environment, in parts: an error says what is wrong and repeats nothing.

Everything in an address is text and stays text: `00123` is a password, not a number.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from integration_project.environment import UnusableError

_BROKEN_CODE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_HOST: Final = re.compile(r"[\w.-]+|\[[0-9A-Fa-f:.]+\]")
_ALLOWED_HOST: Final = re.compile(r"\*|\.?[\w-]+(?:\.[\w-]+)*\.?|\[[0-9A-Fa-f:.]+\]")
_LARGEST_PORT: Final = 65_535
_ENCODE: Final = (
    "in a user or a password, : / ? # @ [ and ] are written %3A %2F %3F %23 %40 %5B and "
    "%5D"
)


@dataclass(frozen=True, slots=True)
class Address:
    """An address in parts, decoded. `port` is digits or empty; `path` keeps its slash.

    Of two values for a name in the query, the last one counts.
    """

    scheme: str
    user: str
    password: str
    host: str
    port: str
    path: str
    query: dict[str, str]


def read_address(url: str, *, schemes: Sequence[str], several: bool = False) -> Address:
    """Return the parts of `url`. Raises `UnusableError`, which names the fault.

    With `several`, commas may separate more than one host, each with its port.
    """
    parts = _split(url, schemes)
    credentials, _, hosts = parts.netloc.rpartition("@")
    user, _, password = credentials.partition(":")
    places = [_split_port(host) for host in hosts.split(",")]
    if len(places) > 1 and not several:
        raise UnusableError(because="it names several hosts")
    return Address(
        scheme=parts.scheme,
        user=_decoded(user),
        password=_decoded(password),
        host=",".join(_host(host) for host, _ in places),
        port=",".join(_port(port) for _, port in places if port),
        path=_decoded(parts.path),
        query=_query(parts.query),
    )


def check_web_address(url: str, *, template: bool = False) -> str:
    """Return `url`, to which a path can be added, without a slash at its end.

    A `template` may have `{location}` in it. Raises `UnusableError` otherwise.
    """
    plain = url.replace("{location}", "eu1") if template else url
    address = read_address(plain, schemes=("https", "http"))
    if not address.host:
        raise UnusableError(because="it names no host")
    if address.query or "?" in plain:
        raise UnusableError(because="it has a query, behind which no path can stand")
    if {"{", "}"} & set(plain):
        allowed = "{location} alone" if template else "nothing"
        raise UnusableError(because=f"it has braces, in which {allowed} may stand")
    return url.rstrip("/")


def check_origin(word: str) -> str:
    """Return `word` if it is scheme and host alone. Raises `UnusableError` otherwise."""
    address = read_address(word.replace("://*.", "://", 1), schemes=("https", "http"))
    if not address.host or address.user or address.path or address.query:
        raise UnusableError(
            because="it has an entry that is not a scheme and a host alone"
        )
    return word


def check_host_name(word: str) -> str:
    """Return `word` if a request can have such a host. Raises `UnusableError` otherwise."""
    if _ALLOWED_HOST.fullmatch(word):
        return word
    raise UnusableError(
        because="it has an entry that is not a host name alone, without scheme and port"
    )


def _split(url: str, schemes: Sequence[str]) -> SplitResult:
    scheme, mark, _ = url.partition("://")
    if not mark or scheme.lower() not in schemes:
        known = " or ".join(f"{scheme}://" for scheme in schemes)
        raise UnusableError(because=f"it does not begin with {known}")
    if _CONTROL.search(url):
        raise UnusableError(because="it has a control character in it")
    if _BROKEN_CODE.search(url):
        raise UnusableError(
            because="it has a % without two hexadecimal digits behind it; a percent sign is "
            "written %25"
        )
    try:
        parts = urlsplit(url)
    except ValueError:
        raise UnusableError(because=f"its host cannot be read; {_ENCODE}") from None
    if parts.fragment or "#" in url:
        raise UnusableError(because="it has a #, which is written %23")
    if "?" in parts.query:
        raise UnusableError(
            because="it has a second ?: the parts of a query have & between them, and a "
            "question mark is written %3F"
        )
    return parts


def _split_port(text: str) -> tuple[str, str]:
    host, colon, port = text.rpartition(":")
    return (text, "") if not colon or text.endswith("]") else (host, port)


def _host(text: str) -> str:
    host = _decoded(text)
    # A folder, percent-encoded, is the socket of a server on this machine.
    if host and not host.startswith("/") and not _HOST.fullmatch(host):
        raise UnusableError(because=f"its host cannot be read; {_ENCODE}")
    return host.strip("[]")


def _port(text: str) -> str:
    if text.isascii() and text.isdigit() and 0 < int(text[:6]) <= _LARGEST_PORT:
        return text
    raise UnusableError(
        because=f"its port is not a number from 1 to {_LARGEST_PORT}; {_ENCODE}"
    )


def _query(text: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        raise _no_text() from None
    if any("\0" in name + value for name, value in pairs):
        raise _no_text()
    return dict(pairs)


def _decoded(text: str) -> str:
    try:
        decoded = unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise _no_text() from None
    if "\0" in decoded:
        raise _no_text()
    return decoded


def _no_text() -> UnusableError:
    return UnusableError(because="its percent codes are not text in UTF-8")
