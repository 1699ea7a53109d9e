"""An upload on the wire: what is sent, what its answer means, what never shows."""

import json
import logging
import traceback

import pytest

from clevertap_sync.clevertap.client import Client, UploadResult
from clevertap_sync.clevertap.errors import (
    AuthenticationError,
    CleverTapError,
    CredentialsError,
    MalformedResponseError,
    NoPasscodeError,
    NotSentError,
    TooManyRequestsError,
    make_error_for_status,
)
from referrals.secret import Secret
from tests.wire import CANARY, ScriptedServer, a_client, answer, dribble, raw, reset

ACCEPTED = {"status": "success", "processed": 2, "unprocessed": []}
RECORDS = [
    b'{"identity":"ann@example.com","type":"event","evtName":"Referred App Install"}',
    b'{"identity":"bob@example.com","type":"event","evtName":"Generated App Install"}',
]
BODY = b'{"d":[' + b",".join(RECORDS) + b"]}"


@pytest.fixture
def clevertap():
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def client(clevertap):
    client = a_client(clevertap.url)
    yield client
    client.close()


def test_an_upload_is_one_post_of_exactly_these_bytes(client, clevertap):
    clevertap.answers(200, ACCEPTED)

    result = client.upload(BODY, RECORDS)

    assert result == UploadResult(accepted=2, refused=(), miscounted=False, status=200)
    [request] = clevertap.requests
    assert (request.method, request.target) == ("POST", "/1/upload")
    assert request.body == BODY
    assert dict(request.headers) == {
        "Host": clevertap.url.removeprefix("http://"),
        "User-Agent": "clevertap-sync",
        "Accept": "application/json",
        "Accept-Encoding": "gzip",
        "Connection": "keep-alive",
        "Content-Type": "application/json",
        "Content-Length": str(len(BODY)),
        "X-CleverTap-Account-Id": "TEST-123-456-7890",
        "X-CleverTap-Passcode": CANARY,
    }


def test_a_dry_run_says_so_in_its_query(client, clevertap):
    clevertap.answers(200, ACCEPTED)

    client.upload(BODY, RECORDS, dry_run=True)

    assert clevertap.requests[0].target == "/1/upload?dryRun=1"


def test_an_address_may_have_a_path_and_a_slash_at_its_end(clevertap):
    clevertap.answers(200, ACCEPTED)

    a_client(clevertap.url + "/eu1/").upload(BODY, RECORDS)

    assert clevertap.requests[0].target == "/eu1/1/upload"


def test_the_rejected_record_is_reported_and_its_neighbour_accepted(client, clevertap):
    entry = {
        "status": "fail",
        "code": 513,
        "error": "Event Name is incorrect. ErrorCode: 513 - Trying to raise a restricted "
        "system event. Skipped record number : 2",
        "record": json.loads(RECORDS[1]),
    }
    clevertap.answers(
        200, {"status": "partial", "processed": 1, "unprocessed": [entry]}
    )

    result = client.upload(BODY, RECORDS)

    assert result.accepted == 1
    assert [(r.index, r.code) for r in result.refused] == [(1, 513)]


def test_every_status_but_200_raises_its_error(client, clevertap):
    statuses = (*range(101, 200), *range(201, 600))
    clevertap.plays(
        *(answer(s, b"", keep=True, Location="/elsewhere") for s in statuses)
    )
    for status in statuses:
        with pytest.raises(CleverTapError) as caught:
            client.upload(BODY, RECORDS)

        assert type(caught.value) is type(make_error_for_status(status))
        assert caught.value.status == status
    assert len(clevertap.requests) == 498


def test_a_100_continue_before_the_answer_is_passed_over(client, clevertap):
    whole = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
    clevertap.plays(raw(whole + json.dumps(ACCEPTED).encode()))

    assert client.upload(BODY, RECORDS).accepted == 2


def test_an_error_carries_clevertaps_text_and_its_retry_after(client, clevertap):
    body = {"status": "fail", "error": "Too many concurrent requests", "code": 429}
    clevertap.answers(429, body, Retry_After="17")

    with pytest.raises(TooManyRequestsError) as caught:
        client.upload(BODY, RECORDS)

    assert caught.value.detail == "Too many concurrent requests"
    assert caught.value.retry_after == 17.0


def test_an_html_page_in_place_of_an_error_is_called_one(client, clevertap):
    page = b"<html><head><title>ann@example.com</title></head></html>"
    clevertap.answers(502, page, Content_Type="text/html")

    with pytest.raises(CleverTapError) as caught:
        client.upload(BODY, RECORDS)

    assert caught.value.detail == "HTML page"


def test_an_error_whose_body_breaks_off_is_still_that_error(client, clevertap):
    clevertap.answers(401, b'{"error":"Inv', Content_Length="1000")

    with pytest.raises(AuthenticationError):
        client.upload(BODY, RECORDS)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_takes_no_passcode_along(
    client, clevertap, status
):
    with ScriptedServer() as elsewhere:
        clevertap.answers(status, b"moved", Location=elsewhere.url + "/1/upload")

        with pytest.raises(CleverTapError) as caught:
            client.upload(BODY, RECORDS)

        assert caught.value.code == "wrong_address"
        assert elsewhere.connections == 0
        assert elsewhere.requests == []


