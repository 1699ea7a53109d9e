"""Whatever comes in, the sandbox answers and its answers can be read."""

import contextlib
import json

import pytest
from hypothesis import given, strategies as st

from clevertap_sync.sandbox.answers import echo, spaced
from clevertap_sync.sandbox.rules import Rules
from clevertap_sync.sandbox.validation import check, identity_of
from tests.harness.process import PATIENCE_SECONDS

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner)
    ),
    max_leaves=8,
)
RECORDS = VALUES | st.fixed_dictionaries(
    {"type": st.sampled_from(["event", "profile", "token"])},
    optional={
        "identity": VALUES,
        "objectId": VALUES,
        "evtName": VALUES,
        "evtData": VALUES,
        "profileData": VALUES | st.fixed_dictionaries({"Phone": VALUES, "Age": VALUES}),
        "tokenData": VALUES,
        "ts": VALUES,
    },
)


@given(record=RECORDS)
def test_every_record_gets_a_verdict_and_what_is_accepted_has_an_identity(record):
    refusal = check(record, Rules())

    if refusal is None:
        assert identity_of(record)[1].strip()
    else:
        assert 509 <= refusal.code <= 555


@given(record=RECORDS)
def test_the_spaced_json_says_the_same_as_any_other(record):
    assert json.loads(spaced(record)) == record


@given(digits=st.text("0123456789", min_size=1, max_size=6000))
def test_every_record_can_be_echoed(digits):
    record = {"type": "profile", "profileData": {"Phone": f"+{digits}"}}

    assert json.loads(spaced(echo(record, mutated=True)))["type"] == "profile"


@pytest.mark.parametrize(
    "line",
    [
        b"NONSENSE\r\n\r\n",
        b"BREW /eu1/1/upload HTTP/1.1\r\n\r\n",
        b"POST /eu1/1/upload HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n",
        b"POST /eu1/1/upload HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /eu1/1/upload HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf",
        b"POST //// HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
        b"GET /_sandbox/records?since=" + b"9" * 5_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ],
)
def test_a_strange_request_harms_nobody(sandbox, caller, a_record, line):
    import socket

    with socket.create_connection(
        ("127.0.0.1", sandbox.port), PATIENCE_SECONDS
    ) as connection:
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 16):
            pass

    assert caller.upload(a_record()).status_code == 200


def test_a_fault_of_the_sandbox_itself_is_loud(a_record):
    from clevertap_sync.sandbox import Sandbox
    from tests.unit.sandbox.conftest import Caller

    def broken_clock():
        raise ZeroDivisionError

    with contextlib.ExitStack() as ends:
        sandbox = ends.enter_context(Sandbox(clock=broken_clock))
        with pytest.raises(OSError, match="Connection aborted"):
            Caller(sandbox).upload(a_record())

        with pytest.raises(RuntimeError, match="a fault of its own"):
            ends.close()
