# mypy: ignore-errors
"""Store each event, and each of its records in the outbox, in one transaction."""

from typing import Any

import msgspec
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from benchmarks.peers.models import Delivery, Event
from benchmarks.peers.records import records_of

encode = msgspec.json.encode


@csrf_exempt
def receive(request: HttpRequest) -> HttpResponse:
    """Answer once everything is committed; an event that is there already stays."""
    body = msgspec.json.decode(request.body)
    events = {event["id"]: event for event in body.get("events", [body])}
    try:
        with transaction.atomic():
            store(events)
    except IntegrityError:  # somebody stored one of them meanwhile
        return HttpResponse(status=503, headers={"Retry-After": "1"})
    return HttpResponse(status=202)


def store(events: dict[str, dict[str, Any]]) -> None:
    """Write what is new."""
    known = set(
        Event.objects.filter(key__in=list(events)).values_list("key", flat=True)
    )
    rows = Event.objects.bulk_create(
        Event(key=key, type=event["type"], body=event)
        for key, event in events.items()
        if key not in known
    )
    Delivery.objects.bulk_create(
        Delivery(event_id=row.pk, record=encode(record).decode())
        for row in rows
        for record in records_of(row.body)
    )
