"""What went wrong on the way to CleverTap, in words for people.

The words name only the class of the fault. An exception's own text may hold addresses,
proxy passwords, headers or a server's answer.
"""

import http.client
import os
import re
import socket
import ssl

import requests.exceptions as of_requests
import urllib3.exceptions as of_urllib3

#: Everything that `requests`, urllib3, http.client and the sockets below them raise:
#: both libraries let some of the latter through, and header and address problems are
#: plain ValueErrors.
RAISED = (
    of_requests.RequestException,
    of_urllib3.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)


class CaBundleError(OSError):
    """The certificates to trust cannot be read."""


class PrivateAddressError(OSError):
    """The host is on a private network, where this request must not go."""


TIMED_OUT = "timed out"
_BROKE_OFF = "the answer broke off"
_NOT_HTTP = "the answer is not HTTP"
_NOT_DECODED = "the answer cannot be decompressed"
_NOT_CONNECTED = "not connected"
_BAD_ADDRESS = "the address is not valid"
_BAD_HEADER = "a header is not valid"
_OURS = "the request could not be made"
_TLS = "TLS failed"

#: The words for each class, used where no wrapped exception has words. A test fails if
#: one of the libraries gets an exception that is not listed.
WORDS: dict[type[BaseException], str] = {
    of_requests.RequestException: "the request failed",
    of_requests.ChunkedEncodingError: _BROKE_OFF,
    of_requests.ConnectTimeout: TIMED_OUT,
    of_requests.ConnectionError: "the connection failed",
    of_requests.ContentDecodingError: _NOT_DECODED,
    of_requests.HTTPError: "the request failed",
    of_requests.InvalidHeader: _BAD_HEADER,
    of_requests.InvalidJSONError: _OURS,
    of_requests.InvalidProxyURL: "its address is not valid",
    of_requests.InvalidSchema: "its kind of address is not supported",
    of_requests.InvalidURL: _BAD_ADDRESS,
    of_requests.JSONDecodeError: "the answer is not JSON",
    of_requests.MissingSchema: _BAD_ADDRESS,
    of_requests.ProxyError: _NOT_CONNECTED,
    of_requests.ReadTimeout: TIMED_OUT,
    of_requests.RetryError: "the request failed",
    of_requests.SSLError: _TLS,
    of_requests.StreamConsumedError: _BROKE_OFF,
    of_requests.Timeout: TIMED_OUT,
    of_requests.TooManyRedirects: "redirected",
    of_requests.URLRequired: _BAD_ADDRESS,
    of_requests.UnrewindableBodyError: _OURS,
    of_urllib3.HTTPError: "the request failed",
    of_urllib3.BodyNotHttplibCompatible: _NOT_HTTP,
    of_urllib3.ClosedPoolError: "the client was closed",
    of_urllib3.ConnectTimeoutError: TIMED_OUT,
    of_urllib3.DecodeError: _NOT_DECODED,
    of_urllib3.EmptyPoolError: _NOT_CONNECTED,
    of_urllib3.FullPoolError: _NOT_CONNECTED,
    of_urllib3.HeaderParsingError: _NOT_HTTP,
    of_urllib3.HostChangedError: "redirected",
    of_urllib3.IncompleteRead: _BROKE_OFF,
    of_urllib3.InvalidChunkLength: _BROKE_OFF,
    of_urllib3.InvalidHeader: _BAD_HEADER,
    of_urllib3.LocationParseError: _BAD_ADDRESS,
    of_urllib3.LocationValueError: _BAD_ADDRESS,
    of_urllib3.MaxRetryError: "the request failed",
    of_urllib3.NameResolutionError: "DNS: host not found",
    of_urllib3.NewConnectionError: _NOT_CONNECTED,
    of_urllib3.PoolError: _NOT_CONNECTED,
    of_urllib3.ProtocolError: "the connection broke off",
    of_urllib3.ProxyError: _NOT_CONNECTED,
    of_urllib3.ProxySchemeUnknown: "its kind of address is not supported",
    of_urllib3.ProxySchemeUnsupported: "its kind of address is not supported",
    of_urllib3.ReadTimeoutError: TIMED_OUT,
    of_urllib3.RequestError: "the request failed",
    of_urllib3.ResponseError: "the request failed",
    of_urllib3.ResponseNotChunked: _NOT_HTTP,
    of_urllib3.SSLError: _TLS,
    of_urllib3.TimeoutError: TIMED_OUT,
    of_urllib3.TimeoutStateError: _OURS,
    of_urllib3.URLSchemeUnknown: "its kind of address is not supported",
    of_urllib3.UnrewindableBodyError: _OURS,
    http.client.HTTPException: _NOT_HTTP,
    http.client.IncompleteRead: _BROKE_OFF,
    http.client.RemoteDisconnected: "the connection was closed without an answer",
    CaBundleError: "the certificates that REQUESTS_CA_BUNDLE names cannot be read",
    PrivateAddressError: "its host is on a private network",
    BrokenPipeError: "the connection was closed",
    ConnectionRefusedError: "connection refused",
    ConnectionResetError: "the connection was reset",
    TimeoutError: TIMED_OUT,
    UnicodeError: _BAD_ADDRESS,
    ValueError: _OURS,
}

