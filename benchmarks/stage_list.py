"""The stages of `benchmarks.stages`, in the order in which an event meets them."""

import functools
import io
import itertools
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import msgspec
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from benchmarks import events
from benchmarks.claims import settle
from benchmarks.ours import Ours
from benchmarks.stages import Stage, Step
from clevertap_sync import receivers
from clevertap_sync.delivery import map_upload
from clevertap_sync.delivery.claim import claim_next
from clevertap_sync.delivery.deliver import deliver
from clevertap_sync.delivery.send import RequestOutcome, begin_attempt, send_upload
from clevertap_sync.delivery.settle import settle_result
from clevertap_sync.delivery.work import Claim, MappedUpload, Sending
from clevertap_sync.models import Integration
from clevertap_sync.process import slots
from integration_project.web.request_limits import HEAVY_BYTES
from integration_project.web.responses import WebAnswer
from integration_project.wsgi import application
from referrals import log
from referrals.api.body_events import BodyEvents, decode_body
from referrals.models import App, Source
from referrals.secret import Secret
from referrals.source_setup import create_source
from referrals.sources.call import Call, make_call
from referrals.sources.mapping.rules import Choices
from referrals.sources.mapping.translate import translate_call
from referrals.sources.presets import load_mapping, load_preset
from referrals.sources.samples import sign_sample
from referrals.sources.signing import sign_call

RANGE: Final = 500
JSON: Final = "application/json"
#: As routers name requests; one for all, since a batch has one.
_REQUEST_ID: Final = "0b3a6f6e-52f4-4a53-9b0e-8f1f2c7d9a61"
_SECRET: Final = "of the benchmark's source"  # noqa: S105 - of no use elsewhere


def stages(ours: Ours) -> dict[str, Stage]:
    """Return the stages by name."""
    steps = Steps(ours.key)
    signals = functools.partial(steps.append, 1_000, signals=True)
    return {
        "decode 1,000": Stage(20, 1_000, steps.decode),
        "append 1": Stage(200, 1, lambda: steps.append(1)),
        "append 100": Stage(50, 100, lambda: steps.append(100)),
        "append 1,000": Stage(20, 1_000, lambda: steps.append(1_000)),
        "append 1,000 with signals": Stage(20, 1_000, signals),
        "ring": Stage(200, 0, steps.ring),
        "request of 1": Stage(200, 1, lambda: steps.request(1)),
        "request of 1,000": Stage(20, 1_000, lambda: steps.request(1_000)),
        "install by POST": Stage(500, 1, steps.post_install),
        "install by hook": Stage(500, 1, steps.call_hook),
        "claim 500": Stage(40, RANGE, steps.claim),
        "claim in vain": Stage(100, 0, steps.claim_in_vain),
        "read and map 500": Stage(40, RANGE, steps.map),
        "begin 500": Stage(40, RANGE, steps.begin),
        "send 500": Stage(40, RANGE, steps.send),
        "settle 500": Stage(40, RANGE, steps.settle),
        "deliver 1": Stage(60, 1, lambda: steps.deliver(1)),
        "deliver 500": Stage(40, RANGE, lambda: steps.deliver(RANGE)),
    }