def test_cookies_are_not_kept(client, clevertap):
    clevertap.answers(200, ACCEPTED, Set_Cookie="node=7; Path=/")
    clevertap.answers(200, ACCEPTED)

    client.upload(BODY, RECORDS)
    client.upload(BODY, RECORDS)

    assert "Cookie" not in clevertap.requests[1].headers


def test_what_is_kept_for_the_next_request_holds_no_credentials_and_names_nobody(
    client, clevertap
):
    clevertap.answers(200, ACCEPTED)
    clevertap.answers(200, {"status": "success", "record": {}})

    client.upload(BODY, RECORDS)
    client.fetch_profile("ann@example.com")

    [draft] = client._transport._drafts.values()
    assert draft.url == f"{clevertap.url}/1/upload"
    assert draft.body is None
    assert not [name for name in draft.headers if name.startswith("X-CleverTap")]


def test_netrc_adds_no_credentials(client, clevertap, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    clevertap.answers(200, ACCEPTED)

    client.upload(BODY, RECORDS)

    assert "Authorization" not in clevertap.requests[0].headers


@pytest.mark.parametrize(
    ("passcode", "problem"),
    [
        ("", "the passcode is empty"),
        ("CAN ARY", "the passcode has blanks or characters that none can have"),
        ("CANARY\r\nX-Evil: 1", "the passcode has blanks or characters that none can have"),
        ("CANÄRY", "the passcode has blanks or characters that none can have"),
        ("CANARY\ud800", "the passcode has blanks or characters that none can have"),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_passcode_that_cannot_be_one_is_refused_before_anything_is_sent(
    clevertap, passcode, problem
):
    with pytest.raises(CredentialsError) as caught:
        a_client(clevertap.url, passcode=passcode).upload(BODY, RECORDS)

    assert type(caught.value) is (CredentialsError if passcode else NoPasscodeError)
    assert caught.value.detail == f"nothing was sent: {problem}"
    assert clevertap.connections == 0


def test_an_account_id_that_cannot_be_one_is_refused_before_anything_is_sent(clevertap):
    client = Client(base_url=clevertap.url, account_id="W8R 9", passcode=Secret(CANARY))

    with pytest.raises(CredentialsError, match="the account ID has blanks"):
        client.upload(BODY, RECORDS)

    assert clevertap.connections == 0


@pytest.mark.parametrize(
    "address", ["", "api.clevertap.com", "ftp://127.0.0.1", "http://", "http://a..b"]
)
def test_an_address_that_is_none_sends_nothing(address):
    with pytest.raises(NotSentError):
        a_client(address).upload(BODY, RECORDS)


def test_a_client_shows_its_account_and_nothing_else(client):
    assert repr(client) == "<Client of TEST-123-456-7890>"


ECHO = {"status": "fail", "error": f"no {CANARY} of ann@example.com", "code": 401}
FAILURES = {
    "an error that echoes": answer(401, ECHO),
    "a 200 that echoes": answer(200, ECHO),
    "a status line that echoes": raw(f"HTTP/9 {CANARY} ann@example.com\r\n".encode()),
    "a header that echoes": answer(500, X_Echo=CANARY),
    "broken headers that echo": raw(
        f"HTTP/1.1 503 OK\r\nann@example.com {CANARY}\r\nx\r\n\r\n".encode()
    ),
    "an HTML page": answer(502, f"<html>{CANARY} ann@example.com".encode()),
    "a redirect": answer(302, b"", Location=f"http://ann@example.com/{CANARY}"),
    "garbage": raw(b"\x00\xff" * 100),
    "half an answer": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"),
    "a reset": reset(),
    "a slow answer": dribble(b"HTTP/1.1 200 OK\r\n" * 99, every=0.05),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_no_error_log_or_traceback_shows_passcode_or_identity(
    clevertap, caplog, failure
):
    caplog.set_level(logging.DEBUG)
    clevertap.plays(failure)

    with pytest.raises(CleverTapError) as caught:
        a_client(clevertap.url, seconds=0.3).upload(BODY, RECORDS)

    error = caught.value
    shown = [repr(error), str(error), error.detail]
    shown += traceback.format_exception(error)
    for text in shown:
        assert CANARY not in text
        assert "ann@example.com" not in text
    assert caplog.records == []
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_no_frame_of_the_traceback_has_the_passcode_in_a_variable(clevertap, failure):
    clevertap.plays(failure)

    with pytest.raises(CleverTapError) as caught:
        a_client(clevertap.url, seconds=0.3).upload(BODY, RECORDS)

    frames = [f for f, _ in traceback.walk_tb(caught.value.__traceback__)][1:]
    assert frames
    for frame in frames:
        assert CANARY not in repr(frame.f_locals)


def test_an_answer_that_is_no_json_is_malformed(client, clevertap):
    clevertap.answers(200, b"<html>Welcome to the hotel</html>")

    with pytest.raises(MalformedResponseError):
        client.upload(BODY, RECORDS)