_PROXY = (
    of_requests.ProxyError,
    of_requests.InvalidProxyURL,
    of_urllib3.ProxyError,
    of_urllib3.ProxySchemeUnknown,
    of_urllib3.ProxySchemeUnsupported,
)
# What http.client says where a proxy does not open the tunnel.
_TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")


def describe_fault_class(fault: BaseException) -> str:
    """Return words for the class of `fault`, taken from the innermost exception."""
    chain = list(_chain(fault))
    words = _words(chain[-1])
    through_proxy = any(isinstance(link, _PROXY) for link in chain)
    return f"proxy: {words}" if through_proxy or _refused_tunnel(chain[-1]) else words


def _chain(fault: BaseException) -> list[BaseException]:
    """Return `fault` and what it wraps, outermost first.

    The libraries wrap in three ways: `raise … from`, an argument, an attribute.
    `__context__` is left out: it may be an exception that our caller was handling.
    """
    chain = [fault]
    while True:
        link = chain[-1]
        wrapped = (link.__cause__, getattr(link, "reason", None), *link.args)
        inner = next((w for w in wrapped if isinstance(w, BaseException)), None)
        if inner is None or inner in chain:
            return chain
        chain.append(inner)


def _words(fault: BaseException) -> str:
    match fault:
        case socket.gaierror():
            temporary = fault.errno == socket.EAI_AGAIN
            return "DNS: no answer" if temporary else "DNS: host not found"
        case ssl.SSLCertVerificationError():
            # "Hostname mismatch, certificate is not valid for …": without the rest.
            message = getattr(fault, "verify_message", "certificate not trusted")
            return f"TLS: {message.partition(',')[0]}"
        case ssl.SSLError():
            # Both attributes are there only where OpenSSL raised it.
            reason = getattr(fault, "reason", None) or "failed"
            return f"TLS: {reason.replace('_', ' ').lower()}"
    by_class = next((WORDS[c] for c in type(fault).__mro__ if c in WORDS), None)
    return by_class or _words_of_os_error(fault)


def _refused_tunnel(fault: BaseException) -> re.Match[str] | None:
    """Return the status with which a proxy refused the tunnel, if it did."""
    text = fault.args[0] if type(fault) is OSError and fault.args else ""
    return _TUNNEL.match(text) if isinstance(text, str) else None


def _words_of_os_error(fault: BaseException) -> str:
    refused = _refused_tunnel(fault)
    if refused:
        return f"it answered {refused[1]}"
    errno = getattr(fault, "errno", None)
    return os.strerror(errno) if errno else "the network failed"
