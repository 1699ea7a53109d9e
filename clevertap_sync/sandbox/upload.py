"""`POST /1/upload`: the one call that the product depends on.

Order of the checks: credentials, requests in flight, the body, each record.
Reference: https://developer.clevertap.com/docs/upload-events-api
"""

import hashlib
from typing import Literal

from clevertap_sync.clevertap.locations import Location
from clevertap_sync.sandbox import judging
from clevertap_sync.sandbox.accounts import authenticate
from clevertap_sync.sandbox.answers import MALFORMED, TOO_MANY, Answer, usual
from clevertap_sync.sandbox.exchange import Exchange
from clevertap_sync.sandbox.faults import Fault
from clevertap_sync.sandbox.state import State
from clevertap_sync.sandbox.store import Lost
from clevertap_sync.sandbox.tampering import tampered

_NO_FAULT = Fault()


def answer_upload(state: State, location: Location, exchange: Exchange) -> None:
    """Answer one upload or dry run.

    Its seat is free before the answer is sent: a client that counts its requests right
    must never be told that there are too many.
    """
    desk = state.desks[location]
    refusal = authenticate(location, exchange.headers, desk.rules)
    seats = 0 if refusal else desk.rules.uploads_in_flight
    with desk.seat("upload", seats) as admitted:
        upload = _Upload(state, location, exchange)
        answer = upload.prepare(refusal if admitted or refusal else TOO_MANY)
        if upload.lasts:
            upload.deliver(answer)
            return
    upload.deliver(answer)


class _Upload:
    """One upload or dry run, from its headers to its answer."""

    def __init__(self, state: State, location: Location, exchange: Exchange) -> None:
        self._state = state
        self._desk = state.desks[location]
        self._exchange = exchange
        self._dry_run = exchange.query.get("dryRun") == "1"
        self._request = state.store.begin(
            location, exchange.path, dry_run=self._dry_run
        )
        self._fault = _NO_FAULT
        self._releases = 0

    def prepare(self, refusal: Answer | None) -> Answer:
        """Return the answer: `refusal`, or what becomes of the records.

        The request is over even when its client dies in the middle of the body.
        """
        self._request.in_flight = self._desk.in_flight
        status = None
        try:
            if refusal is not None:
                self._exchange.drain()
            answer = refusal or self._process()
            if not self._exchange.is_silent(self._fault):
                status = answer.status
        finally:
            self._state.store.end(self._request, status)
        return answer

    @property
    def lasts(self) -> bool:
        """Return whether the request stays in flight while it is answered."""
        return self._exchange.is_slow(self._fault)

    def deliver(self, answer: Answer) -> None:
        """Send the answer, or do to it what the fault says."""
        self._exchange.deliver(
            answer, self._fault, keep_alive=self._desk.rules.keep_alive
        )

    def _process(self) -> Answer:
        """Return the answer, and leave the fault that goes with it in `_fault`."""
        body = self._exchange.read_body(self._desk.rules.body_bytes)
        kind: Literal["dry_runs", "uploads"] = (
            "dry_runs" if self._dry_run else "uploads"
        )
        taken, self._releases = self._desk.take_fault(kind, lambda: self._size_of(body))
        self._fault = fault = taken or _NO_FAULT
        self._request.fault = fault.label() if fault is not _NO_FAULT else ""
        if isinstance(body, Answer):
            return body
        self._request.sha256 = hashlib.sha256(body).hexdigest()
        self._request.body_bytes = len(body)
        self._pause(fault.delay_before_storing, hold=fault.hold == "before_storing")
        answer = self._answer(body)
        self._pause(fault.delay_after_storing, hold=fault.hold == "after_storing")
        return answer

    def _pause(self, seconds: float, *, hold: bool) -> None:
        if seconds:
            self._state.world.sleep(seconds)
        if hold:
            self._state.world.wait_for_release(self._releases)

    def _answer(self, body: bytes) -> Answer:
        fault = self._fault
        scripted = None if fault.status is None else _scripted(fault, fault.status)
        if scripted is not None and not fault.stores():
            self._count_records(body)
            return scripted
        try:
            answer = self._judge(body)
        except RecursionError:
            answer = MALFORMED
        return scripted or answer

    def _judge(self, body: bytes) -> Answer:
        if not self._is_json():
            return MALFORMED
        records = self._count_records(body)
        if isinstance(records, Answer):
            return records
        people = self._state.store.people[self._desk.location]
        now = self._state.world.now()
        verdicts = judging.judge(records, self._desk, people, now)
        if isinstance(verdicts, Answer):
            return verdicts
        if self._fault.stores():
            self._keep(verdicts)
        return tampered(verdicts.entries, verdicts.processed, self._fault.tamper)

    def _count_records(self, body: bytes) -> list[object] | Answer:
        records = judging.read(body, self._desk)
        self._request.records = 0 if isinstance(records, Answer) else len(records)
        return records

    def _size_of(self, body: bytes | Answer) -> int:
        records = judging.read(body, self._desk) if isinstance(body, bytes) else body
        return 0 if isinstance(records, Answer) else len(records)

    def _is_json(self) -> bool:
        content_type = self._exchange.headers.get("content-type", "")
        is_json = content_type.split(";")[0].strip().lower() == "application/json"
        return is_json or self._desk.rules.other_content_types == "accept"

    def _keep(self, verdicts: judging.Verdicts) -> None:
        request, store = self._request, self._state.store
        request.accepted = verdicts.processed
        for entry in verdicts.entries:
            request.refused[entry["code"]] = request.refused.get(entry["code"], 0) + 1
        request.reasons = dict(verdicts.reasons)
        store.count_verdicts(request, lost=len(verdicts.lost))
        if self._dry_run:
            return
        self._store(verdicts)
        for record, reason in verdicts.lost:
            name = str(record.get("evtName", ""))
            store.lose(Lost(request.at, self._desk.location, name, reason))

    def _store(self, verdicts: judging.Verdicts) -> None:
        """Store what is accepted, or what the fault leaves of it, when it says."""
        fault, stored, kept = self._fault, verdicts.stored, verdicts.kept
        if fault.stores_otherwise():
            chosen = fault.choose(len(stored), self._request.sha256)
            stored = [stored[index] for index in chosen]
            kept = [kept[index] for index in chosen]
        if not stored:
            return
        if fault.store_late is None:
            self._state.store.add(self._request, stored, kept)
        else:
            seconds = fault.store_late
            self._exchange.afterwards(lambda: self._store_late(seconds, stored, kept))

    def _store_late(
        self, seconds: float, stored: list[judging.Record], kept: list[judging.Record]
    ) -> None:
        self._state.world.sleep(seconds)
        self._state.store.add(self._request, stored, kept)


def _scripted(fault: Fault, status: int) -> Answer:
    answer = usual(status)
    if fault.body is not None:
        answer = answer._replace(body=fault.body.encode())
    given = {name.lower() for name in fault.headers}
    kept = tuple(pair for pair in answer.headers if pair[0] not in given)
    return answer._replace(headers=kept + tuple(fault.headers.items()))
