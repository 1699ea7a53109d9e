# mypy: ignore-errors
"""The limit of any endpoint here: decode the events, store nothing."""

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from referrals.schema import IncomingEvent


class Batch(msgspec.Struct):
    """Several events."""

    events: list[IncomingEvent]


decode_batch = msgspec.json.Decoder(Batch).decode
decode_one = msgspec.json.Decoder(IncomingEvent).decode


@csrf_exempt
def receive(request: HttpRequest) -> HttpResponse:
    """Answer as soon as the events are decoded."""
    body = request.body
    if body.startswith(b'{"events"'):
        decode_batch(body)
    else:
        decode_one(body)
    return HttpResponse(status=202)
