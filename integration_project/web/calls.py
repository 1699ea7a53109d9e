"""A request before Django sees it: its app, its weight, and its WSGI environment."""

import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from integration_project.caller import find_network_in
from integration_project.web import request_limits
from integration_project.web.bodies import Body
from referrals.api.auth import find_remembered_key, read_key
from referrals.api.body import GZIP
from referrals.api.edge import EVENTS_PATH, is_api_path, is_hook_path
from referrals.api.gunzip import WBITS
from referrals.api.stream import MAX_BODY_BYTES
from referrals.hooks.call_reading import REPEATED_HEADERS
from referrals.hooks.deadline import ARRIVED_AT
from referrals.hooks.edge import find_called_source
from referrals.hooks.known_sources import KnownSource
from referrals.sources import segment

#: The owners of requests without a remembered API key, and of requests for pages.
UNKNOWN_CALLERS: Final = "strangers"
PAGES: Final = "pages"
_APP: Final = "app "
#: Names of headers, as WSGI calls them. Callers choose them, so that it does not grow.
_NAMES: Final[dict[bytes, str]] = {}
_MAX_NAMES: Final = 256
_BODILESS_METHODS: Final = ("GET", "HEAD", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Call:
    """A request whose head has arrived, but not its body."""

    method: str
    path: str
    environ: dict[str, Any]
    #: The app, or another owner of turns; and which of its callers.
    owner: str
    key: str
    #: How long its body may be, how long it says it is, and whether there is one at all.
    most: int
    stated: int | None
    has_body: bool
    #: Whether a program reads the answer, and whether that is a platform.
    is_api: bool
    is_hook: bool
    #: The source whose hook is called, if this process remembers it.
    source: KnownSource | None
    #: By the monotonic clock, when its head had arrived.
    began: float = field(default_factory=monotonic)

    @property
    def is_only_chance(self) -> bool:
        """Whether its sender never sends it again, whatever it is answered."""
        return self.source is not None and not self.source.preset.resends

    @property
    def brings_events(self) -> bool:
        """Whether it posts events of an app that this process knows the key of."""
        return (
            self.path == EVENTS_PATH
            and self.method == "POST"
            and self.owner.startswith(_APP)
        )

    @property
    def turn_seconds(self) -> float:
        """How long it may wait for a thread."""
        if self.is_hook:
            return request_limits.HOOK_TURN_SECONDS
        return request_limits.TURN_SECONDS


def read_call(scope: Mapping[str, Any]) -> Call:
    """Return the call that a head describes. `scope` is ASGI's, for HTTP."""
    environ = _build_environ(scope)
    path = environ["PATH_INFO"]
    is_api = is_api_path(path)
    is_hook = is_hook_path(path)
    source = find_called_source(path) if is_hook else None
    owner, key = _find_owner(environ, source, is_api=is_api)
    length = environ.get("CONTENT_LENGTH")
    most = _find_most(path) if is_api else request_limits.MAX_FORM_BYTES
    return Call(
        method=scope["method"],
        path=path,
        environ=environ,
        owner=owner,
        key=key,
        most=0 if scope["method"] in _BODILESS_METHODS else most,
        stated=int(length) if length else None,
        has_body=length not in (None, "0") or "HTTP_TRANSFER_ENCODING" in environ,
        is_api=is_api,
        is_hook=is_hook,
        source=source,
    )


def complete_environ(call: Call, body: Body) -> dict[str, Any]:
    """Return WSGI's environment, with the body, which has just come to its end."""
    environ = call.environ
    if call.is_hook:
        environ[ARRIVED_AT] = monotonic()
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    if call.has_body:
        environ["CONTENT_LENGTH"] = str(body.length)
    environ["wsgi.input"] = body.stream()
    return environ


def weigh_call(call: Call, body: Body) -> int:
    """Return how many of `request_limits.HEAVY_PLACES` the request needs; 0 where it is light."""
    if not call.is_api or not body.is_whole:
        return 0
    encoding = call.environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in GZIP and _unpacks_to_more(body.data):
        return request_limits.COMPRESSED_PLACES
    if call.most > MAX_BODY_BYTES and len(body.data) > request_limits.LONE_BYTES:
        # Segment's: it may hold more values than others, and each needs its memory.
        return request_limits.COMPRESSED_PLACES
    return int(len(body.data) > request_limits.HEAVY_BYTES)


def _unpacks_to_more(data: bytes) -> bool:
    unpacker = zlib.decompressobj(WBITS)
    try:
        unpacked = unpacker.decompress(data, request_limits.HEAVY_BYTES)
    except zlib.error:
        return False
    # More than one member is unusual enough to be careful with.
    return len(unpacked) == request_limits.HEAVY_BYTES or bool(unpacker.unused_data)


def _find_most(path: str) -> int:
    """Return how long the body of a call of the API may be."""
    is_segment = path.startswith(f"{segment.PATH}/")
    return segment.MAX_BODY_BYTES if is_segment else MAX_BODY_BYTES


def _find_owner(
    environ: Mapping[str, str], source: KnownSource | None, *, is_api: bool
) -> tuple[str, str]:
    if not is_api:
        return PAGES, find_network_in(environ)
    if source is not None:
        # Who knows its address need not be its platform: they take turns by network.
        return f"source {source.public_id}", find_network_in(environ)
    key = find_remembered_key(read_key(environ.get("HTTP_AUTHORIZATION", "")))
    if key is None:
        return UNKNOWN_CALLERS, find_network_in(environ)
    return f"{_APP}{key.app_id}", key.digest


def _build_environ(scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return WSGI's environment, but for the body.

    Reference: https://peps.python.org/pep-3333/#environ-variables
    """
    host, port = scope["server"] or ("", 0)
    client = scope["client"] or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    repeated: dict[str, list[str]] = {}
    for raw, value in scope["headers"]:
        name = _NAMES.get(raw) or _name_for_wsgi(raw)
        text = value.decode("latin-1")
        if name in environ:
            repeated.setdefault(name, [environ[name]]).append(text)
            text = f"{environ[name]}{'; ' if name == 'HTTP_COOKIE' else ','}{text}"
        if name:
            environ[name] = text
    if repeated:
        environ[REPEATED_HEADERS] = repeated
    return environ


def _name_for_wsgi(raw: bytes) -> str:
    """Return WSGI's name of a header, or nothing for one that could pose as another.

    `X_Forwarded_For` would have the name of `X-Forwarded-For`, which a proxy watches.
    """
    if b"_" in raw:
        return ""
    name = raw.decode("latin-1").upper().replace("-", "_")
    if name not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        name = f"HTTP_{name}"
    if len(_NAMES) < _MAX_NAMES:
        _NAMES[raw] = name
    return name
