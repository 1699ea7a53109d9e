"""Counts refusals of senders and of whole requests."""

import functools
from collections.abc import Callable

from django.db import DataError
from django.http import HttpRequest, HttpResponse

from referrals.api.auth import CallerRefusedError, authenticate
from referrals.api.events_read import find_events_read
from referrals.api.guard import View
from referrals.api.problems import UNSTORABLE, ProblemError
from referrals.api.switches import read_switches
from referrals.ingest.background import count_ingest
from referrals.ingest.counter import CountKey, IngestOutcome, redact_pointer
from referrals.models import ApiKey
from referrals.refusals import Code


def count_refusals(view: Callable[[HttpRequest, ApiKey], HttpResponse]) -> View:
    """Call the view with the caller's API key, and count the refusals of requests.

    The log counts the answers to single events. A fault of ours is no refusal.
    """

    @functools.wraps(view)
    def wrapped(request: HttpRequest) -> HttpResponse:
        read = find_events_read(request)
        key = read.key if read else _authenticate_and_count(request)
        try:
            return view(request, key)
        except ProblemError as problem:
            if problem.kind.code and not _is_dry_run(request):
                count_key = CountKey(
                    key.app_id, key.prefix, IngestOutcome.REJECTED, problem.kind.code
                )
                pointer = redact_pointer(problem.pointer or "")
                count_ingest(count_key, pointer=pointer, detail=problem.detail)
            raise
        except DataError:
            if not _is_dry_run(request):
                count_key = CountKey(
                    key.app_id, key.prefix, IngestOutcome.REJECTED, Code.UNSTORABLE
                )
                count_ingest(count_key, detail=f"{UNSTORABLE.title}.")
            raise

    return wrapped


def count_refused_caller(refusal: CallerRefusedError) -> None:
    """Count a caller that was not let in, under the key that it showed."""
    count_key = CountKey(
        refusal.app_id, refusal.prefix, IngestOutcome.UNAUTHORISED, refusal.code
    )
    count_ingest(count_key, detail=refusal.detail)


def _authenticate_and_count(request: HttpRequest) -> ApiKey:
    try:
        return authenticate(request)
    except CallerRefusedError as refusal:
        if not _is_dry_run(request):
            count_refused_caller(refusal)
        raise


def _is_dry_run(request: HttpRequest) -> bool:
    """Return whether the request asks for a dry run, of which nothing is counted."""
    try:
        _, is_trial = read_switches(request, "strict", "dry_run")
    except ProblemError:
        return False
    return is_trial
