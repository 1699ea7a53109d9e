"""The calls to CleverTap: upload, profile look-up, deletion, counts, schema."""

import re
from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from itertools import chain
from typing import Any

from requests import PreparedRequest
from requests.auth import AuthBase

from clevertap_sync.clevertap.causes.week import Schema
from clevertap_sync.clevertap.client.answer import HttpAnswer, read_number
from clevertap_sync.clevertap.client.count_answer import (
    Condition,
    CountAnswer,
    encode_query,
    read_count,
    read_later_count,
)
from clevertap_sync.clevertap.client.echo_redaction import find_identities
from clevertap_sync.clevertap.client.schema_answer import (
    LONGEST_SCHEMA_BYTES,
    read_schema,
)
from clevertap_sync.clevertap.client.transport import Transport
from clevertap_sync.clevertap.client.upload_result import UploadResult, read_result
from clevertap_sync.clevertap.errors import (
    CredentialsError,
    NoPasscodeError,
    ResponseError,
)
from clevertap_sync.clevertap.limits import encode_deletion
from referrals.secret import Secret

_COUNTS = "/1/counts/events.json"
_VISIBLE = re.compile(r"[!-~]+")
_NOT_FOUND = re.compile(
    r"not\s+found|not\s+exist|no\s+(?:such\s+)?(?:user|profile)", re.IGNORECASE
)


class Client:
    """CleverTap's API for one account, used by one thread at a time.

    It keeps its connection open between calls where CleverTap allows it.
    """

    def __init__(
        self,
        *,
        base_url: str,
        account_id: str,
        passcode: Secret,
        request_seconds: float = 30.0,
    ) -> None:
        self._credentials = _Credentials(account_id, passcode)
        self._transport = Transport(
            base_url, self._credentials, seconds=request_seconds
        )

    def __repr__(self) -> str:
        return f"<Client of {self._credentials.account_id}>"

    def upload(
        self, body: bytes, records: Sequence[bytes], *, dry_run: bool = False
    ) -> UploadResult:
        """Send `body`, which holds `records`, in one request.

        Raises a `CleverTapError` when the request as a whole failed. Records that
        CleverTap refused one by one come back in `UploadResult.refused`. Not safe to
        run twice: CleverTap counts what it gets twice as two.
        """
        # Reference: https://developer.clevertap.com/docs/upload-events-api
        self._credentials.check()
        params = {"dryRun": "1"} if dry_run else {}
        answer = self._transport.ask("POST", "/1/upload", params=params, body=body)
        if answer.status != HTTPStatus.OK:
            identities = chain.from_iterable(map(find_identities, records))
            raise answer.make_error(chain(self._credentials.list_secrets(), identities))
        result = read_result(answer, records, self._credentials.list_secrets())
        if isinstance(result, ResponseError):
            raise result
        return result

    def fetch_profile(
        self, identity: str, *, object_id: bool = False, seconds: float | None = None
    ) -> dict[str, Any] | None:
        """Return a user's profile; None if CleverTap knows no such user.

        With `object_id`, `identity` is CleverTap's own ID of the user. `seconds` is this
        request's own limit.
        """
        # Reference: https://developer.clevertap.com/docs/get-user-profile-api
        self._credentials.check()
        params = {"objectId" if object_id else "identity": identity}
        answer = self._transport.ask(
            "GET", "/1/profile.json", params=params, seconds=seconds
        )
        found = _read_profile(
            answer, [Secret(identity), *self._credentials.list_secrets()]
        )
        if isinstance(found, ResponseError):
            raise found
        return found

    def delete_profiles(
        self,
        people: Sequence[str],
        *,
        object_ids: bool = False,
        seconds: float | None = None,
    ) -> None:
        """Ask CleverTap to delete up to 100 people with all their events.

        It takes the order at once and carries it out within a day, its backups within
        60. Asking twice is harmless. With `object_ids`, `people` are CleverTap's own IDs.
        `seconds` is this request's own limit.
        """
        # References: https://developer.clevertap.com/docs/delete-user-profile-api
        # https://docs.clevertap.com/docs/gdpr
        self._credentials.check()
        body = encode_deletion(people, object_ids=object_ids)
        answer = self._transport.ask(
            "POST", "/1/delete/profiles.json", params={}, body=body, seconds=seconds
        )
        refused = _read_deletion_error(
            answer, [*map(Secret, people), *self._credentials.list_secrets()]
        )
        if refused is not None:
            raise refused

    def count_events(
        self,
        name: str,
        first_day: date,
        last_day: date,
        conditions: Sequence[Condition] = (),
        *,
        seconds: float | None = None,
    ) -> CountAnswer:
        """Ask how many events called `name` there are on the account's days, both included.

        The name is read exactly, case and spaces included. A day in the future is a
        `RequestRejectedError`. `seconds` is this request's own limit.
        """
        # Reference: https://developer.clevertap.com/docs/get-event-count-api
        self._credentials.check()
        body = encode_query(name, first_day, last_day, conditions)
        answer = self._transport.ask(
            "POST", _COUNTS, params={}, body=body, seconds=seconds
        )
        values = [Secret(str(each.value)) for each in conditions if each.value]
        hidden = [*values, *self._credentials.list_secrets()]
        counted = read_count(answer, name, hidden)
        if isinstance(counted, ResponseError):
            raise counted
        return counted

    def fetch_count(
        self, request_id: str, *, seconds: float | None = None
    ) -> CountAnswer | None:
        """Ask for a count that was pending. None: CleverTap has forgotten the request."""
        self._credentials.check()
        params = {"req_id": request_id}
        answer = self._transport.ask("GET", _COUNTS, params=params, seconds=seconds)
        counted = read_later_count(answer, self._credentials.list_secrets())
        if isinstance(counted, ResponseError):
            raise counted
        return counted

    def fetch_event_schema(self, *, seconds: float | None = None) -> Schema:
        """Return the account's event types."""
        # Reference: https://developer.clevertap.com/docs/get-schema
        # [doubt] Its text says GET, its example POST. Public clients use GET.
        self._credentials.check()
        answer = self._transport.ask(
            "GET",
            "/getSchema",
            params={"type": "events"},
            seconds=seconds,
            longest=LONGEST_SCHEMA_BYTES,
        )
        schema = read_schema(answer, self._credentials.list_secrets())
        if isinstance(schema, ResponseError):
            raise schema
        return schema

    def close(self) -> None:
        """Close the kept connection. The client can be used again."""
        self._transport.close()


