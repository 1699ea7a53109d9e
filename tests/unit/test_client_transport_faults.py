"""Every exception of the libraries below has words, and none shows its own text."""

import http.client
import inspect
import socket
import ssl

import pytest
import requests.exceptions
import urllib3
import urllib3.exceptions

from clevertap_sync.clevertap.client.transport_faults import (
    RAISED,
    WORDS,
    describe_fault_class,
)

EVERY = [
    cls
    for module in (requests.exceptions, urllib3.exceptions)
    for _, cls in inspect.getmembers(module, inspect.isclass)
    if issubclass(cls, Exception)
    and not issubclass(cls, Warning)
    and cls.__module__.startswith(("requests", "urllib3"))
]


def test_there_are_exceptions_to_map():
    assert len(set(EVERY)) > 50


@pytest.mark.parametrize("cls", sorted(set(EVERY), key=str), ids=str)
def test_every_exception_of_requests_and_urllib3_is_caught_and_has_words(cls):
    assert issubclass(cls, RAISED)
    assert cls in WORDS


@pytest.mark.parametrize("cls", sorted(set(EVERY), key=str), ids=str)
def test_the_words_never_show_an_exceptions_own_text(cls):
    fault = cls.__new__(cls)
    fault.args = ("CANARY",)

    assert "CANARY" not in describe_fault_class(fault)


def _raised_from(outer, inner):
    outer.__cause__ = inner
    return outer


POOL = urllib3.HTTPConnectionPool("CANARY")
REFUSED = ConnectionRefusedError(111, "Connection refused to CANARY")


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (REFUSED, "connection refused"),
        (requests.ConnectionError(REFUSED), "connection refused"),
        (_raised_from(requests.ConnectionError("CANARY"), REFUSED), "connection refused"),
        (urllib3.exceptions.MaxRetryError(POOL, "/CANARY", REFUSED), "connection refused"),
        (requests.exceptions.ProxyError(REFUSED), "proxy: connection refused"),
        (urllib3.exceptions.ProxyError("CANARY", REFUSED), "proxy: connection refused"),
        (OSError("Tunnel connection failed: 407 CANARY"), "proxy: it answered 407"),
        (OSError(113, "CANARY"), "No route to host"),
        (OSError("CANARY"), "the network failed"),
        (socket.gaierror(socket.EAI_NONAME, "CANARY"), "DNS: host not found"),
        (socket.gaierror(socket.EAI_AGAIN, "CANARY"), "DNS: no answer"),
        (ssl.SSLError("CANARY"), "TLS: failed"),
        (http.client.RemoteDisconnected("CANARY"), "the connection was closed without an answer"),
        (http.client.BadStatusLine("CANARY"), "the answer is not HTTP"),
        (http.client.IncompleteRead(b"CANARY"), "the answer broke off"),
        (ConnectionResetError(104, "CANARY"), "the connection was reset"),
        (ValueError("CANARY"), "the request could not be made"),
        (UnicodeError("CANARY"), "the address is not valid"),
        (requests.exceptions.InvalidHeader("CANARY"), "a header is not valid"),
        (TimeoutError("CANARY"), "timed out"),
    ],
    ids=lambda value: repr(value)[:50],
)  # fmt: skip
def test_the_innermost_cause_gives_the_words(fault, words):
    assert describe_fault_class(fault) == words


def test_what_our_caller_was_handling_is_no_cause():
    fault = requests.ConnectionError("CANARY")
    fault.__context__ = REFUSED

    assert describe_fault_class(fault) == "the connection failed"


def test_a_circle_of_causes_ends():
    fault = requests.ConnectionError("x")
    fault.args = (fault,)

    assert describe_fault_class(fault) == "the connection failed"
