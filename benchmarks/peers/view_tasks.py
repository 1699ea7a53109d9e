# mypy: ignore-errors
"""Store the events, then hand each record to Celery."""

import os
from importlib import import_module

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from benchmarks.peers.models import Event
from benchmarks.peers.records import records_of

send = import_module(os.environ["PEER_TASKS"]).send


@csrf_exempt
def receive(request: HttpRequest) -> HttpResponse:
    """Answer once the events are stored and every task is queued."""
    body = msgspec.json.decode(request.body)
    events = body.get("events", [body])
    Event.objects.bulk_create(
        [Event(key=e["id"], type=e["type"], body=e) for e in events],
        ignore_conflicts=True,
    )
    # One connection for all of them is the fastest that Celery knows.
    with send.app.producer_or_acquire() as producer:
        for event in events:
            for record in records_of(event):
                send.apply_async((record,), producer=producer)
    return HttpResponse(status=202)