class _Credentials(AuthBase):
    """Puts account ID and passcode on a request. Nothing else holds the passcode."""

    def __init__(self, account_id: str, passcode: Secret) -> None:
        self.account_id = account_id
        self._passcode = passcode

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """Add the two headers."""
        request.headers["X-CleverTap-Account-Id"] = self.account_id
        request.headers["X-CleverTap-Passcode"] = self._passcode.reveal()
        return request

    def check(self) -> None:
        """Refuse what cannot be a header, before its error message shows it."""
        problem = self._problem()
        if problem:
            kind = CredentialsError if self._passcode else NoPasscodeError
            detail = f"nothing was sent: {problem}"
            raise kind(detail)

    def _problem(self) -> str | None:
        parts = {"account ID": self.account_id, "passcode": self._passcode.reveal()}
        for name, text in parts.items():
            if not text:
                return f"the {name} is empty"
            if not _VISIBLE.fullmatch(text):
                return f"the {name} has blanks or characters that none can have"
        return None

    def list_secrets(self) -> tuple[Secret, ...]:
        """Return the secrets that no text may show."""
        return (self._passcode,)


def _read_profile(
    answer: HttpAnswer, hidden: Sequence[Secret]
) -> dict[str, Any] | ResponseError | None:
    """Return the profile, None where CleverTap knows no such user, or an error."""
    if _is_unknown_user(answer):
        return None
    if answer.status != HTTPStatus.OK:
        return answer.make_error(hidden)
    record = (answer.read_json_object() or {}).get("record")
    return (
        record
        if isinstance(record, dict)
        else answer.make_refusal_error(hidden, "no profile")
    )


def _read_deletion_error(
    answer: HttpAnswer, hidden: Sequence[Secret]
) -> ResponseError | None:
    """Return why CleverTap did not take the order to delete; None where it did.

    [doubt] CleverTap publishes no answer of this call. We expect `"status": "success"`,
    as the other calls return it.
    """
    if answer.status != HTTPStatus.OK:
        return answer.make_error(hidden)
    if (answer.read_json_object() or {}).get("status") == "success":
        return None
    return answer.make_refusal_error(hidden, "it does not say that the order was taken")


def _is_unknown_user(answer: HttpAnswer) -> bool:
    """Return whether the answer says, in any of three known forms, "no such user".

    Sources differ about the form. A 404 with a page comes from another web server, and
    says nothing about the user.
    """
    envelope = answer.read_json_object()
    if answer.status == HTTPStatus.NOT_FOUND:
        return envelope is not None or not answer.body.strip()
    if answer.status != HTTPStatus.OK or envelope is None:
        return False
    return (
        envelope.get("record", answer) is None
        or read_number(envelope.get("code")) == HTTPStatus.NOT_FOUND
        or bool(_NOT_FOUND.search(str(envelope.get("error"))))
    )