class Steps:
    """Each method prepares a step: it returns what is to be measured."""

    def __init__(self, key: str = "") -> None:
        self._key = key
        self._app = App.objects.get()
        self._integration = Integration.objects.get()

    def decode(self) -> Step:
        """Prepare to read a body of a thousand events."""
        body = _body(1_000)
        return lambda: decode_body(JSON, body)

    @functools.cached_property
    def _source(self) -> Source:
        source = Source(app=self._app, platform="branch")
        create_source("benchmark", source, Secret(_SECRET))
        return source

    def append(
        self,
        size: int,
        *,
        signals: bool = False,
        user: events.MakeUser = events.make_user,
    ) -> Step:
        """Prepare to append so many events, with the users that `user` makes."""
        made = decode_body(JSON, _body(size, signals=signals, user=user))
        return lambda: self._append_body(made)

    def request(self, size: int) -> Step:
        """Prepare a request with so many events."""
        body = _body(size)
        return lambda: _request(self._key, body)

    def post_install(self) -> Step:
        """Prepare the request with the event that `call_hook` becomes."""
        (event,) = translate_call(
            _sign_install(), load_mapping("branch"), Choices(), key=b"any"
        )
        body = msgspec.json.encode(event)
        return lambda: _request(self._key, body)

    def call_hook(self) -> Step:
        """Prepare a signed call of Branch's."""
        call, path = _sign_install(), f"/v1/hooks/{self._source.public_id}"
        headers = {
            f"HTTP_{name.upper().replace('-', '_')}": value
            for name, value in call.headers
        }
        return lambda: _send_request(call.body, HTTPStatus.OK, path, headers)

    def ring(self) -> Step:
        """Prepare to ring for the app."""
        return lambda: receivers.ring_for_app(self._app.pk)

    def claim(self) -> Step:
        """Prepare a claim of a full range."""
        self._fill(RANGE)
        return self._claim

    def claim_in_vain(self) -> Step:
        """Prepare a claim that finds nothing."""
        self._fill(0)
        return lambda: claim_next(self._integration.pk)

    def map(self) -> Step:
        """Prepare to read and map a range."""
        work = self._claimed()
        return lambda: map_upload.map_upload(work)

    def begin(self) -> Step:
        """Prepare to begin an attempt."""
        work = self._claimed()
        mapped = map_upload.map_upload(work)
        return lambda: begin_attempt(work, mapped)

    def send(self) -> Step:
        """Prepare to send a range's records."""
        _, mapped, begun = self._begun()
        return lambda: self._send(mapped, begun)

    def settle(self) -> Step:
        """Prepare to settle a range that was answered."""
        work, mapped, begun = self._begun()
        outcome = self._send(mapped, begun)
        result = outcome.result
        if result is None:
            raise RuntimeError(outcome.error)
        return lambda: settle_result(work, mapped, begun, outcome, result)

    def deliver(self, size: int, *, user: events.MakeUser = events.make_user) -> Step:
        """Prepare to deliver so many events, from claim to settle."""
        self._fill(size, user=user)
        return lambda: deliver(self._integration.pk)

    def _fill(self, count: int, *, user: events.MakeUser = events.make_user) -> None:
        """Leave exactly `count` events to be delivered, and nothing under way."""
        settle(self._integration.uploads.open())
        # Who delivered the event before knows the integration by the versions of its row.
        head = log.read_head(self._app.pk)
        Integration.objects.exclude(cursor=head).update(cursor=head)
        slots.clear_slots()
        if count:
            self._append_body(decode_body(JSON, _body(count, user=user)))

    def _append_body(self, made: BodyEvents) -> None:
        log.append(self._app, made.events, request_id=_REQUEST_ID, forms=made.forms)

    def _claim(self) -> Claim:
        work = claim_next(self._integration.pk)
        if not isinstance(work, Claim):
            message = f"There was something to claim, and {work} came of it."
            raise TypeError(message)
        return work

    def _claimed(self) -> Claim:
        self._fill(RANGE)
        return self._claim()

    def _begun(self) -> tuple[Claim, MappedUpload, Sending]:
        work = self._claimed()
        mapped = map_upload.map_upload(work)
        begun = begin_attempt(work, mapped)
        if begun is None:
            message = "The lease was lost, though nobody else is there."
            raise RuntimeError(message)
        return work, mapped, begun

    def _send(self, mapped: MappedUpload, begun: Sending) -> RequestOutcome:
        return send_upload(self._integration, begun, mapped.encoded_records())


@contextmanager
def counting() -> Iterator[list[str]]:
    """Collect the statements that this process sends to the database, by any thread."""
    seen: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with ExitStack() as watched:

        def watch(connection: BaseDatabaseWrapper, **_: object) -> None:
            if note not in connection.execute_wrappers:
                watched.enter_context(connection.execute_wrapper(note))

        # A hook's threads open theirs meanwhile, for each call.
        connection_created.connect(watch)
        watched.callback(connection_created.disconnect, watch)
        watch(connections["default"])
        yield seen


def _body(
    size: int, *, signals: bool = False, user: events.MakeUser = events.make_user
) -> bytes:
    first = next(_numbers) * 1_000
    made = events.bodies(
        size, size, run="stage", first=first, signals=signals, user=user
    )
    return next(made)


def _sign_install() -> Call:
    """Return an install as Branch calls it, each time of another user."""
    preset = load_preset("branch")
    now = datetime.now(UTC)
    call = sign_sample(preset, _SECRET, now=now)
    body = call.body.replace(b"u-42", b"u-%d" % next(_numbers))
    body = body.replace(b"0A0A0A0A0A01", b"%012d" % next(_numbers))
    return sign_call(preset.verifier, make_call("POST", body=body), _SECRET, now=now)


def _request(key: str, body: bytes) -> None:
    """Post events as a backend does."""
    headers = {"HTTP_AUTHORIZATION": f"Bearer {key}"}
    if len(body) > HEAVY_BYTES:
        _send_request(body, HTTPStatus.ACCEPTED, "/v1/events", headers)
        return
    (found,) = application.answer_together([_make_environ(body, "/v1/events", headers)])
    if not isinstance(found, WebAnswer):
        message = "The request has no receipt"
        raise TypeError(message)


def _make_environ(body: bytes, path: str, headers: dict[str, str]) -> dict[str, Any]:
    return {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "127.0.0.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        **headers,
    }


def _send_request(
    body: bytes, expected: HTTPStatus, path: str, headers: dict[str, str]
) -> None:
    """Send a request through everything that stands behind gunicorn."""
    environ = _make_environ(body, path, headers)
    statuses: list[str] = []

    def start(status: str, *_: object) -> Callable[[bytes], object]:
        statuses.append(status)
        return sys.stderr.buffer.write

    # A call of the API is answered by a list, and any other by what wants to be closed.
    answer: Any = application(environ, start)
    content = b"".join(answer)
    if close := getattr(answer, "close", None):
        close()
    if not statuses[0].startswith(str(expected.value)):
        raise RuntimeError(statuses[0], content)


_numbers: Final = itertools.count(1)
